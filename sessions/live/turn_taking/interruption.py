"""When the user's voice or words hold the agent's reply, cut it off, or let it go on; ordered policies."""

from sessions.live.turn_taking.phrases import is_ideograph
from sessions.live.turn_taking.situation import NEVER, Due, Policy, Situation

VOICE_LAG_MS = 200
"""The end of a voice is noticed this late, so a voice that seems to go on is known only to have lasted so much less."""


def voice_clock_ms(now: Situation) -> float | None:
    """Since when voice counts against the reply: not before its turn, the reply itself, and the echo's warm-up."""
    if now.voice_since_ms is None:
        return None
    clock_ms = max(now.voice_since_ms, now.turn_started_ms, now.busy_since_ms)
    if now.agent.is_speaking:
        clock_ms = max(clock_ms, now.speaking_since_ms + now.settings.echo_warm_up_ms)
    return clock_ms


def enough_voice_ms(now: Situation) -> float:
    """A held reply makes no sound, so nothing is lost by waiting until the voice is known to have lasted so long."""
    return now.settings.interrupt_voice_ms + (VOICE_LAG_MS if now.held_since_ms is not None else 0)


class NobodyInTheWay:
    """Without an open turn, or while the agent is free, nothing is interrupted."""

    def due(self, now: Situation) -> Due | None:
        return None if now.is_turn_open and now.agent.is_busy else Due(NEVER, "free")


class ProtectedReply:
    """A reply that may not be interrupted, or a client that wants no interruptions."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "protected") if now.is_protected else None


class OnlyBackchannel:
    """While all words are backchannels, or partial ones that may become one ("yeah, I" see), only voice that goes on
    `interrupt_voice_ms` after the last of them interrupts."""

    def due(self, now: Situation) -> Due | None:
        if not now.words.text or not now.may_become_backchannel or now.state == "committing":
            return None
        clock_ms = voice_clock_ms(now)
        if clock_ms is None:
            return Due(NEVER, "backchannel")
        return Due(max(clock_ms, now.words_changed_ms) + enough_voice_ms(now), "voice")


class EnoughWords:
    """`interrupt_characters` letters, or `interrupt_ideographs` Chinese characters, heard since the reply began."""

    def due(self, now: Situation) -> Due | None:
        text = now.words.text
        if not text or (now.words_changed_ms < now.busy_since_ms and now.state != "committing"):
            return None
        ideographs = sum(1 for sign in text if is_ideograph(sign) and sign.isalnum())
        letters = sum(1 for sign in text if sign.isalnum())
        settings = now.settings
        is_enough = ideographs >= settings.interrupt_ideographs or letters - ideographs >= settings.interrupt_characters
        return Due(now.words_changed_ms, "words") if is_enough else None


class LongVoice:
    """`interrupt_voice_ms` of voice, and 200 more while the reply is held: so late the end of a voice is noticed."""

    def due(self, now: Situation) -> Due | None:
        clock_ms = voice_clock_ms(now)
        return None if clock_ms is None else Due(clock_ms + enough_voice_ms(now), "voice")


class HoldIsOff:
    """One hold at a time, and only when the settings want it."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "off") if not now.settings.holds_reply or now.held_since_ms is not None else None


class SomeVoice:
    """`hold_voice_ms` of voice: it may be a cough, so the agent waits instead of stopping."""

    def due(self, now: Situation) -> Due | None:
        clock_ms = voice_clock_ms(now)
        return None if clock_ms is None else Due(clock_ms + now.settings.hold_voice_ms, "voice")


class NotHeld:
    """Nothing is held."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "not_held") if now.held_since_ms is None else None


class ReplyIsGone:
    """The held reply failed, or the client cancelled it."""

    def due(self, now: Situation) -> Due | None:
        return None if now.agent.is_busy else Due(now.held_since_ms or 0.0, "reply_gone")


class ReplyBecameProtected:
    """The settings changed meanwhile: what may not be interrupted is not held either."""

    def due(self, now: Situation) -> Due | None:
        return Due(now.held_since_ms or 0.0, "protected") if now.is_protected else None


class OnlyListening:
    """The voice has stopped and all words are backchannels: the agent goes on before their turn is dropped."""

    def due(self, now: Situation) -> Due | None:
        if now.voice_since_ms is not None or not now.is_backchannel or now.state == "committing":
            return None
        return Due(max(now.words_changed_ms, now.voice_ended_ms), "backchannel")


class ShortSound:
    """The voice, now that its end is known, was shorter than `hold_voice_ms` after all: a click, a cup put down."""

    def due(self, now: Situation) -> Due | None:
        if now.voice_since_ms is not None or now.words.text or now.voice_lasted_ms >= now.settings.hold_voice_ms:
            return None
        return Due(now.voice_ended_ms, "short")


class NothingFollowed:
    """`hold_ms` of quiet without words enough: it was a cough."""

    def due(self, now: Situation) -> Due | None:
        if now.voice_since_ms is not None:
            return None
        since_ms = max(now.held_since_ms or 0.0, now.voice_ended_ms, now.words_changed_ms if now.words.text else 0.0)
        return Due(since_ms + now.settings.hold_ms, "no_words")


INTERRUPTION: tuple[Policy, ...] = (
    NobodyInTheWay(),
    ProtectedReply(),
    OnlyBackchannel(),
    EnoughWords(),
    LongVoice(),
)
HOLD: tuple[Policy, ...] = (HoldIsOff(), NobodyInTheWay(), ProtectedReply(), SomeVoice())
RESUME: tuple[Policy, ...] = (
    NotHeld(),
    ReplyIsGone(),
    ReplyBecameProtected(),
    OnlyListening(),
    ShortSound(),
    NothingFollowed(),
)
