"""What one talk has brought so far: takes the server's events, says captions, keeps sound and delays; does no I/O."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Event = dict[str, Any]
Say = Callable[[str], None]

OUTPUT_RATE_HZ = 24_000
BYTES_PER_MS = OUTPUT_RATE_HZ * 2 // 1_000
QUIET_SECONDS = 1.5
ANSWER_SECONDS = 30.0
FAULT_SECONDS = 3.0

STEPS = {
    "end_of_turn": "silence until the turn had ended",
    "model_first_token": "model asked, first token",
    "first_sentence": "turn ended, first sentence",
    "speech_asked": "turn ended, its speech asked for",
    "voice_first_byte": "voice asked, first sound",
    "first_audio": "turn ended, first sound sent",
}
MEASURED_HERE = "last_sound_to_speech"
STEP_HERE = "your last sound, first speech here"


@dataclass(slots=True)
class Answer:
    """One reply of the agent; `delays_ms` by the names of nova.metrics. A greeting answers nothing."""

    response_id: str
    is_greeting: bool
    status: str = "in_progress"
    fault: str = ""
    pcm: bytearray = field(default_factory=bytearray, repr=False)
    delays_ms: dict[str, float] = field(default_factory=dict)


class TalkNotes:
    """`take` every event with the seconds since the socket opened; `is_settled` says when the talk is over.

    `playing_until`: when a loudspeaker at our end would have played all that has come. `first_words_at` and
    `last_words_at`: when the user's words were first heard, and when they were known to the end.
    """

    def __init__(self, say: Say) -> None:
        self.answers: list[Answer] = []
        self.fault = ""
        self.is_started = False
        self.voice_ended_at: float | None = None
        self.playing_until = 0.0
        self.user_texts: list[str] = []
        self.agent_text = ""
        self.first_words_at: float | None = None
        self.last_words_at: float | None = None
        self._say = say
        self._heard_text = ""
        self._open_words = False
        self._has_user_turn = False
        self._is_fault_final = False
        self._news_at = 0.0

    # --- what has been reached ----------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Words of the user or a reply are still being made."""
        return self._open_words or any(answer.status == "in_progress" for answer in self.answers)

    @property
    def has_answer(self) -> bool:
        return any(not answer.is_greeting and answer.status not in ("in_progress", "lost") for answer in self.answers)

    @property
    def reply_pcm(self) -> bytes:
        return b"".join(bytes(answer.pcm) for answer in self.answers)

    def is_settled(self, now: float) -> bool:
        return self.has_answer and not self.is_busy and now - self._news_at > QUIET_SECONDS

    def is_hopeless(self, now: float) -> bool:
        """After a fault that no further try can mend, nobody waits long."""
        return now - self._news_at > (FAULT_SECONDS if self._is_fault_final else ANSWER_SECONDS)

    # --- events -------------------------------------------------------------------------------------------------------

    def take(self, event: Event, payload: bytes, now: float) -> None:
        """`payload` is the sound of response.output_audio.delta, already decoded."""
        match event.get("type"):
            case "nova.session":
                self.is_started = bool(event["is_started"])
            case "nova.transcript":
                self._hear_user(event["text"], event["is_final"], now)
            case "response.created":
                self._begin(event["response"]["id"], now)
            case "response.output_audio_transcript.delta" | "response.output_text.delta":
                self.agent_text += event["delta"]
                self._caption("agent", event["delta"].strip(), now)
            case "response.output_audio.delta":
                self._take_sound(event["response_id"], payload, now)
            case "nova.flush":
                self._flush(event["response_id"], event["heard_ms"], now)
            case "nova.metrics":
                self._answer(event["response_id"]).delays_ms.update(event["delays_ms"])
            case "response.done":
                self._finish(event["response"], now)
            case "error":
                self.fault = f"{event['error']['message']} ({event['error']['code']})"
                self._is_fault_final = not event["error"].get("retriable", True)
                self._caption("error", self.fault, now)
            case "nova.resumed":
                self._come_back(bool(event["recovered"]), str(event["reason"]), now)
            case "nova.notice":
                self._caption("notice", event["text"], now)

    def _hear_user(self, text: str, is_final: bool, now: float) -> None:
        self._open_words = not is_final
        self._has_user_turn = self._has_user_turn or bool(is_final and text)
        if text and self.first_words_at is None:
            self.first_words_at = now
        if text and is_final:
            self.last_words_at = now
            self.user_texts.append(text)
        if text and (is_final or text != self._heard_text):
            self._caption("you", text if is_final else f"{text} ...", now)
        self._heard_text = "" if is_final else text
        self._news_at = now

    def _take_sound(self, response_id: str, pcm: bytes, now: float) -> None:
        answer = self._answer(response_id)
        if not answer.pcm and not answer.is_greeting and self.voice_ended_at is not None:
            answer.delays_ms[MEASURED_HERE] = (now - self.voice_ended_at) * 1_000
        answer.pcm += pcm
        self.playing_until = max(self.playing_until, now) + len(pcm) / BYTES_PER_MS / 1_000
        self._news_at = now

    def _flush(self, response_id: str, heard_ms: int, now: float) -> None:
        del self._answer(response_id).pcm[heard_ms * BYTES_PER_MS :]
        self.playing_until = now
        self._caption("flush", f"the agent was cut off; {heard_ms / 1_000:.1f} s of it were heard", now)

    def _begin(self, response_id: str, now: float) -> None:
        self._news_at = now
        known = next((answer for answer in self.answers if answer.response_id == response_id), None)
        if known is not None:
            known.status = "in_progress"
        else:
            self.answers.append(Answer(response_id, not self._has_user_turn))

    def _finish(self, response: Event, now: float) -> None:
        answer = self._answer(response["id"])
        answer.status = response["status"]
        details = response.get("status_details") or {}
        if answer.status == "failed":
            answer.fault = str((details.get("error") or {}).get("message") or self.fault or "no reason given")
        if answer.status != "completed":
            self._caption("agent", f"[{answer.status}]", now)
        self._news_at = now

    def _come_back(self, is_whole: bool, reason: str, now: float) -> None:
        """Begun anew, an answer that goes on is announced once more; the others will not end."""
        if not is_whole:
            for answer in self.answers:
                answer.status = "lost" if answer.status == "in_progress" else answer.status
        self._caption("line", "back; nothing was missed" if is_whole else f"back; begun anew ({reason})", now)

    def _answer(self, response_id: str) -> Answer:
        return next(answer for answer in self.answers if answer.response_id == response_id)

    def _caption(self, who: str, text: str, now: float) -> None:
        if text:
            self._news_at = now
            self._say(f"{now:7.2f} s  {who:<6} {text}")


def delay_table(answers: list[Answer]) -> str:
    """Steps as rows, answers as columns, in milliseconds; a step that did not happen is a dash."""
    measured = [answer for answer in answers if not answer.is_greeting and answer.delays_ms]
    if not measured:
        return "no delays were reported"
    names = {**STEPS, MEASURED_HERE: STEP_HERE}
    names |= {name: name for answer in measured for name in answer.delays_ms if name not in names}
    width = max(len(label) for label in names.values())
    head = "delays in ms".ljust(width) + "".join(f"{f'turn {number}':>10}" for number in range(1, len(measured) + 1))
    rows = [head, "-" * len(head)]
    for name, label in names.items():
        cells = [answer.delays_ms.get(name) for answer in measured]
        if any(cell is not None for cell in cells):
            rows.append(label.ljust(width) + "".join(f"{_cell(cell):>10}" for cell in cells))
    return "\n".join(rows)


def _cell(delay_ms: float | None) -> str:
    return "-" if delay_ms is None else f"{delay_ms:.0f}"
