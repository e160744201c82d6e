"""What `manage.py talk` makes of the server's events; time is handed in."""

from typing import Any

from sessions.management.talking_notes import (
    ANSWER_SECONDS,
    BYTES_PER_MS,
    FAULT_SECONDS,
    MEASURED_HERE,
    QUIET_SECONDS,
    TalkNotes,
    delay_table,
)


class Told:
    """Notes that have been told a list of events, one every tenth of a second, and what they said."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.lines: list[str] = []
        self.notes = TalkNotes(self.lines.append)
        self.now = 0.0
        for event in events:
            self.tell(event)

    def tell(self, event: dict[str, Any], payload: bytes = b"") -> None:
        self.now += 0.1
        self.notes.take(event, payload, self.now)


def words(text: str, *, is_final: bool = False) -> dict[str, Any]:
    return {"type": "nova.transcript", "item_id": "item_u", "text": text, "is_final": is_final}


def created(response_id: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.created", "response": {"id": response_id}}


def caption(text: str) -> dict[str, Any]:
    return {"type": "response.output_audio_transcript.delta", "response_id": "resp_1", "delta": text}


def sound(response_id: str = "resp_1") -> dict[str, Any]:
    return {"type": "response.output_audio.delta", "response_id": response_id}


def done(status: str = "completed", response_id: str = "resp_1", **details: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": response_id, "status": status, "status_details": details}}


def metrics(**delays_ms: float) -> dict[str, Any]:
    return {"type": "nova.metrics", "response_id": "resp_1", "delays_ms": delays_ms}


def fault(*, retriable: bool) -> dict[str, Any]:
    error = {"code": "provider_refused", "message": "no credentials", "retriable": retriable}
    return {"type": "error", "error": error}


def test_captions_of_both_sides_are_said_as_they_come() -> None:
    told = Told(
        words("what"), words("what time"), words("what time is it", is_final=True), created(), caption(" Noon.")
    )
    assert [line.split(maxsplit=2)[2] for line in told.lines] == [
        "you    what ...",
        "you    what time ...",
        "you    what time is it",
        "agent  Noon.",
    ]


def test_the_same_partial_words_are_said_once() -> None:
    assert len(Told(words("what"), words("what")).lines) == 1


def test_a_turn_that_was_none_says_nothing() -> None:
    assert Told(words("", is_final=True)).lines == []


def test_a_talk_is_settled_some_quiet_after_its_answer() -> None:
    told = Told(words("hi", is_final=True), created(), done())
    assert not told.notes.is_settled(told.now + QUIET_SECONDS - 0.1)
    assert told.notes.is_settled(told.now + QUIET_SECONDS + 0.1)


def test_a_talk_is_not_settled_while_a_reply_is_being_made() -> None:
    told = Told(words("hi", is_final=True), created(), done(), created("resp_2"))
    assert not told.notes.is_settled(told.now + 100)


def test_a_talk_is_not_settled_while_the_user_still_speaks() -> None:
    told = Told(words("hi", is_final=True), created(), done(), words("and"))
    assert not told.notes.is_settled(told.now + 100)


def test_a_greeting_is_no_answer() -> None:
    told = Told(created(), done())
    assert told.notes.answers[0].is_greeting
    assert not told.notes.is_settled(told.now + 100)


def test_nothing_for_long_is_hopeless() -> None:
    told = Told(words("hi", is_final=True))
    assert not told.notes.is_hopeless(told.now + ANSWER_SECONDS - 1)
    assert told.notes.is_hopeless(told.now + ANSWER_SECONDS + 1)


def test_a_fault_that_may_pass_is_waited_out_and_another_is_not() -> None:
    passing, lasting = Told(fault(retriable=True)), Told(fault(retriable=False))
    assert not passing.notes.is_hopeless(passing.now + FAULT_SECONDS + 0.1)
    assert lasting.notes.is_hopeless(lasting.now + FAULT_SECONDS + 0.1)
    assert lasting.notes.fault == "no credentials (provider_refused)"


def test_the_first_sound_is_measured_from_the_last_voice_of_the_recording() -> None:
    told = Told(words("hi", is_final=True), created())
    told.notes.voice_ended_at = 0.05
    told.tell(sound(), b"ab")
    told.tell(sound(), b"cd")
    assert round(told.notes.answers[0].delays_ms[MEASURED_HERE]) == 250
    assert told.notes.reply_pcm == b"abcd"


def test_a_flush_cuts_the_sound_to_what_was_heard() -> None:
    told = Told(words("hi", is_final=True), created())
    told.tell(sound(), bytes(500 * BYTES_PER_MS))
    told.tell({"type": "nova.flush", "response_id": "resp_1", "item_id": "item_a", "heard_ms": 120})
    assert len(told.notes.reply_pcm) == 120 * BYTES_PER_MS
    assert told.notes.playing_until == told.now


def test_sound_plays_on_after_it_has_come() -> None:
    told = Told(created())
    told.tell(sound(), bytes(500 * BYTES_PER_MS))
    told.tell(sound(), bytes(500 * BYTES_PER_MS))
    assert round(told.notes.playing_until, 3) == 1.2


def test_a_failed_reply_keeps_its_reason() -> None:
    told = Told(words("hi", is_final=True), created(), done("failed", error={"message": "worker lost"}))
    assert told.notes.answers[0].fault == "worker lost"
    assert "[failed]" in told.lines[-1]


def test_the_table_has_a_column_for_each_answer_and_a_dash_for_what_did_not_happen() -> None:
    told = Told(words("hi", is_final=True), created(), metrics(first_audio=184.4), done())
    told.notes.answers[0].delays_ms["made_up_step"] = 7.0
    second = Told(words("hi", is_final=True), created(), metrics(end_of_turn=400.0), done())
    rows = {
        line[:30].strip(): line[30:].split()
        for line in delay_table(told.notes.answers + second.notes.answers).splitlines()
    }
    assert rows["turn ended, first sound sent"][-2:] == ["184", "-"]
    assert rows["silence until the turn had end"][-2:] == ["-", "400"]
    assert rows["made_up_step"] == ["7", "-"]


def test_without_delays_the_table_says_so() -> None:
    assert delay_table([]) == "no delays were reported"
