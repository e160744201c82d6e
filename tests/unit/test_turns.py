"""What becomes of decisions: facts for the client, items for the history, calls to the session, lines of the log."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from sessions.live import facts
from sessions.live.config import TurnSettings
from sessions.live.items import MessageItem
from sessions.live.turn_taking.events import (
    AgentChanged,
    ClientCommitted,
    TimePassed,
    TurnEvent,
    VoiceStarted,
    VoiceStopped,
)
from sessions.live.turn_taking.log import Line
from sessions.live.turns import Turn, Turns
from tests.unit.turn_talk import FREE, SPEAKING, spoken
from workers.streams.messages import TranscriptEntry


@dataclass
class Host:
    """A session that notes what it is told; its clock is set by hand."""

    at_ms: float = 0.0
    calls: list[Any] = field(default_factory=list)
    told: list[facts.Fact] = field(default_factory=list)
    items: dict[str, MessageItem] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    has_lines: asyncio.Event = field(default_factory=asyncio.Event)

    def now_ms(self) -> float:
        return self.at_ms

    def new_id(self, prefix: str) -> str:
        return f"{prefix}_{len(self.told)}"

    def audio_position_ms(self) -> int:
        return int(self.at_ms)

    def deliver(self, fact: facts.Fact) -> None:
        self.told.append(fact)

    def keep_item(self, item: MessageItem) -> str | None:
        self.items[item.item_id] = item
        return None

    def amend_item(self, item: MessageItem) -> None:
        assert item.item_id in self.items
        self.items[item.item_id] = item

    def tell_words(self, entry: TranscriptEntry) -> None:
        self.calls.append(("tell_words", entry.state))

    def interrupt_reply(self, reason: str) -> None:
        self.calls.append(("interrupt", reason))

    def turn_ended(self, turn: Turn) -> None:
        self.calls.append(("ended", turn.text, turn.is_speculation_right))

    def hold_facts(self) -> None:
        pass

    def turn_dropped(self) -> None:
        self.calls.append(("dropped",))

    def input_timed_out(self) -> None:
        self.calls.append(("timed_out",))

    def keep_decisions(self, lines: list[Line]) -> None:
        self.lines += lines
        self.has_lines.set()

    def hold_reply(self) -> None:
        self.calls.append(("hold",))

    def resume_reply(self) -> None:
        self.calls.append(("resume",))

    def speculate(self, turn: Turn, text: str) -> None:
        self.calls.append(("speculate", turn.item_id, text))

    def drop_speculation(self, reason: str) -> None:
        self.calls.append(("drop", reason))

    def of(self, *kinds: type[facts.Fact]) -> list[Any]:
        return [fact for fact in self.told if isinstance(fact, kinds)]

    def texts(self) -> list[str]:
        return [item.content[0].text for item in self.items.values()]


def hold_talk(turns: Turns, host: Host, *steps: tuple[float, TurnEvent]) -> None:
    """The host's clock jumps; due decisions are taken with the next event, as after a late timer."""
    for at_ms, event in steps:
        host.at_ms = at_ms
        turns.handle(event)


async def test_an_ended_turn_becomes_an_item_in_the_standards_order() -> None:
    host = Host()
    turns = Turns(TurnSettings(), host)
    hold_talk(turns, host, (1_040, VoiceStarted(40)), (2_000, VoiceStopped()), (2_900, spoken("Hello.", is_final=True)))
    names = [type(fact).__name__ for fact in host.told]
    assert (
        names
        == (
            "UserSpeechStarted UserWordsChanged UserSpeechStopped InputCommitted ItemAdded UserTurnTranscribed ItemFinished"
        ).split()
    )
    assert host.of(facts.UserSpeechStarted)[0].audio_start_ms == 1_000 - 300
    assert host.calls[-1] == ("ended", "Hello.", False)
    turns.close()


async def test_without_a_floor_nothing_is_held_or_begun_ahead() -> None:
    host = Host()
    turns = Turns(TurnSettings(), host)
    assert (turns.engine.settings.speculation, turns.engine.settings.holds_reply) == (False, False)
    turns.change_settings(TurnSettings(end_silence_ms=900))
    assert (turns.engine.settings.speculation, turns.engine.settings.end_silence_ms) == (False, 900)
    turns.close()


async def test_the_floor_is_told_to_hold_and_to_go_on() -> None:
    host = Host()
    turns = Turns(TurnSettings(), host, host)
    hold_talk(turns, host, (0, SPEAKING), (1_000, VoiceStarted()), (1_210, TimePassed()))
    hold_talk(turns, host, (1_250, VoiceStopped()), (3_300, TimePassed()))
    assert host.calls == [("hold",), ("resume",)]
    turns.close()


async def test_the_floor_begins_a_reply_ahead_and_the_turns_end_says_that_it_stands() -> None:
    host = Host()
    turns = Turns(TurnSettings(), host, host)
    hold_talk(turns, host, (0, VoiceStarted()), (900, spoken("Hello.", is_final=True)), (1_000, VoiceStopped()))
    hold_talk(turns, host, (1_300, FREE))
    told = [call for call in host.calls if call[0] != "tell_words"]
    assert told == [("speculate", "item_0", "Hello."), ("ended", "Hello.", True)]
    turns.close()


@pytest.mark.parametrize(("final", "told"), [("What time was it?", 2), ("What time is it?", 1)])
async def test_a_late_final_corrects_the_item_and_tells_the_client_of_other_words(final: str, told: int) -> None:
    host = Host()
    turns = Turns(TurnSettings(), host)
    hold_talk(turns, host, (0, VoiceStarted()), (900, spoken("what time is it", settled=True)), (1_000, VoiceStopped()))
    hold_talk(turns, host, (1_500, FREE), (2_500, spoken(final, is_final=True)))
    assert host.texts() == [final]
    assert len(host.of(facts.UserTurnTranscribed)) == told
    assert [call for call in host.calls if call[0] == "ended"] == [("ended", "what time is it", False)]
    turns.close()


async def test_a_time_out_is_told_committed_and_answered() -> None:
    host = Host()
    turns = Turns(TurnSettings(idle_timeout_ms=5_000), host)
    hold_talk(turns, host, (0, SPEAKING), (2_000, FREE), (7_000, AgentChanged(is_busy=False)))
    (timed_out,) = host.of(facts.InputTimedOut)
    assert (timed_out.audio_start_ms, timed_out.audio_end_ms) == (2_000, 7_000)
    assert [fact.item_id for fact in host.of(facts.InputCommitted)] == [timed_out.item_id]
    assert host.calls == [("timed_out",)]
    turns.close()


async def test_an_empty_commit_is_answered_with_an_empty_item() -> None:
    host = Host()
    turns = Turns(TurnSettings(mode="manual"), host)
    hold_talk(turns, host, (0, ClientCommitted()), (2_000, FREE))
    assert host.texts() == [""]
    assert host.calls[-1] == ("dropped",)
    turns.close()


async def test_closing_keeps_the_whole_log_and_silences_what_comes_after() -> None:
    host = Host()
    turns = Turns(TurnSettings(), host)
    hold_talk(turns, host, (0, VoiceStarted()), (100, spoken("hello")))
    turns.close()
    turns.close()
    hold_talk(turns, host, (200, VoiceStopped()))
    assert [line["number"] for line in host.lines] == [0, 1, 2, 3]
    assert host.lines[-1]["event"]["is"] == "SessionClosed"
    assert host.calls[-1] == ("dropped",)


async def test_the_log_of_a_turn_is_kept_a_moment_after_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sessions.live.turns.LOG_DELAY_SECONDS", 0.0)
    host = Host()
    turns = Turns(TurnSettings(), host)
    hold_talk(turns, host, (0, spoken("Hello.", is_final=True)), (300, FREE))
    assert host.lines == []
    async with asyncio.timeout(5):
        await host.has_lines.wait()
    assert host.lines[-1]["decisions"][-1]["is"] == "EndTurn"
    turns.close()
