"""Commands of operation: which `make run` they work on, and what they say when there is nothing to work on."""

import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from sessions.management.redis_server import free_port
from sessions.management.running import RunningFile, settings_of_run
from tests.unit.web_site import Configure, configure  # noqa: F401

# ruff: noqa: F811
REDIS = "redis://127.0.0.1:41234/0"


@pytest.fixture
def runs() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def begin(runs: ExitStack, folder: Path, port: str, **more: str) -> None:
    chosen = {"PORT": port, "REDIS_URL": REDIS, **more}
    runs.enter_context(closing(RunningFile(folder, chosen)))


def test_a_command_takes_what_the_run_beside_it_has_chosen(tmp_path: Path, runs: ExitStack) -> None:
    begin(runs, tmp_path, "9000", DATABASE_URL="sqlite:///other.sqlite3")
    assert settings_of_run(tmp_path, {}) == {
        "PORT": "9000",
        "REDIS_URL": REDIS,
        "DATABASE_URL": "sqlite:///other.sqlite3",
    }
    assert settings_of_run(tmp_path, {"PORT": "9000"})["REDIS_URL"] == REDIS


@pytest.mark.parametrize(
    ("name", "value"),
    [("PORT", "9001"), ("REDIS_URL", "redis://far:6379/0"), ("DATABASE_URL", "postgres://far/nova")],
)
def test_who_has_set_another_system_is_not_led_to_the_run(
    tmp_path: Path, runs: ExitStack, name: str, value: str
) -> None:
    begin(runs, tmp_path, "9000")
    assert settings_of_run(tmp_path, {name: value}) == {}


def test_of_several_runs_it_is_the_one_on_the_usual_port_or_none(tmp_path: Path, runs: ExitStack) -> None:
    begin(runs, tmp_path, "9000")
    begin(runs, tmp_path, "9001")
    assert settings_of_run(tmp_path, {}) == {}
    begin(runs, tmp_path, "8000")
    assert settings_of_run(tmp_path, {})["PORT"] == "8000"


def test_a_run_that_was_killed_is_not_believed(tmp_path: Path, runs: ExitStack) -> None:
    begin(runs, tmp_path, "9000")
    (left,) = tmp_path.iterdir()
    content = left.read_text()
    runs.close()
    assert not left.exists()
    left.write_text(content)
    assert settings_of_run(tmp_path, {}) == {}


def test_the_file_of_a_run_is_for_its_user_alone(tmp_path: Path, runs: ExitStack) -> None:
    begin(runs, tmp_path, "9000")
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_two_runs_on_one_port_do_not_share_a_file(tmp_path: Path, runs: ExitStack) -> None:
    begin(runs, tmp_path, "9000")
    with pytest.raises(BlockingIOError):
        RunningFile(tmp_path, {"PORT": "9000"})


@pytest.mark.django_db
@pytest.mark.parametrize("command", ["reap", "housekeeping"])
def test_a_redis_that_is_not_there_is_told_and_is_no_success(configure: Configure, command: str) -> None:
    port = free_port()
    configure(redis_url=f"redis://:a-password@127.0.0.1:{port}/0")
    with pytest.raises(CommandError, match=f"^Redis cannot be reached at 127.0.0.1:{port}; ") as caught:
        call_command(command)
    assert caught.value.returncode == 1


def test_a_drain_that_finds_no_server_says_so_and_is_no_success() -> None:
    port = free_port()
    with pytest.raises(CommandError, match=f"no web process of port {port} was found") as caught:
        call_command("drain", port=port)
    assert caught.value.returncode == 1
