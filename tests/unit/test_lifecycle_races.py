"""The claim of a channel and the limit of sessions, raced from several processes on one real database."""

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.postgres import postgres_url  # noqa: F401

PROCESSES = 2
THREADS = 10
CLAIMS = PROCESSES * THREADS
ROUNDS = 10
LIMIT = ROUNDS + 7

Outcomes = Counter[str]


@dataclass(frozen=True, slots=True)
class Race:
    same_channel: list[Outcomes]
    own_channels: Outcomes


class _Racer:
    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.unit.claim_racer", str(THREADS), *arguments],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer("ready")

    def tell(self, channel_name: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{channel_name}\n")
        self.process.stdin.flush()

    def outcomes(self) -> Outcomes:
        return Counter(json.loads(self._answer("outcomes")))

    def _answer(self, word: str) -> str:
        """The rest of the next line that begins with `word`; log lines are passed over."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith(word):
                return line.removeprefix(word)
        raise AssertionError(f"the racer ended with {self.process.wait(10)} before it said {word}")

    def close(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=10)


def _run_race(database_url: str, redis_url: str) -> Race:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.django_settings",
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SESSIONS_MAX": str(LIMIT),
        "NOVA_AUTH": "open",
        "NOVA_LOG_LEVEL": "WARNING",
        "NOVA_DATABASE_POOL": str(THREADS),
    }
    with ExitStack() as stack:
        racers = [_Racer(environment, *arguments) for arguments in (["migrate"], *([] for _ in range(PROCESSES - 1)))]
        for racer in racers:
            stack.callback(racer.close)
        rounds = [_one_round(racers, f"room-{number}") for number in range(ROUNDS)]
        return Race(rounds, _one_round(racers, "-"))


def _one_round(racers: list[_Racer], channel_name: str) -> Outcomes:
    for racer in racers:
        racer.tell(channel_name)
    return sum((racer.outcomes() for racer in racers), Counter())


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def race(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, redis_server_url: str) -> Race:
    folder: Path = tmp_path_factory.mktemp("race")
    url = f"sqlite:///{folder / 'race.sqlite3'}"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    return _run_race(url, redis_server_url)


def test_of_twenty_claims_in_two_processes_exactly_one_wins(race: Race) -> None:
    assert race.same_channel == [{"0": 1, "10003": CLAIMS - 1}] * ROUNDS


def test_twenty_claims_at_once_never_exceed_the_limit(race: Race) -> None:
    free = LIMIT - ROUNDS
    assert race.own_channels == {"0": free, "10001": CLAIMS - free}
