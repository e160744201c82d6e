"""What a live session leaves: turns made complete, events, costs as they become known, and a budget that is lived by."""

import json
from decimal import Decimal
from typing import Any

import pytest

from sessions.live import facts
from sessions.live.accounts import Accounts, NoSpending
from sessions.live.budget import BudgetLimits, Step
from sessions.live.chronicle import WAITING_EVENTS, Chronicle
from sessions.live.usage import AMAZON
from sessions.records.entries import ConnectionRecord, MoreRecord, TurnRecord, read_record
from tests.unit.record_samples import turn
from tests.unit.reply_scene import SESSION, Desk
from tests.unit.test_metering import MODEL, VOICE
from workers.language_model.contract import FramePart, ModelOptions, StoredMessage
from workers.streams.messages import Address, ReplyRequest, ReplyWritten, SpeechFinished, ToolCalled, ToolReturned

OLDER = FramePart("nova:frame:f0:kept", "camera", 100)
NEWEST = FramePart("nova:frame:f1:kept", "screen", 200)
DESCRIBED = {"model_id": MODEL}


class Room:
    """A chronicle with a clock, a client and a stream of its own."""

    def __init__(self, limits: BudgetLimits | None = None) -> None:
        self.time_ms = 0.0
        self.told: list[facts.Fact] = []
        self.steps: list[Step] = []
        self.spent: list[str] = []
        self.records: list[dict[str, Any]] = []
        self.spending = Purse()
        accounts = Accounts(
            providers=AMAZON,
            described={"voice_activity": "energy"},
            spending=self.spending,
            limits_of=lambda owner: limits or BudgetLimits(),
            on_spent=self.spent.append,
        )
        self.chronicle = Chronicle(SESSION[1], accounts, self._keep, self)
        self.desk = self.chronicle.meter.desk(Desk())

    def now_ms(self) -> float:
        return self.time_ms

    def epoch_ms(self) -> int:
        return int(self.time_ms) + 1_000_000

    def deliver(self, fact: facts.Fact) -> None:
        self.told.append(self.chronicle.note(fact))

    def save(self, step: Step) -> None:
        self.steps.append(step)

    async def _keep(self, record: dict[str, Any]) -> None:
        self.records.append(record)

    def begin(self) -> None:
        self.chronicle.begin(SESSION[0], "key:a", "voice", DESCRIBED)

    def ask(self, reply_id: str = "resp_1") -> None:
        address = Address(*SESSION, f"{reply_id}.0", "out")
        history = (StoredMessage("user", (OLDER,)),)
        request = ReplyRequest(address, "", history, ModelOptions(MODEL), user_frames=(NEWEST,), opening_voice=VOICE)
        self.desk.request_reply(request, None, lambda _: None)
        self.deliver(facts.ReplyStarted(reply_id))

    def answer(self, input_tokens: int = 1_000) -> None:
        ids = (*SESSION, "resp_1.0")
        self.chronicle.take(ToolCalled(*ids, "t1", "weather", {"city": "Paris"}, "worker"))
        self.time_ms += 80
        self.chronicle.take(ToolReturned(*ids, "t1", "sunny", False))
        self.chronicle.take(ReplyWritten(*ids, 1, "end_turn", input_tokens, 100, model_id="us.amazon.nova-lite-v1:0"))
        self.chronicle.take(SpeechFinished(*ids, 0, 1, 26, 80.0, "neural", 26))

    async def finish_turn(self) -> None:
        record = turn(1, SESSION[0], reply_id="resp_1", reply={"status": "completed"})
        await self.chronicle.keep(record)
        self.deliver(facts.TurnMeasured("resp_1", {"first_audio": 312.0}))

    async def written(self) -> list[dict[str, Any]]:
        """What was given to be written beside the turns."""
        await self.chronicle.close()
        return self.records


class Purse(NoSpending):
    def __init__(self) -> None:
        self.added: dict[str, Decimal] = {}

    def add(self, owner: str, usd: Decimal) -> None:
        self.added[owner] = self.added.get(owner, Decimal(0)) + usd


async def test_a_turns_record_is_made_complete_with_tools_pictures_makers_and_costs() -> None:
    room = Room()
    room.begin()
    room.ask()
    room.answer()
    await room.finish_turn()
    record = read_record(encoded(room.records[-1]))
    assert isinstance(record, TurnRecord)
    assert record.reply is not None
    assert (record.reply.model_id, record.reply.engine, record.reply.voice) == (
        "us.amazon.nova-lite-v1:0",
        "neural",
        "Ruth",
    )
    (tool,) = record.tools
    assert (tool.name, tool.arguments, tool.result_bytes, tool.lasted_ms) == ("weather", {"city": "Paris"}, 5, 80)
    shown = [(frame["key"], frame["source"], frame["place"]) for frame in record.frames]
    assert shown == [(OLDER.key, "camera", "history"), (NEWEST.key, "screen", "turn")]
    assert {use.service for use in record.usages} == {"language_model", "text_to_speech"}
    assert record.graph_name == "voice"


async def test_a_pictures_record_says_why_it_was_chosen_and_an_older_reply_stays_as_it_was() -> None:
    room = Room()
    room.begin()
    room.ask()
    told = (facts.FrameTold(NEWEST.captured_at_ms, NEWEST.source, "picture", "newest"),)
    room.deliver(facts.VisionChanged(500, reply_id="resp_1", frames=told))
    room.answer()
    await room.finish_turn()
    record = read_record(encoded(room.records[-1]))
    assert isinstance(record, TurnRecord)
    assert [(frame["kind"], frame.get("reason")) for frame in record.frames] == [("frame", None), ("frame", "newest")]


async def test_an_alert_of_watch_mode_is_an_event() -> None:
    room = Room()
    room.begin()
    room.deliver(facts.AlertRaised("alert_1", "Smoke.", "Is there smoke?", "camera", 17))
    told = [event for record in await room.written() for event in record.get("events", ())]
    assert [(event["kind"], event["text"]) for event in told if event["kind"] == "alert"] == [("alert", "Smoke.")]


async def test_the_client_is_told_what_the_turn_has_used_and_cost() -> None:
    room = Room()
    room.begin()
    room.ask()
    room.answer()
    await room.finish_turn()
    measured = room.told[-1]
    assert isinstance(measured, facts.TurnMeasured)
    assert measured.usage is not None
    assert (measured.usage.input_tokens, measured.usage.output_tokens, measured.usage.characters) == (1_000, 100, 26)
    assert measured.usage.cost_usd == measured.usage.session_cost_usd == pytest.approx(0.0005, rel=0.01)


async def test_a_session_says_when_its_socket_came_and_went_and_who_serves_it() -> None:
    room = Room()
    room.begin()
    first, last = [read_record(encoded(record)) for record in await room.written()]
    assert isinstance(first, ConnectionRecord)
    assert isinstance(last, ConnectionRecord)
    assert first.providers == {"voice_activity": "energy", **DESCRIBED}
    assert (first.connected_at is not None, last.disconnected_at is not None) == (True, True)
    assert [event.kind for event in (*first.events, *last.events)] == ["socket_opened", "socket_closed"]


async def test_faults_and_notices_are_events_but_a_clients_mistake_is_none() -> None:
    room = Room()
    room.begin()
    room.deliver(facts.FaultHappened("model_stalled", "late", retriable=True))
    room.deliver(facts.FaultHappened("bad", "yours", retriable=False, is_clients_fault=True))
    room.deliver(facts.Noticed("answer_delayed", "it takes longer"))
    room.time_ms += 2_000
    room.chronicle.check()
    await room.written()
    events = [event for record in room.records for event in record.get("events", ())]
    assert [(event["kind"], event["code"]) for event in events][1:3] == [
        ("fault", "model_stalled"),
        ("notice", "answer_delayed"),
    ]
    assert len({event["event_id"] for event in events}) == len(events)


async def test_a_storm_of_faults_is_bounded() -> None:
    room = Room()
    room.begin()
    for _ in range(10 * WAITING_EVENTS):
        room.deliver(facts.FaultHappened("model_stalled", "late", retriable=True))
    await room.written()
    assert sum(len(record.get("events", ())) for record in room.records) <= WAITING_EVENTS + 1


async def test_costs_that_no_turn_took_along_are_recorded_within_a_second() -> None:
    room = Room()
    room.begin()
    room.ask()
    room.answer()
    room.time_ms += 1_000
    room.chronicle.check()
    await room.written()
    assert [len(read_record(encoded(record)).usages) for record in room.records if record["kind"] == "more"] == [2]
    assert isinstance(read_record(encoded({"kind": "more", "session_id": "s"})), MoreRecord)


async def test_what_is_spent_is_added_to_the_owners_day() -> None:
    room = Room()
    room.begin()
    room.ask()
    room.answer()
    room.chronicle.check()
    assert room.spending.added == {"key:a": room.chronicle.meter.total_usd}


async def test_a_talk_taken_up_goes_on_with_what_it_has_spent_before_and_counts_it_for_the_day_no_second_time() -> None:
    room = Room(BudgetLimits(session_usd=Decimal("0.01")))
    room.chronicle.take_up(Decimal("0.0085"))
    room.begin()
    room.chronicle.check()
    assert room.steps == ["short"]
    assert room.spending.added == {}
    assert room.chronicle.spent_usd == Decimal("0.0085")


async def test_op_06_a_budget_is_told_lived_by_and_ended() -> None:
    room = Room(BudgetLimits(session_usd=Decimal("0.0010")))
    room.begin()
    room.ask()
    for tokens in (6_000, 2_000, 3_000):
        room.answer(tokens)
        room.time_ms += 1_000
        await room.finish_turn()
        room.chronicle.check()
        room.ask()
    codes = [fact.code for fact in room.told if isinstance(fact, facts.Noticed | facts.FaultHappened)]
    assert codes == ["budget_low", "budget_low", "budget_spent"]
    assert (room.steps, room.spent) == (["short", "blind", "spent"], [SESSION[0]])
    await room.written()
    told = [event["code"] for record in room.records for event in record.get("events", ()) if event["kind"] == "budget"]
    assert told == ["short", "blind", "spent"]


async def test_decisions_are_recorded_with_the_time_their_clock_began() -> None:
    room = Room()
    room.begin()
    room.time_ms = 5_000
    await room.chronicle.keep({"kind": "decisions", "lines": []})
    assert room.records[-1]["started_at"] == 1_000.0


def encoded(record: dict[str, Any]) -> str:
    return json.dumps(record)
