"""What the chart's own scripts say, run as its pods run them: as `python -c`, with nothing but variables."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import redis

from tests.deployment.chart import CHART, ROOT
from tests.house import API_KEY, House

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(120)]


def run_script(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
    code = (CHART / "files" / name).read_text(encoding="utf-8")
    environment = {**os.environ, **variables}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def policy(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.config_set("maxmemory-policy", "noeviction")
    client.close()


def test_a_redis_that_keeps_everything_is_well(redis_url: str) -> None:
    done = run_script("check_redis.py", REDIS_URL=redis_url)
    assert (done.returncode, done.stdout) == (0, "Redis is well\n")


def test_a_redis_that_throws_keys_away_stops_the_upgrade(redis_url: str, policy: redis.Redis) -> None:
    policy.config_set("maxmemory-policy", "allkeys-lru")
    done = run_script("check_redis.py", REDIS_URL=redis_url)
    assert done.returncode == 1
    assert "allkeys-lru; set it to noeviction" in done.stdout


def test_a_redis_that_is_away_stops_the_upgrade_without_its_address() -> None:
    done = run_script("check_redis.py", REDIS_URL="redis://:secret@127.0.0.1:1/0")
    assert done.returncode == 1
    assert "Redis cannot be used: ConnectionError" in done.stdout
    assert "secret" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House() as found:
        yield found


def test_helm_test_makes_and_ends_a_session(house: House) -> None:
    done = run_script("try_session.py", NOVA_TRY_URL=house.url, NOVA_API_KEYS=f"{API_KEY},another-key-0123456789")
    assert done.returncode == 0, done.stderr
    assert "generate, start, ping and stop of nova_" in done.stdout


def test_helm_test_says_which_call_failed(house: House) -> None:
    done = run_script("try_session.py", NOVA_TRY_URL=house.url, NOVA_API_KEYS="a-wrong-key-0123456789")
    assert done.returncode == 1
    assert "generate: HTTP 401" in done.stderr
