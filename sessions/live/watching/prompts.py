"""What the agent asks the model for itself: to describe pictures in one line, and to look for what it watches for. Pure."""

from collections.abc import Iterable
from dataclasses import replace

from sessions.live.config import SessionConfig
from sessions.live.side_replies import SIDE_SECONDS
from workers.language_model.contract import FramePart, StoredMessage, TextPart
from workers.streams.messages import Address, ReplyRequest

NOTE_TOKENS = 60
LOOK_TOKENS = 80

_NOTE_SYSTEM = (
    "You write notes for yourself. You will not see these pictures again: keep in one line what may be asked about "
    "them later. Facts only, no greeting, no markup, at most thirty words."
)
_NOTE_ASKS = "In one line, in the language with the code {language}: what do these pictures of the video show?"
_WATCH_SYSTEM = (
    "You watch a live video, and look for one thing only: {question} "
    "If the pictures show nothing of it, answer with the one word NOTHING. "
    "If they show it, answer with one short sentence that says what and where, in the language with the code {language}. "
    "Never guess, never describe anything else, no markup."
)
_WATCH_REPORTED = (
    " You have already reported: {reported} Answer with the one word SAME while that is all there is to be seen."
)
_WATCH_ASKS = "Look at the newest picture, which comes last."


def note_request(address: Address, config: SessionConfig, picture: FramePart, clock_started_at_ms: int) -> ReplyRequest:
    asks = TextPart(_NOTE_ASKS.format(language=config.listening_language))
    return _request(address, config, _NOTE_SYSTEM, (picture, asks), NOTE_TOKENS, clock_started_at_ms)


def watch_request(
    address: Address,
    config: SessionConfig,
    question: str,
    reported: Iterable[str],
    pictures: tuple[FramePart, ...],
    clock_started_at_ms: int,
) -> ReplyRequest:
    system = _WATCH_SYSTEM.format(question=question, language=config.listening_language)
    before = " ".join(f'"{text}"' for text in reported)
    if before:
        system += _WATCH_REPORTED.format(reported=before)
    return _request(address, config, system, (*pictures, TextPart(_WATCH_ASKS)), LOOK_TOKENS, clock_started_at_ms)


def _request(
    address: Address,
    config: SessionConfig,
    system: str,
    parts: tuple[FramePart | TextPart, ...],
    max_tokens: int,
    clock_started_at_ms: int,
) -> ReplyRequest:
    """Written, not spoken: no voice is named, so that no speech task can be asked for."""
    return ReplyRequest(
        address=address,
        system=system,
        history=(StoredMessage("user", parts),),
        options=replace(config.model, max_tokens=max_tokens, temperature=0.0, must_use_tool=False),
        max_reply_seconds=SIDE_SECONDS,
        max_speech_seconds=None,
        clock_started_at_ms=clock_started_at_ms,
    )
