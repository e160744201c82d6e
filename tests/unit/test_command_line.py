"""`manage.py` before any command of ours runs: help without settings, and what is told first."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIMIT_SECONDS = 60.0


def manage(*arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    """With no setting but these."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**kept, **settings}, capture_output=True, text=True, timeout=LIMIT_SECONDS
    )


def test_help_needs_no_setting() -> None:
    done = manage("help")
    assert done.returncode == 0, done.stderr
    assert "run_local" in done.stdout


def test_a_mistyped_command_is_named_and_no_setting_is_asked_for() -> None:
    done = manage("erase_sesion")
    assert done.returncode == 1
    assert "Unknown command: 'erase_sesion'" in done.stderr
    assert "erase_session" in done.stderr
    assert "DJANGO_SECRET_KEY" not in done.stderr


@pytest.mark.parametrize("arguments", [("serve",), ("shell", "-c", "")])
def test_what_signs_tickets_still_needs_its_key(arguments: tuple[str, ...]) -> None:
    done = manage(*arguments)
    assert done.returncode == 1
    assert done.stderr.strip() == "cannot start: DJANGO_SECRET_KEY is not set; it is needed when NOVA_AUTH=required"


def test_a_port_in_use_is_told_before_django_is_set_up() -> None:
    """Settings that do not exist would be the next fault."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = manage("run_local", NOVA_AUTH="open", PORT=str(port), DJANGO_SETTINGS_MODULE="no.such.settings")
    assert done.returncode == 1
    assert done.stderr.startswith(f"cannot start: cannot listen on 127.0.0.1:{port} (Address already in use); ")
    assert len(done.stderr.strip().splitlines()) == 1
