"""The figures: named on their page, bounded in number, without ids, and counted from what really happens."""

import asyncio
import dataclasses
import re
import urllib.request
import uuid
from pathlib import Path
from typing import Any, get_args

import pytest
import redis
from prometheus_client import REGISTRY, CollectorRegistry, Counter
from prometheus_client.parser import text_string_to_metric_families

import sessions.metrics
import workers.metrics
from sessions import loop_watch
from sessions.backlog import Backlog
from sessions.live.reply_delays import ReplyDelays, delays_by_name
from sessions.live.turn_taking import decisions, ending, interruption
from sessions.live.turns import Turn
from sessions.management.redis_server import free_port
from sessions.record_meter import count_record, measured
from tests.contracts.emulated_aws import web_settings
from tests.metrics_table import Described, metrics_table, web_metrics, worker_metrics
from workers import errors
from workers.errors import NovaError
from workers.metric_labels import ERROR_CODES, OTHER, Bounded, model_name
from workers.metrics_server import MetricsPort, serve_metrics
from workers.settings import AwsSettings
from workers.streams import keys
from workers.streams.redis_clients import async_command_client

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "metrics.md").read_text(encoding="utf-8")
ID_LABELS = re.compile(r"(^|_)(id|session|channel|user|owner|key|turn|reply)(_|$)")
NOT_COUNTED = {"nova_error", "configuration", "bad_input"}
MOST_SERIES = 500
ALL = [*web_metrics(), *worker_metrics()]


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def grown() -> Any:
    """Call it with a series: by how much it has grown since the test began."""
    before = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in REGISTRY.collect()
        for sample in family.samples
    }
    return lambda name, **labels: value(name, **labels) - before.get((name, tuple(sorted(labels.items()))), 0.0)


# --- names and labels -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("heading", "found"), [("Web process", web_metrics()), ("Workers", worker_metrics())])
def test_the_page_lists_exactly_the_metrics_of_the_code(heading: str, found: list[Described]) -> None:
    """To mend: put the output of `python -m tests.metrics_table` into the page."""
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    in_page = "\n".join(line for line in section.splitlines() if line.startswith("|"))
    assert in_page == metrics_table(found)


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_no_label_is_an_id(metric: Described) -> None:
    assert [label for label in metric.labels if ID_LABELS.search(label)] == []


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_names_follow_prometheus(metric: Described) -> None:
    assert re.fullmatch(r"nova_[a-z_]+", metric.name)
    assert "_ms" not in metric.name
    assert metric.kind != "histogram" or metric.name.endswith("_seconds")


def test_web_and_worker_metrics_share_no_name() -> None:
    names = [metric.name for metric in ALL]
    assert len(names) == len(set(names))


def test_a_value_that_nobody_expected_counts_as_other() -> None:
    family = Bounded(Counter("x", "x", ["word"], registry=CollectorRegistry()), ("known",))
    family.of("made up").inc()
    family.of("made up as well").inc()
    assert family.of(OTHER)._value.get() == 2


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("us.amazon.nova-pro-v1:0", "nova-pro"),
        ("amazon.nova-2-lite-v1:0", "nova-2-lite"),
        ("arn:aws:bedrock:us-east-1:1:inference-profile/eu.amazon.nova-lite-v1:0", "nova-lite"),
        ("anthropic.claude", OTHER),
    ],
)
def test_a_model_is_named_by_its_family(model_id: str, name: str) -> None:
    assert model_name(model_id) == name


def test_op_03_a_thousand_sessions_make_no_more_series_than_one() -> None:
    """What differs between sessions is thrown at every label that takes a word from outside."""
    for _ in range(1_000):
        word = uuid.uuid4().hex
        count_record(turn_record(status=word, error_code=word, delays={word: 1.0}))
        count_record(decided("EndTurn", word))
        workers.metrics.count_provider_error(word, word)
        workers.metrics.count_task_end(word, word)
        workers.metrics.count_answer(word, word, 1.0, 1, 1)
        workers.metrics.count_characters(word, word, 1)
        workers.metrics.count_engine_fall_back(word, word)
        sessions.metrics.count_stream_error(word)
        sessions.metrics.count_resume(word)
        sessions.metrics.add_cost(word, 0.1)
        sessions.metrics.CLIENTS_CUT.of(word).inc()
    series = [sample for family in REGISTRY.collect() for sample in family.samples]
    assert len(series) <= MOST_SERIES


# --- the words of labels are those of the code ----------------------------------------------------------------------


def test_every_delay_of_a_turn_has_its_stage() -> None:
    delays = ReplyDelays(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
    turn = Turn("item", 0.1, 0, paused_ms=0.2, ended_ms=0.5)
    assert {*delays_by_name(delays, turn), "silence"} == set(sessions.metrics.STAGES)


def test_every_reason_of_the_engine_is_known() -> None:
    due = re.compile(r'Due\([^"\n]*"([a-z_]+)"')
    source = Path(ending.__file__).read_text(encoding="utf-8")
    reasons = {*due.findall(source), *re.findall(r'else "([a-z_]+)"', source), "too_long", "cleared", "closed"}
    known = {*sessions.metrics.TURN_ENDS, *sessions.metrics.TURN_DROPS}
    assert reasons - known == {"idle"}
    interrupting = set(due.findall(Path(interruption.__file__).read_text(encoding="utf-8")))
    assert {*sessions.metrics.INTERRUPTIONS, *sessions.metrics.FALSE_INTERRUPTIONS} - interrupting == {
        "turn",
        "turn_dropped",
    }


def test_every_decision_that_is_counted_exists() -> None:
    names = {kind.__name__ for kind in get_args(decisions.Decision)}
    assert {"EndTurn", "DropTurn", "Interrupt", "HoldReply", "ResumeReply", "Speculate"} <= names


def test_every_error_of_the_tree_has_its_code_among_the_labels() -> None:
    tree = [error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, NovaError)]
    assert {error.code for error in tree} - set(ERROR_CODES) <= NOT_COUNTED


# --- counting -------------------------------------------------------------------------------------------------------


def turn_record(**changes: Any) -> dict[str, Any]:
    delays = {"end_of_turn": 400.0, "first_audio": 600.0}
    return {"kind": "turn", "status": "completed", "error_code": "", "delays": delays, **changes}


def decided(name: str, reason: str = "") -> dict[str, Any]:
    return {"kind": "decisions", "lines": [{"decisions": [{"is": name, "reason": reason}]}]}


def test_a_finished_turn_is_measured_by_stage_and_from_sound_to_sound(grown: Any) -> None:
    count_record(turn_record())
    assert grown("nova_turn_delay_seconds_sum", stage="first_audio") == pytest.approx(0.6)
    assert grown("nova_turn_delay_seconds_sum", stage="silence") == pytest.approx(1.0)
    assert grown("nova_replies_total", status="completed") == 1


def test_a_failed_reply_is_counted_by_its_code(grown: Any) -> None:
    count_record(turn_record(status="failed", error_code="worker_lost"))
    assert grown("nova_reply_failures_total", code="worker_lost") == 1


@pytest.mark.parametrize(
    ("record", "series", "labels"),
    [
        (decided("EndTurn", "silence"), "nova_turns_total", {"end": "silence"}),
        (decided("DropTurn", "no_words"), "nova_turns_dropped_total", {"reason": "no_words"}),
        (decided("Interrupt", "voice"), "nova_interruptions_total", {"by": "voice"}),
        (decided("HoldReply", "voice"), "nova_holds_total", {}),
        (decided("ResumeReply", "no_words"), "nova_false_interruptions_total", {"reason": "no_words"}),
        (decided("KeepSpeculation"), "nova_speculations_total", {"outcome": "kept"}),
        (decided("DropSpeculation", "words"), "nova_speculations_total", {"outcome": "dropped"}),
    ],
)
def test_a_decision_is_counted(grown: Any, record: dict[str, Any], series: str, labels: dict[str, str]) -> None:
    count_record(record)
    assert grown(series, **labels) == 1


def test_cost_is_counted_once_though_it_is_told_while_it_grows(grown: Any) -> None:
    for usd in ("0.001", "0.004", "0.004"):
        usage = {"usage_id": "growing", "service": "text_to_speech", "cost_usd": usd}
        count_record({"kind": "more", "usages": [usage]})
    assert grown("nova_cost_usd_total", service="text_to_speech") == pytest.approx(0.004)


def test_a_reply_that_was_gone_is_no_false_interruption(grown: Any) -> None:
    count_record(decided("ResumeReply", "reply_gone"))
    assert sum(grown("nova_false_interruptions_total", reason=reason) for reason in ("reply_gone", OTHER)) == 0


async def test_a_record_that_could_not_be_kept_is_counted_all_the_same(grown: Any) -> None:
    async def keep(_: dict[str, Any]) -> None:
        await asyncio.sleep(60)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await measured(keep)(turn_record())
    assert grown("nova_replies_total", status="completed") == 1


async def test_a_loop_that_was_held_up_shows_it(grown: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_watch, "LOOK_SECONDS", 0.01)
    watching = asyncio.create_task(loop_watch.watch_loop())
    await asyncio.sleep(0)
    deadline = asyncio.get_running_loop().time() + 0.06
    while asyncio.get_running_loop().time() < deadline:
        pass  # the loop is held, as work of 50 ms would
    for _ in range(5):
        await asyncio.sleep(0)  # it wakes now, late
    watching.cancel()
    assert grown("nova_web_loop_lag_seconds_sum") >= 0.04


# --- the port -------------------------------------------------------------------------------------------------------


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
        text: str = page.read().decode()
        return text


def test_the_page_is_what_prometheus_reads() -> None:
    port = serve_metrics(MetricsPort("127.0.0.1", free_port()))
    assert port is not None
    families = {family.name for family in text_string_to_metric_families(read(port))}
    assert {metric.name for metric in web_metrics()} <= families


def test_the_next_process_of_a_machine_takes_the_next_port() -> None:
    first = free_port()
    ports = [serve_metrics(MetricsPort("127.0.0.1", first)) for _ in range(2)]
    assert ports[0] == first
    assert ports[1] is not None
    assert ports[1] > first


def test_port_0_means_none() -> None:
    assert serve_metrics(MetricsPort("127.0.0.1", 0)) is None


def test_an_address_that_is_not_ours_keeps_no_process_from_working() -> None:
    assert serve_metrics(MetricsPort("192.0.2.1", free_port())) is None


# --- what Redis shows -------------------------------------------------------------------------------------------------


async def test_queues_records_and_quotas_are_read_from_redis(redis_url: str) -> None:
    settings = dataclasses.replace(web_settings(AwsSettings("us-east-1")), redis_url=redis_url)
    with redis.Redis.from_url(redis_url) as client:
        client.rpush("speech", "a", "b", "c")
        now_ms = int(client.time()[0]) * 1_000
        client.xadd(keys.RECORDS_STREAM, {"body": "{}"}, id=f"{now_ms - 30_000}-0")
        client.zadd(keys.speech_streams("us-east-1:websocket"), {"lives": now_ms + 60_000, "died": now_ms - 60_000})
        client.zadd(keys.speech_places("neural", "running"), {"call": now_ms + 60_000})
    backlog = Backlog(async_command_client(redis_url), settings)
    await backlog.look()
    await backlog.close()
    assert value("nova_queue_length", queue="speech") == 3
    assert value("nova_records_lag_seconds") == pytest.approx(30, abs=2)
    assert value("nova_quota_used", quota="transcribe_streams") == 1
    assert value("nova_quota_used", quota="polly_neural") == 1
    assert value("nova_quota_limit", quota="transcribe_streams") == settings.transcribe_streams_quota
