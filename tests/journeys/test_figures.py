"""What a house tells of itself after a conversation: every process's metrics, logs with ids, and no secret anywhere (DB-08)."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.house import House, Process
from tests.journeys.client import Client, connect_socket, generate_ticket, start_channel, tell_script, wait_until
from tests.journeys.conftest import CALLER_KEY, Play
from tests.journeys.pictures import scene
from tests.journeys.sounds import speech
from workers.streams import keys

QUESTION = "How far away is the canary-question moon?"
ANSWER = "The canary-answer moon is far away. Nobody walks there."
INSTRUCTIONS = "You are canary-prompt, a quiet agent."
PRIVATE = ("canary-question", "canary-answer", "canary-prompt")
MONITOR_BYTES = 65_536


class Talk(NamedTuple):
    client: Client
    session_id: str
    channel_secret: str
    said_to_redis: bytes
    metrics_before: dict[str, str]
    metrics: dict[str, str]
    logs: dict[str, str]


async def _conversation(house: House) -> Talk:
    await tell_script(house, texts=[QUESTION], bedrock=[{"text": ANSWER}], defaults={"polly": {"ms_per_character": 10}})
    address = urlsplit(house.redis_url)
    before = await asyncio.to_thread(house.metrics)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"MONITOR\r\n")
    heard = bytearray()

    async def listen() -> None:
        while data := await reader.read(MONITOR_BYTES):
            heard.extend(data)

    listening = asyncio.create_task(listen())
    channel, secret = await generate_ticket(house, key=CALLER_KEY)
    properties = {"llm": {"greeting": "", "prompt": INSTRUCTIONS}}
    session_id = await start_channel(house, channel, key=CALLER_KEY, properties=properties)
    async with connect_socket(house, key=secret) as client:
        await client.show(scene(100))
        await client.speak(speech(800))
        await client.wait_for("response.done")
        await wait_until(lambda: _is_counted(house, before), "the turn to be counted")
        metrics = await asyncio.to_thread(house.metrics)
    listening.cancel()
    writer.close()
    return Talk(client, session_id, secret, bytes(heard), before, metrics, {p.name: p.log() for p in house.processes})


async def _is_counted(house: House, before: dict[str, str]) -> bool:
    """Word times come after the sound, and a frame may be looked at last of all."""
    pages = await asyncio.to_thread(house.metrics)
    return all(
        any(_figures(page).get(series, 0) > _figures(before[name]).get(series, 0) for name, page in pages.items())
        for series in (
            'nova_replies_total{status="completed"}',
            'nova_voice_characters_total{engine="generative",purpose="word_marks"}',
            'nova_task_seconds_count{task="compress_frame"}',
        )
    )


def _figures(page: str) -> dict[str, float]:
    figures = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            figures[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return figures


@pytest.fixture(scope="module")
def talk(play: Play) -> Talk:
    spoken: Talk = play(_conversation)
    return spoken


def figure(talk: Talk, process: str, series: str) -> float:
    return _figures(talk.metrics[process]).get(series, 0.0)


def growth(talk: Talk, process: str, series: str) -> float:
    """What this talk alone has added: the house is shared, and others have counted in it before."""
    return figure(talk, process, series) - _figures(talk.metrics_before[process]).get(series, 0.0)


def test_every_process_answers_at_a_port_of_its_own(talk: Talk) -> None:
    assert set(talk.metrics) == {"talker", "seer", "web0", "web1"}


@pytest.mark.parametrize(
    "series",
    [
        'nova_turn_delay_seconds_count{stage="first_audio"}',
        'nova_turn_delay_seconds_count{stage="silence"}',
        'nova_turn_delay_seconds_count{stage="model_first_token"}',
        "nova_sessions_opened_total",
        'nova_speech_streams_opened_total{cause="first"}',
        'nova_frames_total{result="kept"}',
        "nova_publish_seconds_count",
        "nova_web_loop_lag_seconds_count",
    ],
)
def test_the_web_process_tells_of_the_turn(talk: Talk, series: str) -> None:
    assert growth(talk, "web0", series) > 0


@pytest.mark.parametrize(
    "series",
    [
        'nova_tasks_total{outcome="done",task="generate_reply"}',
        'nova_task_queue_seconds_count{task="generate_reply"}',
        'nova_task_seconds_count{task="synthesize_speech"}',
        'nova_model_first_token_seconds_count{model="nova-pro"}',
        'nova_model_tokens_total{direction="input",model="nova-pro"}',
        'nova_voice_characters_total{engine="generative",purpose="speech"}',
        'nova_voice_first_byte_seconds_count{engine="generative"}',
        "nova_worker_loop_lag_seconds_count",
    ],
)
def test_the_talking_worker_tells_of_its_work(talk: Talk, series: str) -> None:
    assert growth(talk, "talker", series) > 0


@pytest.mark.parametrize(
    "series",
    [
        'nova_tasks_total{outcome="done",task="compress_frame"}',
        'nova_task_queue_seconds_count{task="compress_frame"}',
    ],
)
def test_the_seeing_workers_children_are_counted_by_their_parent(talk: Talk, series: str) -> None:
    assert growth(talk, "seer", series) > 0


@pytest.mark.parametrize(
    ("process", "series"),
    [
        ("web0", 'nova_voice_activity_engine{engine="energy"}'),
        ("web0", 'nova_quota_limit{quota="transcribe_streams"}'),
        ("talker", "nova_worker_slots"),
        ("seer", "nova_worker_slots"),
    ],
)
def test_what_a_process_has_stands_beside_what_it_did(talk: Talk, process: str, series: str) -> None:
    assert figure(talk, process, series) > 0


@pytest.mark.parametrize("process", ["web0", "talker"])
def test_lines_of_a_session_carry_its_id_and_its_turn(talk: Talk, process: str) -> None:
    lines = [json.loads(line) for line in talk.logs[process].splitlines() if line.startswith("{")]
    own = [line for line in lines if line.get("session_id") == talk.session_id]
    assert own
    if process == "talker":
        assert all(line["turn_id"].startswith("item_") for line in own)


def test_nothing_that_was_said_is_logged(talk: Talk) -> None:
    found = [(name, word) for name, log in talk.logs.items() for word in PRIVATE if word in log]
    assert found == []


def test_db_08_no_secret_is_in_a_log(talk: Talk, house_of_aws: House) -> None:
    assert {name: found for name, log in talk.logs.items() if (found := canaries(talk, house_of_aws, log))} == {}


def test_db_08_no_secret_is_in_an_event_of_the_client(talk: Talk, house_of_aws: House) -> None:
    events = "\n".join(repr(heard.event) for heard in talk.client.events)
    assert len(events) > 1_000
    assert canaries(talk, house_of_aws, events) == []


def test_db_08_no_secret_goes_to_redis_in_a_task_a_request_or_a_record(talk: Talk, house_of_aws: House) -> None:
    """Everything that any process told Redis during the conversation."""
    said = talk.said_to_redis.decode(errors="replace")
    assert keys.RECORDS_STREAM in said
    assert "workers.generate_reply" in said
    assert canaries(talk, house_of_aws, said) == []


def test_db_08_no_secret_and_no_word_is_in_the_metrics(talk: Talk, house_of_aws: House) -> None:
    pages = "".join(talk.metrics.values())
    assert canaries(talk, house_of_aws, pages) == []
    assert [word for word in (*PRIVATE, talk.session_id) if word in pages] == []


def test_db_08_no_secret_is_in_a_page_or_in_the_api_description(talk: Talk, house_of_aws: House) -> None:
    for path in ("/", "/v1/api/openapi.json", "/livez", "/readyz", "/admin/login/", "/nothing-here"):
        assert canaries(talk, house_of_aws, _page(house_of_aws.url + path)) == [], path


def test_db_08_no_secret_is_in_a_command_line(talk: Talk, house_of_aws: House) -> None:
    for process in house_of_aws.processes:
        assert canaries(talk, house_of_aws, _command_lines(process)) == [], process.name


def canaries(talk: Talk, house: House, text: str) -> list[str]:
    """The house's own secrets, and the client secret that the channel's socket was opened with."""
    return [*house.canaries_in(text), *(["client_secret"] if talk.channel_secret in text else [])]


def _page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return f"{answer.headers}{answer.read().decode()}"
    except urllib.error.HTTPError as error:
        return f"{error.headers}{error.read().decode(errors='replace')}"


def _command_lines(process: Process) -> str:
    family: list[Any] = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    return "\n".join(" ".join(each.cmdline()) for each in family)
