"""The folder of local data is closed to everyone but its owner."""

import stat
from pathlib import Path

import pytest

from sessions.management.private_folder import keep_private
from workers.errors import ConfigurationError


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    keep_private(tmp_path / "data")
    assert mode_of(tmp_path / "data") == 0o700


@pytest.mark.parametrize(("name", "mark"), [(".run", "nova.sqlite3"), ("data", "secret_key")])
def test_one_that_was_left_open_by_an_earlier_version_is_closed(tmp_path: Path, name: str, mark: str) -> None:
    folder = tmp_path / name
    folder.mkdir(mode=0o755)
    (folder / mark).touch()
    keep_private(folder)
    assert mode_of(folder) == 0o700


def test_a_folder_that_belongs_to_others_too_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    keep_private(folder)
    assert mode_of(folder) == 0o777


def test_a_file_in_its_place_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / ".run").touch()
    with pytest.raises(ConfigurationError, match="cannot be used for local data: File exists"):
        keep_private(tmp_path / ".run")
