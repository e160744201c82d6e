"""The shape of the code: import contracts, file and function sizes, no catch-alls but at process borders, no late surprises."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("nova_site", "sessions", "workers", "tests")
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
CATCH_ALLS = {"Exception", "BaseException"}


def python_files() -> list[Path]:
    return sorted(
        path
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if "migrations" not in path.parts and "__pycache__" not in path.parts
    )


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_file_is_longer_than_400_lines() -> None:
    long_files = {name_of(path): len(path.read_text().splitlines()) for path in python_files()}
    assert {name: lines for name, lines in long_files.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    found = [
        f"{name_of(path)}:{node.lineno} {node.name}"
        for path in python_files()
        for node in functions(ast.parse(path.read_text()))
        if (node.end_lineno or node.lineno) - node.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert found == []


def test_every_module_opens_with_a_sentence() -> None:
    found = [
        name_of(path)
        for path in python_files()
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert found == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or (isinstance(handler.type, ast.Name) and handler.type.id in CATCH_ALLS)


def passes_on(handler: ast.ExceptHandler) -> bool:
    """Cleaning up and raising again swallows nothing."""
    last = handler.body[-1]
    return isinstance(last, ast.Raise) and last.exc is None


@pytest.mark.parametrize("room", ["nova_site", "sessions", "workers"])
def test_catch_alls_stand_only_at_process_borders_and_log(room: str) -> None:
    """Each gives its reason beside it, and the lines after it call the logger's `exception`."""
    found = []
    for path in (path for path in python_files() if name_of(path).startswith(room)):
        source = path.read_text()
        lines = source.splitlines()
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.ExceptHandler) and catches_all(node) and not passes_on(node):
                is_marked = "# process border: " in lines[node.lineno - 1]
                is_logged = ".exception(" in "\n".join(lines[node.lineno - 1 : node.lineno + 3])
                if not (is_marked and is_logged):
                    found.append(f"{name_of(path)}:{node.lineno}")
    assert found == []


def test_imports_run_one_way() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", "pyproject.toml", "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout[-3000:]


@pytest.mark.parametrize("module", ["workers.tasks", "workers.streams.messages", "workers.streams.codec"])
def test_publishing_loads_no_sdk(module: str) -> None:
    code = (
        f"import sys, {module}; print([name for name in ('boto3', 'botocore', 'PIL', 'gevent') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def _project_files() -> list[str]:
    """What git tracks; where there is no git or no repository, every file outside hidden and made folders."""
    if shutil.which("git") and (ROOT / ".git").exists():
        tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
        return tracked.stdout.splitlines()
    names = [path.relative_to(ROOT) for path in ROOT.rglob("*")]
    made = {"__pycache__", "staticfiles"}
    return [str(name) for name in names if not any(part.startswith(".") or part in made for part in name.parts)]


def test_no_file_names_a_path_of_this_machine() -> None:
    home = str(Path.home())
    names = _project_files()
    assert "README.md" in names
    found = []
    for name in names:
        path = ROOT / name
        if path.is_file() and path.suffix not in {".png", ".svg", ".wav"}:
            text = path.read_text(errors="replace")
            if f"{home}/." in text or f"{ROOT}/" in text:
                found.append(name)
    assert found == []
