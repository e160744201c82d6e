"""Short written answers of the model that nobody hears: what the agent asks for itself, beside the conversation."""

from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from sessions.live.ids import new_id
from sessions.live.work_desk import WorkDesk
from workers.streams.messages import (
    Address,
    InterruptEntry,
    OutputEntry,
    ReplyRequest,
    ReplyWritten,
    SentenceWritten,
    WorkFailed,
)

logger = structlog.get_logger(__name__)

SIDE_LIMIT_MS = 20_000.0
SIDE_SECONDS = 15.0
MAX_SIDE_REPLIES = 4


@dataclass(frozen=True, slots=True)
class SideAnswer:
    """`input_tokens` is 0 when the provider did not say."""

    text: str
    input_tokens: int
    output_tokens: int
    model_id: str


OnAnswer = Callable[[str, SideAnswer | None], None]
"""on_answer(side_id, answer); None: there will be no answer."""


@dataclass(slots=True)
class _Asked:
    on_answer: OnAnswer
    asked_at_ms: float
    sentences: list[str] = field(default_factory=list)


class SideReplies:
    """One per session. No Reply is made of them, so nothing of them can be spoken, captioned or kept as an item."""

    def __init__(self, desk: WorkDesk, address: Callable[[str], Address], now_ms: Callable[[], float]) -> None:
        self._desk = desk
        self._address = address
        self._now_ms = now_ms
        self._asked: dict[str, _Asked] = {}

    def ask(self, request_of: Callable[[Address], ReplyRequest], on_answer: OnAnswer) -> str | None:
        """Returns the id of what was asked for; None, and nothing is asked, while too many are in progress."""
        if len(self._asked) >= MAX_SIDE_REPLIES:
            return None
        side_id = new_id("side")
        self._asked[side_id] = _Asked(on_answer, self._now_ms())
        request = request_of(self._address(side_id))
        self._desk.request_reply(request, None, lambda error: self._fail(side_id, error.code))
        return side_id

    def owns(self, reply_id: str) -> bool:
        return reply_id in self._asked

    def take(self, entry: OutputEntry) -> None:
        asked = self._asked[entry.reply_id]
        match entry:
            case SentenceWritten():
                asked.sentences.append(entry.separator + entry.text)
            case ReplyWritten():
                del self._asked[entry.reply_id]
                text = "".join(asked.sentences).strip()
                answer = SideAnswer(text, entry.input_tokens, entry.output_tokens, entry.model_id)
                asked.on_answer(entry.reply_id, answer)
            case WorkFailed():
                self._fail(entry.reply_id, entry.code)

    def check(self) -> None:
        """Called several times a second: what takes too long is given up."""
        now_ms = self._now_ms()
        late = [side_id for side_id, asked in self._asked.items() if now_ms - asked.asked_at_ms > SIDE_LIMIT_MS]
        for side_id in late:
            self._interrupt(side_id)
            self._fail(side_id, "side_reply_late")

    def close(self) -> None:
        for side_id in self._asked:
            self._interrupt(side_id)
        self._asked.clear()

    def _interrupt(self, side_id: str) -> None:
        address = self._address(side_id)
        self._desk.interrupt(InterruptEntry(address.session_id, address.generation, side_id))

    def _fail(self, side_id: str, code: str) -> None:
        asked = self._asked.pop(side_id, None)
        if asked is not None:
            logger.warning("side_reply_failed", side_id=side_id, code=code)
            asked.on_answer(side_id, None)
