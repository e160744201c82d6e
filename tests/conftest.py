"""Fixtures of every test: a real Redis on a random loopback port."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from sessions.management.redis_server import free_port, redis_command, wait_for_redis


@pytest.fixture(scope="session")
def redis_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this test run; its data is shared by all tests of the run."""
    folder: Path = tmp_path_factory.mktemp("redis")
    port = free_port()
    process = subprocess.Popen(redis_command(port, folder), stdout=subprocess.DEVNULL)
    url = f"redis://127.0.0.1:{port}/0"
    try:
        wait_for_redis(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def redis_url(redis_server_url: str) -> str:
    """The same Redis, emptied before the test."""
    client = redis.Redis.from_url(redis_server_url)
    client.flushall()
    client.close()
    return redis_server_url
