"""The mouth of one reply: its item, its captions and its sound to the client, in order, paced, and held when asked."""

from collections.abc import Callable
from typing import Literal, Protocol

from sessions.live import facts
from sessions.live.items import Item, MessageItem
from sessions.live.pacing import PlayOut
from sessions.live.reply_plan import ReplyPlan
from sessions.live.spoken_text import SpokenSentence, SpokenText

BYTES_PER_SAMPLE = 2
SHORTEST_WAIT_MS = 5.0
WORDS_ALONE_MS = 250.0


class SendingHost(Protocol):
    def now_ms(self) -> float: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def call_in(self, delay_ms: float, callback: Callable[[], None]) -> None: ...

    @property
    def client_holds_playback(self) -> bool:
        """The client stops its sound where it is when told PlaybackHeld, and goes on from there."""
        ...

    @property
    def is_client_away(self) -> bool:
        """No sound leaves meanwhile."""
        ...

    def keep_item(self, item: Item) -> str | None: ...


class ReplySending:
    """Owned by one Reply, which decides when it is over."""

    def __init__(self, plan: ReplyPlan, spoken: SpokenText, play_out: PlayOut, host: SendingHost) -> None:
        self._plan = plan
        self._spoken = spoken
        self._play_out = play_out
        self._host = host
        self._is_held = False
        self._is_told = False
        self._waiting_for: set[Literal["pace", "sound"]] = set()
        self.has_item = False
        self.first_audio_ms = 0.0

    def start_item(self) -> None:
        if self.has_item:
            return
        self.has_item = True
        plan = self._plan
        item = MessageItem(plan.item_id, "assistant", (), "in_progress")
        previous = None if plan.is_out_of_band else self._host.keep_item(item)
        self._host.deliver(facts.ReplyItemStarted(plan.reply_id, 0, item, previous, plan.is_audio))

    def deliver_text(self, delta: str) -> None:
        plan = self._plan
        self._host.deliver(facts.ReplyTextAdded(plan.reply_id, plan.item_id, 0, delta, plan.is_audio))

    def hold(self) -> None:
        if self._is_held:
            return
        self._is_held = True
        if self._play_out.lead_ms(self._host.now_ms()) <= 0:
            return
        if self._host.client_holds_playback:
            self._play_out.hold(self._host.now_ms())
        self._is_told = True
        self._host.deliver(facts.PlaybackHeld(self._plan.reply_id, self._plan.item_id, True))

    def resume(self) -> bool:
        """False when nothing was held."""
        if not self._is_held:
            return False
        self._is_held = False
        self._play_out.resume(self._host.now_ms())
        if self._is_told:
            self._is_told = False
            self._host.deliver(facts.PlaybackHeld(self._plan.reply_id, self._plan.item_id, False))
        return True

    def send_speech(self, when_due: Callable[[], None]) -> None:
        """Send what may leave now; `when_due` is called when more may."""
        while not self._is_held and not self._host.is_client_away and (sentence := self._spoken.current) is not None:
            if not sentence.chunks:
                if not sentence.is_made:
                    self._await_sound(sentence, when_due)
                    return
                self._begin_sentence(sentence)
                sentence.is_sent = True
                continue
            wait_ms = self._play_out.wait_ms(self._host.now_ms())
            if wait_ms > 0:
                self._wait("pace", wait_ms, when_due)
                return
            self._begin_sentence(sentence)
            self._send_chunk(sentence.chunks.popleft())

    def _begin_sentence(self, sentence: SpokenSentence) -> None:
        """Words reach the client with the first of their sound, and also when no sound could be made of them."""
        if sentence.start_ms is None:
            sentence.start_ms = self._play_out.sent_ms
            self._tell_words(sentence)

    def _await_sound(self, sentence: SpokenSentence, when_due: Callable[[], None]) -> None:
        """Where nothing sounds, words wait for their sound no longer than this."""
        now_ms = self._host.now_ms()
        if sentence.is_told:
            return
        if sentence.awaited_since_ms is None:
            sentence.awaited_since_ms = now_ms
        wait_ms = max(sentence.awaited_since_ms + WORDS_ALONE_MS - now_ms, self._play_out.lead_ms(now_ms))
        if wait_ms > 0:
            self._wait("sound", wait_ms, when_due)
        else:
            self._tell_words(sentence)

    def _tell_words(self, sentence: SpokenSentence) -> None:
        if not sentence.is_told:
            sentence.is_told = True
            self.deliver_text(sentence.separator + sentence.text)

    def _send_chunk(self, pcm: bytes) -> None:
        now_ms, plan = self._host.now_ms(), self._plan
        self.first_audio_ms = self.first_audio_ms or now_ms
        start_ms = int(self._play_out.sent_ms)
        self._host.deliver(facts.ReplyAudioAdded(plan.reply_id, plan.item_id, 0, pcm, start_ms))
        self._play_out.sent(len(pcm) / BYTES_PER_SAMPLE / plan.output_rate_hz * 1_000, now_ms)

    def _wait(self, reason: Literal["pace", "sound"], wait_ms: float, when_due: Callable[[], None]) -> None:
        if reason in self._waiting_for:
            return
        self._waiting_for.add(reason)

        def go_on() -> None:
            self._waiting_for.discard(reason)
            when_due()

        self._host.call_in(max(wait_ms, SHORTEST_WAIT_MS), go_on)
