"""`manage.py doctor`: each fault is named with its mend, and what is well is told too."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from sessions.configured import web_settings
from sessions.management.examining import clock_finding, examine_port, examine_quotas, redis_finding
from tests.house import ROOT, House


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with House("aws", settings={"SESSIONS_MAX": "200"}) as house:
        yield house


def doctor(house: House, *arguments: str, without: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in house.environment.items() if name != without} | settings
    command = [sys.executable, "manage.py", "doctor", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)


def test_a_system_that_is_well_is_told_line_by_line(house: House) -> None:
    done = doctor(house)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()[2:]
    assert {line.split()[0] for line in lines} == {"good"}
    words = "settings redis database port disk quotas clock speech language text"
    assert [next(line for line in lines if word in line) for word in words.split()]
    services = {call["service"] for call in house.aws.journal()}
    assert {"transcribe", "bedrock", "polly"} <= services


def test_without_calls_no_service_hears_of_it(house: House) -> None:
    before = len(house.aws.journal())
    assert doctor(house, "--no-calls").returncode == 0
    assert len(house.aws.journal()) == before


def test_what_is_wrong_is_named_with_its_mend_and_the_rest_is_looked_at_all_the_same(house: House) -> None:
    done = doctor(
        house, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL="sqlite:///:memory:", without="AWS_ACCESS_KEY_ID"
    )
    assert done.returncode == 1
    assert "Redis cannot be reached at 127.0.0.1:1" in done.stdout
    assert "database: manage.py migrate" in done.stdout
    assert "no AWS credentials were found" in done.stdout
    assert "language model: set AWS_PROFILE" in done.stdout
    assert done.stderr.strip().startswith("CommandError: to mend: redis, database")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("version", "policy", "verdict"),
    [
        ("7.2.4", "noeviction", "good"),
        ("6.2.14", "", "good"),
        ("6.0.9", "noeviction", "bad"),
        ("7.0.1", "allkeys-lru", "bad"),
    ],
)
def test_redis_must_be_new_enough_and_forget_nothing(version: str, policy: str, verdict: str) -> None:
    found = redis_finding(version, policy, 0.4)
    assert (found.verdict, bool(found.mend)) == (verdict, verdict != "good")


@pytest.mark.parametrize(("skew", "verdict"), [(0.4, "good"), (-3.0, "weak"), (250.0, "bad")])
def test_a_clock_is_judged_by_what_a_signature_bears(skew: float, verdict: str) -> None:
    assert clock_finding("clock", skew).verdict == verdict


def test_more_sessions_than_streams_are_told() -> None:
    nova = replace(web_settings(), speech_to_text="x.aws_transcribe.Y", sessions_max=100, transcribe_streams_quota=25)
    assert "SESSIONS_MAX" in examine_quotas(nova).mend
    assert examine_quotas(replace(nova, sessions_max=20)).verdict == "good"


def test_a_port_that_another_program_has_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        found = examine_port(replace(web_settings(), host="127.0.0.1", port=taken.getsockname()[1]))
    assert (found.verdict, "set PORT" in found.mend) == ("bad", True)


def test_a_model_that_the_account_lacks_comes_with_its_mend(house: House) -> None:
    house.aws.script(bedrock=[{"error": {"type": "AccessDeniedException", "message": "no access to the model"}}])
    done = doctor(house)
    assert done.returncode == 1
    assert "no access to the model" in done.stdout
    assert "language model: open the model in Bedrock's catalogue" in done.stdout
