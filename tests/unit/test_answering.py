"""What the next reply answers: ended turns, requests, and speculation that is kept, dropped or stale."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.live import facts
from sessions.live.answering import Answering
from sessions.live.history import History
from sessions.live.items import Content, MessageItem
from sessions.live.planning import SessionIdentity
from sessions.live.replying import Record, Replying
from sessions.live.transport import ReplyOptions
from sessions.live.turns import Turn
from sessions.live.watching.eyes import Eyes
from tests.unit.realtime_double import session_config
from tests.unit.reply_scene import SESSION, Desk
from workers.errors import BadInputError, NovaError
from workers.streams.messages import Address, OutputEntry, ReplyWritten, SentenceWritten, TaskBeat, TranscriptEntry


class TalkingDesk(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[str] = []
        self.words: list[TranscriptEntry] = []

    def prepare_reply(self, reply_id: str) -> None:
        self.prepared.append(reply_id)

    def tell_words(self, entry: TranscriptEntry) -> None:
        self.words.append(entry)


class Room:
    """Answering with everything real but the desk, the clock and the client."""

    def __init__(self) -> None:
        self.desk, self.history = TalkingDesk(), History()
        self.identity = SessionIdentity("channel", SESSION[1], "e1", SESSION[0])
        self.config = session_config()
        self.may_answer = True
        self.client_holds_playback = True
        self.is_client_away = False
        self.session_id = SESSION[0]
        self.time_ms = 0.0
        self.told: list[facts.Fact] = []
        self.records: list[Record] = []
        self.replying = Replying(self.desk, self.history, self, self._keep)
        self.eyes = Eyes(self.desk, self.history, self)
        self.answering = Answering(self.desk, self.replying, self.history, self.eyes, self)

    def now_ms(self) -> float:
        return self.time_ms

    def epoch_ms(self) -> int:
        return 0

    def deliver(self, fact: facts.Fact) -> None:
        self.told.append(fact)

    def release_facts(self) -> None:
        pass

    def agent_changed(self) -> None:
        pass

    def reply_ended(self) -> None:
        self.answering.begin_waiting()

    async def _keep(self, record: Record) -> None:
        self.records.append(record)

    def settle(self, reply_id: str, usage: facts.TokenUsage) -> facts.TokenUsage:
        return self.eyes.settle(reply_id, usage)

    def tell_fault(self, error: NovaError, event_id: str | None = None) -> None:
        raise AssertionError(error.text)

    def say(self, text: str) -> None:
        self.answering.say(text)

    def address_of(self, work_id: str) -> Address:
        return Address(*SESSION, work_id, self.desk.output_stream)

    def turn(self, number: int = 1) -> Turn:
        return Turn(f"item_{number}", 0.0, 0)

    def end(self, turn: Turn, text: str, *, is_right: bool = False) -> None:
        turn.text, turn.is_speculation_right = text, is_right
        self.history.add(MessageItem(turn.item_id, "user", (Content("input_audio", text),)))
        self.answering.turn_ended(turn)

    def works(self, entry_of: Callable[..., OutputEntry], *values: object) -> None:
        self.replying.take(entry_of(*SESSION, self.desk.replies[-1].address.reply_id, *values))

    def of(self, kind: type) -> list:  # type: ignore[type-arg]
        return [fact for fact in self.told if isinstance(fact, kind)]


async def let_tasks_run() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def room() -> Room:
    return Room()


def test_an_ended_turn_is_answered_by_the_reply_that_was_prepared(room: Room) -> None:
    room.answering.user_speaks()
    room.end(room.turn(), "Hello.")
    assert [request.address.reply_id for request in room.desk.replies] == room.desk.prepared


def test_a_turn_without_partial_words_is_answered_all_the_same(room: Room) -> None:
    room.end(room.turn(), "Hello.")
    assert len(room.desk.replies) == 1
    assert room.desk.prepared == []


async def test_a_kept_speculation_asks_the_model_once_and_its_words_are_confirmed(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello there")
    room.works(TaskBeat)
    room.works(SentenceWritten, 0, "Hi.")
    assert room.told == []
    room.end(turn, "Hello there.", is_right=True)
    assert len(room.desk.replies) == 1
    assert room.desk.words == [TranscriptEntry("item_1.1", "confirmed", "Hello there.")]
    assert [type(fact) for fact in room.told[:2]] == [facts.ReplyStarted, facts.ReplyItemStarted]
    assert room.replying.active_reply_id is not None


def test_other_words_drop_the_speculation_and_ask_anew(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.answering.drop_speculation("words_changed")
    room.end(turn, "Hello, what time is it?")
    first, second = (request.address.reply_id for request in room.desk.replies)
    assert room.desk.interrupted == [first]
    assert room.desk.words == [TranscriptEntry("item_1.1", "discarded")]
    assert [fact.reply_id for fact in room.of(facts.ReplyStarted)] == [second.removesuffix(".0")]
    assert (turn.speculations, turn.dropped_speculations) == (1, 1)


def test_a_newer_speculation_replaces_the_one_before(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.answering.speculate(turn, "Hello there")
    assert room.desk.interrupted == [room.desk.replies[0].address.reply_id]
    assert [request.transcript_id for request in room.desk.replies] == ["item_1.1", "item_1.2"]


def test_a_history_that_changed_meanwhile_makes_the_speculation_stale(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.history.add(MessageItem("item_x", "user", (Content("input_text", "By the way."),)))
    room.end(turn, "Hello", is_right=True)
    assert len(room.desk.replies) == 2
    assert turn.dropped_speculations == 1


def test_instructions_that_changed_meanwhile_make_the_speculation_stale(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.config = replace(room.config, instructions="Answer in verse.")
    room.end(turn, "Hello", is_right=True)
    assert [request.system for request in room.desk.replies][1] == "Answer in verse."


def test_a_broken_speculation_is_asked_for_again(room: Room) -> None:
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.time_ms = 2_100
    room.replying.check()
    room.end(turn, "Hello", is_right=True)
    assert len(room.desk.replies) == 2
    assert room.of(facts.FaultHappened) == []


def test_a_turn_that_nobody_wants_answered_drops_its_speculation(room: Room) -> None:
    room.config = replace(room.config, turns=replace(room.config.turns, creates_reply=False))
    turn = room.turn()
    room.answering.speculate(turn, "Hello")
    room.end(turn, "Hello", is_right=True)
    assert room.of(facts.ReplyStarted) == []
    assert TranscriptEntry("item_1", "confirmed", "Hello") in room.desk.words


def test_a_request_while_a_reply_is_in_progress_is_refused(room: Room) -> None:
    room.answering.ask(ReplyOptions())
    with pytest.raises(BadInputError, match="still in progress"):
        room.answering.ask(ReplyOptions())


async def test_a_right_speculation_waits_for_the_reply_before_it(room: Room) -> None:
    first, second = room.turn(1), room.turn(2)
    room.end(first, "Hello.")
    room.works(SentenceWritten, 0, "Hi.")
    room.answering.speculate(second, "Stop")
    room.end(second, "Stop", is_right=True)
    assert len(room.of(facts.ReplyStarted)) == 1
    assert room.replying.interrupt("turn_detected")
    await let_tasks_run()
    assert len(room.of(facts.ReplyStarted)) == 2
    assert [record["status"] for record in room.records] == ["interrupted"]


def test_a_closed_session_leaves_no_task_behind(room: Room) -> None:
    room.answering.user_speaks()
    room.answering.close()
    assert room.desk.interrupted == room.desk.prepared


def test_a_written_reply_ends(room: Room) -> None:
    room.config = replace(room.config, output_modality="text")

    async def talk() -> None:
        room.end(room.turn(), "Hello.")
        room.works(SentenceWritten, 0, "Hi.")
        room.works(ReplyWritten, 1, "end_turn")
        await let_tasks_run()

    asyncio.run(talk())
    assert len(room.of(facts.ReplyEnded)) == 1
    assert [record["speculations"] for record in room.records] == [0]
