"""What becomes of records in SQLite and PostgreSQL: every part in its row, once, with exact sums."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions.models import DailyUsage, Event, FrameSet, Reply, Session, ToolCall, Turn, Usage
from sessions.records.entries import read_record
from sessions.records.rows import write_batch
from sessions.records.writer import write_entries
from tests.unit.record_samples import (  # noqa: F401
    AT,
    database,
    empty_database,
    entries,
    event,
    make_session,
    postgres_url,
    read,
    speaking,
    thinking,
    turn,
)

pytestmark = pytest.mark.usefixtures("empty_database")

MOST_STATEMENTS = 30
TOOL = {
    "number": 0,
    "tool_use_id": "t1",
    "name": "weather",
    "arguments": {"city": "Paris"},
    "runs_at": "worker",
    "result_bytes": 120,
    "is_error": False,
    "lasted_ms": 80.5,
    "called_at": AT,
}
FRAME = {"key": "nova:frame:f1:kept", "source": "camera", "captured_at_ms": 1, "place": "turn"}


def _snapshot() -> list[Any]:
    """All rows, without the database's own numbers."""
    models = (Session, Turn, Reply, ToolCall, FrameSet, Usage, Event, DailyUsage)
    return [sorted(map(str, model.objects.values())) for model in models]


def test_a_turn_becomes_a_row_with_its_reply_tools_and_pictures() -> None:
    make_session()
    write_batch(read(turn(tools=[TOOL], frames=[FRAME], usages=[thinking(picture_tokens=800)])))
    row = Turn.objects.get()
    assert (row.user_text, row.graph_name, row.first_audio_ms) == ("What time is it?", "voice", 812.5)
    assert (row.reply.model_id, row.reply.engine, row.reply.heard_text) == (
        "us.amazon.nova-pro-v1:0",
        "generative",
        row.heard_text,
    )
    call = row.reply.tool_calls.get()
    assert (call.name, call.arguments, call.result_bytes) == ("weather", {"city": "Paris"}, 120)
    assert (row.reply.frame_set.frames, row.reply.frame_set.picture_tokens) == ([FRAME], 800)
    assert row.started_at == datetime.fromtimestamp(AT - 1, UTC)


def test_a_session_sums_up_what_was_written() -> None:
    make_session()
    write_batch(read(turn(1, usages=[thinking(), speaking()]), turn(2, events=[event(), event(2, "interruption")])))
    session = Session.objects.get()
    assert (session.turn_count, session.fault_count, session.interruption_count) == (2, 1, 1)
    assert session.cost_usd == Decimal("0.0019")
    assert session.last_turn_at == datetime.fromtimestamp(AT + 5, UTC)


def test_writing_everything_twice_changes_nothing() -> None:
    make_session()
    batch = read(
        turn(tools=[TOOL], frames=[FRAME], usages=[thinking(), speaking()], events=[event()]),
        {"kind": "heard", "session_id": "sess_1", "reply_id": "resp_sess_1_1", "heard_text": "It is"},
        {"kind": "connection", "session_id": "sess_1", "generation": 7, "connected_at": AT},
    )
    write_batch(batch)
    before = _snapshot()
    write_batch(batch)
    write_batch([*batch, *batch])
    assert _snapshot() == before


def test_the_first_word_about_a_turn_stands() -> None:
    make_session()
    write_batch(read(turn(), turn(user_text="another")))
    write_batch(read(turn(user_text="a third")))
    assert Turn.objects.get().user_text == "What time is it?"


def test_a_later_word_about_a_use_takes_the_place_of_the_first_and_the_sums_follow() -> None:
    make_session()
    write_batch(read(turn(usages=[thinking(is_estimated=True, purpose="talk")])))
    write_batch(
        read({"kind": "more", "session_id": "sess_1", "usages": [thinking(input_tokens=500, cost_usd="0.0005")]})
    )
    use = Usage.objects.get()
    assert (use.input_tokens, use.is_estimated, use.cost_usd) == (500, False, Decimal("0.0005"))
    day = DailyUsage.objects.get()
    assert (day.calls, day.input_tokens, day.output_tokens, day.cost_usd) == (1, 500, 100, Decimal("0.0005"))
    assert Session.objects.get().cost_usd == Decimal("0.0005")


def test_a_use_that_turns_out_to_be_for_nothing_moves_between_the_days_sums() -> None:
    make_session()
    write_batch(read(turn(usages=[thinking()])))
    write_batch(read({"kind": "more", "session_id": "sess_1", "usages": [thinking(purpose="speculation")]}))
    sums = {row.purpose: (row.calls, row.input_tokens) for row in DailyUsage.objects.all()}
    assert sums == {"talk": (0, 0), "speculation": (1, 1_000)}


def test_the_days_sums_are_those_of_the_uses() -> None:
    for number, owner in enumerate(("key:a", "key:b", "key:a")):
        make_session(f"sess_{number}", owner=owner)
        reply_id = f"resp_sess_{number}_1"
        write_batch(read(turn(1, f"sess_{number}", usages=[thinking(reply_id), speaking(reply_id)])))
    sums = {(row.owner, row.service): (row.calls, row.input_tokens, row.characters) for row in DailyUsage.objects.all()}
    assert sums == {
        ("key:a", "language_model"): (2, 2_000, 0),
        ("key:a", "text_to_speech"): (2, 0, 52),
        ("key:b", "language_model"): (1, 1_000, 0),
        ("key:b", "text_to_speech"): (1, 0, 26),
    }


def test_what_was_heard_after_all_corrects_the_turn_and_counts_what_was_spoken_for_nobody() -> None:
    make_session()
    heard = {"kind": "heard", "session_id": "sess_1", "reply_id": "resp_sess_1_1", "heard_text": "It is noon."}
    write_batch(read(turn(usages=[speaking()]), heard))
    row = Turn.objects.get()
    assert (row.status, row.heard_text, row.reply.heard_text) == ("interrupted", "It is noon.", "It is noon.")
    assert row.reply.unheard_characters == DailyUsage.objects.get().unheard_characters == 15


def test_interruptions_true_and_false_are_read_from_the_decisions() -> None:
    make_session()
    decisions = [{"is": "ResumeReply", "reason": "no_words"}, {"is": "Interrupt", "reason": "voice"}]
    lines = [{"number": 4, "at_ms": 1_500.0, "decisions": decisions}]
    record = {"kind": "decisions", "session_id": "sess_1", "generation": 7, "started_at": AT, "lines": lines}
    write_batch(read(record))
    write_batch(read(record))
    found = Event.objects.order_by("kind").values_list("kind", "code", "at")
    at = datetime.fromtimestamp(AT + 1.5, UTC)
    assert list(found) == [("false_interruption", "no_words", at), ("interruption", "voice", at)]
    assert Session.objects.get().interruption_count == 1


def test_a_session_is_connected_as_its_newest_socket_says() -> None:
    make_session()
    place = {"kind": "connection", "session_id": "sess_1"}
    older, newer = {**place, "generation": 7}, {**place, "generation": 8}
    write_batch(read({**older, "connected_at": AT}))
    assert Session.objects.get().is_connected
    write_batch(read({**newer, "connected_at": AT + 5}, {**older, "disconnected_at": AT + 6}))
    assert Session.objects.get().is_connected
    write_batch(read({**newer, "disconnected_at": AT + 9}))
    assert not Session.objects.get().is_connected


def test_records_of_a_session_that_is_gone_are_dropped_and_named() -> None:
    assert write_batch(read(turn())) == ["sess_1"]
    assert not Turn.objects.exists()


def test_a_hundred_turns_take_a_bounded_number_of_statements() -> None:
    make_session()
    batch = [turn(n, usages=[thinking(f"resp_sess_1_{n}")], events=[event(n)], tools=[TOOL]) for n in range(100)]
    with CaptureQueriesContext(
        connection,
    ) as captured:
        write_batch(read(*batch))
    assert len(captured) <= MOST_STATEMENTS
    assert Turn.objects.count() == ToolCall.objects.count() == Usage.objects.count() == 100


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b", "x" * 100_000])
def test_any_text_can_be_written(text: str) -> None:
    make_session()
    tool = {**TOOL, "arguments": {text[:300]: text}, "name": text}
    (entry,) = entries(turn(user_text=text, tools=[tool], frames=[{"why": text}], events=[event(text=text, code=text)]))
    assert write_entries([entry]).refused == []
    assert Turn.objects.get().user_text == text.replace("\x00", "").replace("\ud800", "?")


@pytest.mark.parametrize(
    "fields",
    [{"turn_id": ""}, {"started_at": "yesterday"}, {"delays": {"a": "slow"}}, {"kind": "riddle"}, {"usages": [{}]}],
)
def test_what_is_no_record_is_put_aside_and_the_others_are_written(fields: dict[str, Any]) -> None:
    make_session()
    written = write_entries(entries(turn(1), turn(2, **fields), turn(3)))
    assert [json.loads(each[1][b"body"])["reply_id"] for each in written.refused] == ["resp_sess_1_2"]
    assert Turn.objects.count() == 2


def test_rd_12_an_entry_that_the_database_refuses_is_put_aside_and_the_others_are_written() -> None:
    make_session()
    clash = {**turn(2), "reply_id": turn(1)["reply_id"]}
    written = write_entries(entries(turn(1), clash, turn(3)))
    assert len(written.refused) == 1
    assert sorted(Turn.objects.values_list("turn_id", flat=True)) == ["turn_sess_1_1", "turn_sess_1_3"]


def test_a_record_of_the_release_before_is_still_read() -> None:
    make_session()
    old = {name: value for name, value in turn().items() if name not in ("reply", "paused_at", "generation")}
    write_batch([read_record(json.dumps(old))])
    assert Turn.objects.get().first_audio_ms is None
    assert not Reply.objects.exists()
