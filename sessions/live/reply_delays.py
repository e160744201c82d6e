"""When each step of a reply happened, and the delays that clients and records are told."""

from dataclasses import dataclass

from sessions.live.turns import Turn


@dataclass(slots=True)
class ReplyDelays:
    """When each step of a reply happened, in the session's milliseconds; 0 until it did."""

    asked_ms: float
    first_sentence_ms: float = 0.0
    speech_asked_ms: float = 0.0
    first_audio_ms: float = 0.0
    model_first_token_ms: float = 0.0
    voice_first_byte_ms: float = 0.0


def delays_by_name(delays: ReplyDelays, turn: Turn | None) -> dict[str, float]:
    """Milliseconds of each step; those that did not happen are missing. The page of nova.metrics lists them."""
    ended_ms = turn.ended_ms if turn is not None else delays.asked_ms
    steps = {
        "end_of_turn": turn.ended_ms - turn.paused_ms if turn is not None else 0.0,
        "reply_asked": delays.asked_ms - ended_ms,
        "first_sentence": delays.first_sentence_ms - ended_ms,
        "speech_asked": delays.speech_asked_ms - ended_ms,
        "first_audio": delays.first_audio_ms - ended_ms,
        "model_first_token": delays.model_first_token_ms,
        "voice_first_byte": delays.voice_first_byte_ms,
    }
    return {name: round(value, 2) for name, value in steps.items() if value > 0}
