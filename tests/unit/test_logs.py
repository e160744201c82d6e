"""A line of the log: JSON, with the ids of what it is about, without what people said, and never with a secret."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from django.test import Client

from nova_site.env import Environment
from nova_site.logs import configure_logging
from workers.log_context import LogIds, begin_session, current_ids, name_turn, working_for

SECRETS = {
    "DJANGO_SECRET_KEY": "canary-django-key-1",
    "NOVA_API_KEYS": "canary-api-key-000002,canary-api-key-000003",
    "AGORA_APP_CERTIFICATE": "canary0certificate00000000000004",
    "NOVA_ORIGIN_SECRET": "canary-origin-5",
    "REDIS_URL": "redis://:canary-redis-6@127.0.0.1:6379/0",
    "DATABASE_URL": "postgres://nova:canary-database-7@db:5432/nova",
    "AWS_SECRET_ACCESS_KEY": "canary/aws+key-8",
    "AWS_SESSION_TOKEN": "canary\"token'9",
}
CANARIES = [
    *("canary-django-key-1", "canary-api-key-000002", "canary-api-key-000003", "canary0certificate00000000000004"),
    *("canary-origin-5", "canary-redis-6", "canary-database-7", "canary/aws+key-8", "canary\"token'9"),
]


class Log:
    """`lines` as objects, `text` as written."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def write_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Call it with settings; the root logger is as before afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)

    def configure(**settings: str) -> Log:
        for name, setting in settings.items():
            monkeypatch.setenv(name, setting)
        configure_logging(Environment())
        stream = io.StringIO()
        root.handlers[0].setStream(stream)  # type: ignore[attr-defined]
        return Log(stream)

    yield configure
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def logger() -> Any:
    """A new one each time: a logger that was used keeps the processors of that time."""
    return structlog.get_logger("tests")


def test_each_event_is_one_line_of_json_with_a_time_and_a_level(write_log: Any) -> None:
    log = write_log()
    logger().info("first", number=1)
    logging.getLogger("another.library").warning("second\nin two lines")
    assert [line["event"] for line in log.lines] == ["first", "second\nin two lines"]
    assert [line["level"] for line in log.lines] == ["info", "warning"]
    assert all(line["timestamp"].endswith("Z") for line in log.lines)


def test_a_refused_host_is_one_line_of_warning_without_a_traceback(write_log: Any, client: Client) -> None:
    log = write_log(NOVA_LOG_FORMAT="console")
    assert client.get("/accounts/login/", headers={"Host": "evil.example"}).status_code == 400
    lines = log.text.strip().splitlines()
    assert len(lines) == 1, log.text
    assert "warning" in lines[0]
    assert "Invalid HTTP_HOST header: 'evil.example'" in lines[0]


def test_a_line_says_whose_it_is(write_log: Any) -> None:
    log = write_log()
    with working_for(LogIds("sess_1", "item_1", "resp_1")):
        logger().info("inside")
    logger().info("outside")
    inside, outside = log.lines
    assert (inside["session_id"], inside["turn_id"], inside["reply_id"]) == ("sess_1", "item_1", "resp_1")
    assert "session_id" not in outside


def test_what_a_line_says_itself_counts_more_than_where_it_is_said(write_log: Any) -> None:
    log = write_log()
    with working_for(LogIds("sess_1", reply_id="resp_1")):
        logger().info("about another", reply_id="resp_2")
    assert log.lines[0]["reply_id"] == "resp_2"


def test_lines_of_other_libraries_have_the_ids_too(write_log: Any) -> None:
    log = write_log()
    with working_for(LogIds("sess_1")):
        logging.getLogger("another.library").warning("slow")
    assert log.lines[0]["session_id"] == "sess_1"


async def test_every_task_of_a_session_knows_the_turn_that_began_after_it() -> None:
    ids = begin_session()
    goes_on = asyncio.Event()

    async def listen() -> dict[str, str]:
        await goes_on.wait()
        return current_ids()

    task = asyncio.create_task(listen())
    ids.session_id = "sess_1"
    name_turn("item_7")
    goes_on.set()
    assert await task == {"session_id": "sess_1", "turn_id": "item_7"}


def test_what_people_said_is_left_out(write_log: Any) -> None:
    log = write_log()
    logger().info("heard", private_words="my secret diary", seconds=2)
    assert log.lines[0]["seconds"] == 2
    assert "diary" not in log.text


def test_what_people_said_is_there_for_who_wants_it(write_log: Any) -> None:
    log = write_log(NOVA_LOG_PRIVATE="true")
    logger().info("heard", private_words="my secret diary")
    assert log.lines[0]["private_words"] == "my secret diary"


@pytest.mark.parametrize("canary", CANARIES)
def test_db_08_no_secret_of_the_settings_can_be_written(write_log: Any, canary: str) -> None:
    """In the event, in a field, deep in a field, and in the traceback of an error that quotes it."""
    log = write_log()
    try:
        raise ValueError(f"bad value {canary}")
    except ValueError:
        logger().exception(f"failed with {canary}", field=canary, deep={"list": [canary]})
    logging.getLogger("another.library").error("refused %s", canary)
    assert canary not in log.text
    assert json.dumps(canary)[1:-1] not in log.text
    assert len(log.lines) == 2


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("GET /stream?X-Amz-Security-Token=abcdEFGH%2F12&X-Amz-Date=2026", "abcdEFGH%2F12"),
        ("X-Amz-Signature=0123456789abcdef0123", "0123456789abcdef0123"),
        ("authorization: Bearer sk-someone-elses-key", "sk-someone-elses-key"),
        ("openai-insecure-api-key.ek_abcdefgh12345", "abcdefgh12345"),
        ("secret ek_eyJjIjoieCJ9:1x:abcdefg refused", "eyJjIjoieCJ9"),
        ("redis://user:some-password@10.0.0.1:6379/0", "some-password"),
    ],
)
def test_db_08_what_looks_like_a_secret_is_blotted_out(write_log: Any, written: str, hidden: str) -> None:
    log = write_log()
    logger().warning("library_said", text=written)
    assert hidden not in log.text
    assert "***" in log.lines[0]["text"]


def test_addresses_and_times_are_left_as_they_are(write_log: Any) -> None:
    log = write_log()
    text = "http://127.0.0.1:8000/livez at 12:30:45, wss://host:443/x"
    logger().info("served", text=text)
    assert log.lines[0]["text"] == text


@pytest.mark.parametrize("forged", ['fine"}\n{"event": "forged"}', "\x1b[2K\x1b[31mforged\r\n", "\u2028\u2029\x85\x0b"])
def test_db_07_what_a_field_holds_begins_no_line_and_colours_none(write_log: Any, forged: str) -> None:
    log = write_log()
    structlog.get_logger("nova").info("asked", name=forged)
    assert [(line["event"], line["name"]) for line in log.lines] == [("asked", forged)]
    assert log.text.count("\n") == 1
    assert log.text.strip().isprintable()


@pytest.mark.parametrize("huge", ["x" * 1_000_000, "\u97f3" * 50_000, ["frame"] * 20_000, {"a": "b" * 90_000}])
def test_db_07_a_huge_field_is_cut_and_its_line_stays_one_of_8_kib(write_log: Any, huge: Any) -> None:
    log = write_log()
    structlog.get_logger("nova").info("asked", huge=huge, number=7, **{f"more{n}": "y" * 900 for n in range(9)})
    [line] = log.lines
    assert len(log.text.encode()) <= 8 * 1024 + 1
    assert (line["event"], line["number"]) == ("asked", 7)
    assert "characters)" in line["huge"]


def test_db_07_a_cut_leaves_no_half_of_a_secret(write_log: Any) -> None:
    log = write_log()
    structlog.get_logger("nova").info("asked", huge="z" * 2_990 + CANARIES[0] + "z" * 9_000)
    assert "canary" not in log.text
    assert "***" in log.text
