"""When a turn ends, is dropped, or the silence has lasted too long; ordered policies."""

from sessions.live.turn_taking.phrases import ends_sentence, may_go_on, sounds_unfinished
from sessions.live.turn_taking.situation import NEVER, Due, Policy, Situation

NO_WORDS_MS = 3_000
NO_WORDS_IN_VOICE_MS = 30_000
COMMIT_WAIT_MS = 2_000
FINAL_IN_VOICE_MS = 1_200
STALLED_WORDS_MS = 10_000
MAX_TURN_MS = 120_000
BACKCHANNEL_MARGIN_MS = 500
LONGEST_PAUSE_MS = 3_000
PAUSE_WEIGHT = 0.4
CUT_IN_WEIGHT = 0.8
"""A pause after which the turn had been ended counts double: the agent was about to speak into it."""
PAUSE_FADING = 0.85
PAUSE_MARGIN = 1.25


def patient_ms(now: Situation, silence_ms: float) -> float:
    """The silence asked for, or more for a speaker whose own pauses are longer; at most `slow_end_silence_ms` more."""
    return max(silence_ms, min(now.pause_average_ms * PAUSE_MARGIN, now.settings.slow_end_silence_ms))


def learn_pause(now: Situation, pause_ms: float, weight: float) -> None:
    """The speaker went on after this long: exponential average."""
    if 0 < pause_ms <= LONGEST_PAUSE_MS:
        counted_ms = min(pause_ms, now.settings.slow_end_silence_ms)
        now.pause_average_ms += weight * (counted_ms - now.pause_average_ms)


class CommittedWords:
    """The client has committed: its last words end the turn, or 2 s without them."""

    def due(self, now: Situation) -> Due | None:
        if now.state != "committing":
            return None
        if now.words.are_final:
            return Due(now.committed_ms, "commit")
        return Due(now.committed_ms + COMMIT_WAIT_MS, "commit" if now.words.text else "empty_commit")


class NoWords:
    """Voice without words is a phantom: dropped 3 s after the voice stopped, or after 30 s of it."""

    def due(self, now: Situation) -> Due | None:
        if now.words.text:
            return None
        is_voice = now.state == "speaking"
        return Due(
            now.turn_started_ms + NO_WORDS_IN_VOICE_MS if is_voice else now.voice_ended_ms + NO_WORDS_MS, "no_words"
        )


class VoiceThatGoesOn:
    """Noise may keep the voice on: final words end the turn after 1.2 s of it without others, partial ones after 10 s.

    A voice that comes back after a pause has those 1.2 s from its own beginning.
    """

    def due(self, now: Situation) -> Due | None:
        if now.state != "speaking":
            return None
        if now.words.are_final:
            since_ms = max(now.words_changed_ms, now.voice_since_ms or 0.0)
            return Due(since_ms + FINAL_IN_VOICE_MS, "final_in_voice")
        return Due(now.words_changed_ms + STALLED_WORDS_MS, "stalled")


class UnfinishedWords:
    """Words that sound unfinished, in English or Chinese: `long_end_silence_ms`, final or not."""

    def due(self, now: Situation) -> Due | None:
        if not sounds_unfinished(now.words.text):
            return None
        return Due(max(now.voice_ended_ms, now.words_changed_ms) + now.settings.long_end_silence_ms, "unfinished")


class WordsThatMayGoOn:
    """Whole words of a kind that often goes on, as a number that is read out: half of `long_end_silence_ms`."""

    def due(self, now: Situation) -> Due | None:
        if not may_go_on(now.words.text):
            return None
        silence_ms = max(now.settings.long_end_silence_ms / 2, now.settings.end_silence_ms)
        return Due(max(now.voice_ended_ms + silence_ms, now.words_changed_ms), "may_go_on")


class FinalWords:
    """All words final: `final_silence_ms` without voice, in which consecutive finals of one breath join."""

    def due(self, now: Situation) -> Due | None:
        if not now.words.are_final:
            return None
        return Due(now.voice_ended_ms + patient_ms(now, now.settings.final_silence_ms), "final")


class SettledWords:
    """Words that will not change any more: `end_silence_ms` without voice; the final may be 1.9 s away."""

    def due(self, now: Situation) -> Due | None:
        if not now.words.are_settled:
            return None
        return Due(now.voice_ended_ms + patient_ms(now, now.settings.end_silence_ms), "silence")


class WholeSentence:
    """A partial with the mark of a sentence's end: `end_silence_ms` without voice and without a change."""

    def due(self, now: Situation) -> Due | None:
        if not ends_sentence(now.words.text):
            return None
        quiet_since_ms = max(now.voice_ended_ms, now.words_changed_ms)
        return Due(quiet_since_ms + patient_ms(now, now.settings.end_silence_ms), "punctuation")


class AnyWords:
    """Whatever there is: `long_end_silence_ms` without voice and without a change."""

    def due(self, now: Situation) -> Due | None:
        quiet_since_ms = max(now.voice_ended_ms, now.words_changed_ms)
        return Due(quiet_since_ms + now.settings.long_end_silence_ms, "silence")


class BackchannelTurn:
    """Only backchannels, begun while the agent was busy: dropped if it still is, or was for 0.5 s and more after.

    Begun later than that, or after a question, "yes" is an answer.
    """

    def due(self, now: Situation) -> Due | None:
        if not now.began_over_agent or now.was_interrupted or not now.is_backchannel or now.state == "committing":
            return None
        over_ms = now.agent_ended_ms - now.turn_started_ms
        return Due(0.0, "backchannel") if now.agent.is_busy or over_ms > BACKCHANNEL_MARGIN_MS else None


class ProtectedTurn:
    """Begun while the agent could not be interrupted, and `keeps_protected_words` is off."""

    def due(self, now: Situation) -> Due | None:
        if not now.began_protected or now.settings.keeps_protected_words or now.state == "committing":
            return None
        return Due(0.0, "protected")


class IdleTimeout:
    """`idle_timeout_ms` after the agent's last sound, nobody having spoken since."""

    def due(self, now: Situation) -> Due | None:
        timeout_ms = now.settings.idle_timeout_ms
        if timeout_ms is None or now.quiet_since_ms is None:
            return None
        is_idle = not now.is_turn_open and not now.agent.is_busy and now.is_hands_free
        return Due(now.quiet_since_ms + timeout_ms if is_idle else NEVER, "idle")


END: tuple[Policy, ...] = (
    CommittedWords(),
    NoWords(),
    VoiceThatGoesOn(),
    UnfinishedWords(),
    WordsThatMayGoOn(),
    FinalWords(),
    SettledWords(),
    WholeSentence(),
    AnyWords(),
)
DROP: tuple[Policy, ...] = (BackchannelTurn(), ProtectedTurn())
TIME_OUT: tuple[Policy, ...] = (IdleTimeout(),)
