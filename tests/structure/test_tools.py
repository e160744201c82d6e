"""Lint, formatting and strict types are part of the suite, so that one command says whether the tree is sound."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("tool", COMMANDS)
def test_tool_is_content(tool: str) -> None:
    program, *arguments = COMMANDS[tool]
    command = [str(Path(sys.executable).parent / program), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=390)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
