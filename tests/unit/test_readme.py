"""The papers at the top of the tree say what the code says."""

import ast
import re
from pathlib import Path

import pytest

from nova_site.env import Environment
from tests.settings_table import settings_table

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LINKS = re.compile(r"\]\(([^)#]+)[^)]*\)")
PATHS = re.compile(r"`((?:nova_site|sessions|workers|tests|helm|docs|\.ci)/[\w./-]*)`")
MAX_PICTURE_BYTES = 200_000
MAX_CONTRIBUTING_LINES = 170


def test_the_settings_table_is_the_one_of_the_code() -> None:
    """To mend: put the output of `python -m tests.settings_table` between the two marks."""
    in_readme = README.partition("tests.settings_table -->\n")[2].partition("\n<!-- end of settings")[0]
    assert in_readme == settings_table()


@pytest.mark.parametrize("name", Environment.model_fields)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert Environment.model_fields[name].description


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md"])
def test_every_link_of_a_paper_leads_somewhere(paper: str) -> None:
    links = [link for link in LINKS.findall((ROOT / paper).read_text(encoding="utf-8")) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("paper", ["README.md", "CONTRIBUTING.md"])
def test_every_path_in_a_paper_exists(paper: str) -> None:
    paths = PATHS.findall((ROOT / paper).read_text(encoding="utf-8"))
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_room_has_a_caption() -> None:
    rooms = [
        f"{path.relative_to(ROOT)}/"
        for top in ("sessions", "workers")
        for path in sorted((ROOT / top).iterdir())
        if path.is_dir() and (path / "__init__.py").exists() and path.name != "migrations"
    ]
    assert [room for room in rooms if f"`{room}`" not in CONTRIBUTING] == []


def test_contributing_is_short_enough_to_be_read() -> None:
    assert len(CONTRIBUTING.splitlines()) <= MAX_CONTRIBUTING_LINES


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (ROOT / "docs").iterdir()}
    assert {name: size for name, size in sizes.items() if size > MAX_PICTURE_BYTES} == {}


def test_the_python_example_is_python() -> None:
    (example,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    assert ast.parse(example)


@pytest.mark.parametrize("goal", re.findall(r"make ([a-z]+)", README + CONTRIBUTING))
def test_every_make_goal_of_the_papers_exists(goal: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{goal}:", makefile, re.MULTILINE)
