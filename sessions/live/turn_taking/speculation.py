"""When a reply is begun before the turn has ended, and when that is given up; ordered policies."""

from sessions.live.turn_taking.phrases import ends_sentence, same_words, sounds_unfinished
from sessions.live.turn_taking.situation import NEVER, Due, Policy, Situation

MAX_SPECULATIONS = 3


class SpeculationIsOff:
    """By setting, in push to talk, and without automatic replies."""

    def due(self, now: Situation) -> Due | None:
        settings = now.settings
        return None if settings.speculation and settings.creates_reply and now.is_hands_free else Due(NEVER, "off")


class NotNow:
    """Only in an open turn with words, while the agent is free and no speculation stands; three a turn at most."""

    def due(self, now: Situation) -> Due | None:
        is_fit = now.state in ("speaking", "pausing") and now.words.text and not now.agent.is_busy
        is_allowed = now.speculation is None and now.speculations < MAX_SPECULATIONS
        return None if is_fit and is_allowed else Due(NEVER, "not_now")


class WordsToCome:
    """Words that sound unfinished."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "unfinished") if sounds_unfinished(now.words.text) else None


class FinalSoFar:
    """All words final: at once, though the voice may go on; then not again for words that the voice has spoken against."""

    def due(self, now: Situation) -> Due | None:
        if not now.words.are_final or (now.state == "speaking" and same_words(now.given_up_text, now.words.text)):
            return None
        return Due(now.words_changed_ms, "final")


class StillTalking:
    """Partial words while the voice goes on."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "voice") if now.state == "speaking" else None


class LikelyEnd:
    """`speculate_silence_ms` after settled words or the mark of a sentence's end."""

    def due(self, now: Situation) -> Due | None:
        if not now.words.are_settled and not ends_sentence(now.words.text):
            return None
        return Due(
            now.voice_ended_ms + now.settings.speculate_silence_ms, "settled" if now.words.are_settled else "mark"
        )


class UnchangedWords:
    """Partial words that changed `speculate_silence_ms` after the voice ended or later, then twice that long no more.

    Partials lag the voice: those from about its end lack its last words. They come every 100 to 200 ms.
    """

    def due(self, now: Situation) -> Due | None:
        quiet_ms = now.settings.speculate_silence_ms
        if now.words_changed_ms < now.voice_ended_ms + quiet_ms:
            return Due(NEVER, "lagging")
        return Due(now.words_changed_ms + 2 * quiet_ms, "quiet")


class NoSpeculation:
    """None stands."""

    def due(self, now: Situation) -> Due | None:
        return Due(NEVER, "none") if now.speculation is None else None


class OtherWords:
    """The turn's words are others now, case, spaces and punctuation aside."""

    def due(self, now: Situation) -> Due | None:
        speculation = now.speculation
        is_same = speculation is None or same_words(speculation.text, now.words.text)
        return None if is_same else Due(0.0, "words")


class NoLongerWanted:
    """The settings changed, or the client asked for a reply of its own."""

    def due(self, now: Situation) -> Due | None:
        settings = now.settings
        if not (settings.speculation and settings.creates_reply and now.is_hands_free):
            return Due(0.0, "settings")
        return Due(0.0, "agent") if now.agent.is_busy else None


class VoiceWentOn:
    """`hold_voice_ms` of new voice: more words are coming."""

    def due(self, now: Situation) -> Due | None:
        speculation = now.speculation
        if speculation is None or speculation.is_over_voice or now.voice_since_ms is None or now.state == "committing":
            return None
        return Due(now.voice_since_ms + now.settings.hold_voice_ms, "voice")


SPECULATE: tuple[Policy, ...] = (
    SpeculationIsOff(),
    NotNow(),
    WordsToCome(),
    FinalSoFar(),
    StillTalking(),
    LikelyEnd(),
    UnchangedWords(),
)
GIVE_UP: tuple[Policy, ...] = (NoSpeculation(), OtherWords(), NoLongerWanted(), VoiceWentOn())
