"""A private PostgreSQL of the test run: a cluster in a temporary folder on a random loopback port."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

START_SECONDS = 30
# The server refuses to run as root.
UNPRIVILEGED_USERS = ("postgres", "nobody")


def find_binaries() -> Path | None:
    """The newest installed PostgreSQL, or None."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    installed = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]), reverse=True
    )
    return installed[0].parent if installed else None


def _server_user() -> str | None:
    """The user to run the server as, None for ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in UNPRIVILEGED_USERS if name in known)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _run(command: list[str], user: str | None) -> None:
    result = subprocess.run(
        command,
        user=user,
        extra_groups=[] if user else None,
        cwd="/",
        capture_output=True,
        timeout=60,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{command[0]}: {result.stderr.decode(errors='replace')[-2_000:]}")


@contextmanager
def running_postgres(binaries: Path) -> Iterator[str]:
    """Yields a DATABASE_URL; everything is gone afterwards."""
    user = _server_user()
    folder = Path(tempfile.mkdtemp(prefix="nova-pg-"))
    if user is not None:
        shutil.chown(folder, user)
    data, log, port = str(folder / "data"), str(folder / "log"), _free_port()
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    control = [str(binaries / "pg_ctl"), "-D", data, "-w", "-t", str(START_SECONDS)]
    try:
        _run([str(binaries / "initdb"), "-D", data, "-U", "nova", "--auth=trust", "-E", "UTF8", "-N"], user)
        _run([*control, "-l", log, "-o", options, "start"], user)
        try:
            yield f"postgres://nova@127.0.0.1:{port}/postgres"
        finally:
            _run([*control, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(url: str) -> str:
    """An empty one on the same server."""
    name = f"test_{secrets.token_hex(4)}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"{url.rpartition('/')[0]}/{name}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("CI") == "true":
            pytest.fail("PostgreSQL's initdb was not found, and under CI=true nothing may be skipped")
        pytest.skip("PostgreSQL's initdb was not found; install the postgresql package")
    with running_postgres(binaries) as url:
        yield url
