"""One reply from request to last sound: asks workers, orders and paces what they make, and can be cut off at any time."""

from collections.abc import Callable
from typing import Protocol

import structlog

from sessions.live import facts
from sessions.live.items import Content, Item, MessageItem
from sessions.live.pacing import PlayOut
from sessions.live.reply_delays import ReplyDelays
from sessions.live.reply_plan import ReplyPlan
from sessions.live.reply_tools import ToolCalls
from sessions.live.spoken_text import SpokenSentence, SpokenText
from sessions.live.task_watch import TaskWatch
from sessions.live.work_desk import WorkDesk
from workers.errors import NovaError
from workers.streams.messages import (
    Address,
    InterruptEntry,
    OutputEntry,
    ReplyWritten,
    SentenceWritten,
    SpeechFinished,
    SpeechMade,
    SpeechRequest,
    TaskBeat,
    ToolCalled,
    ToolReturned,
    WorkFailed,
)

logger = structlog.get_logger(__name__)

REPLY_TASK = -1
MAX_ATTEMPTS = 2
MAX_REPLY_MS = 45_000.0
DELAY_TOLD_MS = 2_250.0
"""With the check four times a second the client hears of it within 2.5 s."""
BYTES_PER_SAMPLE = 2

STOP_REASONS = {"max_tokens": "max_output_tokens", "content_filtered": "content_filter"}


class ReplyHost(Protocol):
    """What a reply needs of its session."""

    def now_ms(self) -> float: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def call_in(self, delay_ms: float, callback: Callable[[], None]) -> None: ...

    def keep_item(self, item: Item) -> str | None: ...

    def reply_finished(self, reply: "Reply", ended: facts.ReplyEnded) -> None: ...


class Reply:
    """Made by the session for each answer. `begin` once; then entries, time and interruption come in; `is_over` ends it."""

    def __init__(self, plan: ReplyPlan, desk: WorkDesk, host: ReplyHost) -> None:
        self.plan = plan
        self.reply_id = plan.reply_id
        self.item_id = plan.item_id
        self.play_out = PlayOut()
        self.spoken = SpokenText()
        self.delays = ReplyDelays(asked_ms=host.now_ms())
        self.is_over = False
        self._desk = desk
        self._host = host
        self._watch = TaskWatch()
        self._attempt = 0
        self._used_ids: set[str] = set()
        self._current_ids: dict[int, str] = {}
        self._written: ReplyWritten | None = None
        self._tools = ToolCalls(plan.reply_id, host)
        self._has_item = False
        self._told_of_delay_ms = 0.0
        self._is_waiting_to_send = False

    # --- begin and end ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._host.deliver(facts.ReplyStarted(self.reply_id, self.plan.metadata, self.plan.is_out_of_band))
        if self.plan.fixed_text is not None:
            self._say_fixed_text(self.plan.fixed_text)
        else:
            self._ask_for_reply()

    @property
    def is_speaking(self) -> bool:
        """Sound of this reply is with the client and not played to its end."""
        return self.play_out.sent_ms > 0 and self.play_out.lead_ms(self._host.now_ms()) > 0

    @property
    def heard_ms(self) -> float:
        return self.play_out.heard_ms(self._host.now_ms())

    def heard_text(self) -> str:
        return self.spoken.heard_text(self.heard_ms) if self.plan.is_audio else self.spoken.text.strip()

    def owns(self, entry: OutputEntry) -> bool:
        """Only the newest attempt of each task counts: a late entry of one given up is nobody's."""
        return self._current_ids.get(_task_of(entry)) == entry.reply_id

    def interrupt(self, reason: str) -> None:
        """Stop at once: nothing more is sent, the workers are told, the reply ends as cancelled if it had not ended."""
        if self.is_over:
            return
        self._call_off()
        self._end("cancelled", reason)

    def call_off(self) -> None:
        """Stop every task without telling the client: the session is ending."""
        self._call_off()
        self.is_over = True

    def _call_off(self) -> None:
        address = self._address(self.reply_id)
        for work_id in sorted(self._used_ids):
            self._desk.interrupt(InterruptEntry(address.session_id, address.generation, work_id))

    # --- what workers say -------------------------------------------------------------------------------------------

    def take(self, entry: OutputEntry) -> None:
        """One entry that this reply owns, in stream order."""
        if self.is_over:
            return
        match entry:
            case TaskBeat():
                self._watch.sign(entry.sentence_index, self._host.now_ms())
            case SentenceWritten():
                self._sentence_written(entry)
            case SpeechMade():
                self._speech_made(entry)
            case SpeechFinished():
                self._speech_finished(entry)
            case ReplyWritten():
                self._reply_written(entry)
            case ToolCalled() | ToolReturned():
                self._watch.sign(REPLY_TASK, self._host.now_ms())
                self._tools.take(entry)
            case WorkFailed():
                self._work_failed(entry)
        self._advance()

    def check(self) -> None:
        """Called several times a second: lost tasks and the limit of the whole reply."""
        now_ms = self._host.now_ms()
        if self.is_over:
            return
        for index in self._watch.lost(now_ms):
            error = NovaError("the worker making this answer was lost", code="worker_lost", retriable=True)
            self._task_failed(index, error)
        self._tell_of_delay(now_ms)
        if not self.is_over and self._written is None and now_ms - self.delays.asked_ms > MAX_REPLY_MS:
            self._fail(NovaError("the answer took too long", code="reply_too_long", retriable=True))

    def _tell_of_delay(self, now_ms: float) -> None:
        """Nobody is left in silence: a provider that hangs is named as long as it keeps the listener waiting."""
        quiet_since_ms = max(self.delays.asked_ms, self.play_out.ends_at_ms(), self._told_of_delay_ms)
        has_text_to_read = not self.plan.is_audio and bool(self.spoken.sentences)
        if self.is_over or has_text_to_read or now_ms - quiet_since_ms < DELAY_TOLD_MS:
            return
        self._told_of_delay_ms = now_ms
        self._host.deliver(facts.Noticed("answer_delayed", "the answer takes longer than usual"))

    def _sentence_written(self, entry: SentenceWritten) -> None:
        now_ms = self._host.now_ms()
        self._watch.sign(REPLY_TASK, now_ms)
        if self.spoken.add(entry.sentence_index, entry.text, entry.separator) is None:
            return
        self.delays.first_sentence_ms = self.delays.first_sentence_ms or now_ms
        self._start_item()
        if not self.plan.is_audio:
            self._deliver_text(entry.separator + entry.text)

    def _reply_written(self, entry: ReplyWritten) -> None:
        self._watch.end(REPLY_TASK)
        self._written = entry
        self.delays.model_first_token_ms = entry.first_token_ms

    def _speech_made(self, entry: SpeechMade) -> None:
        self._watch.sign(entry.sentence_index, self._host.now_ms())
        sentence = self.spoken.find(entry.sentence_index)
        if sentence is None or sentence.is_made or entry.chunk_index < sentence.next_chunk:
            return
        if entry.chunk_index > sentence.next_chunk:
            self._task_failed(
                entry.sentence_index, NovaError("some speech was lost", code="speech_gap", retriable=True)
            )
            return
        sentence.take(entry.pcm, entry.sample_rate_hz, self.plan.output_rate_hz)

    def _speech_finished(self, entry: SpeechFinished) -> None:
        self._watch.end(entry.sentence_index)
        sentence = self.spoken.find(entry.sentence_index)
        if sentence is not None and not sentence.is_made:
            self.delays.voice_first_byte_ms = self.delays.voice_first_byte_ms or entry.first_byte_ms
            sentence.finish(self.plan.output_rate_hz)

    # --- faults -----------------------------------------------------------------------------------------------------

    def _work_failed(self, entry: WorkFailed) -> None:
        self._watch.end(entry.sentence_index)
        self._task_failed(entry.sentence_index, NovaError(entry.text, code=entry.code, retriable=entry.retriable))

    def _task_failed(self, sentence_index: int, error: NovaError) -> None:
        if self.is_over:
            return
        if sentence_index == REPLY_TASK:
            self._reply_task_failed(error)
        else:
            self._speech_task_failed(sentence_index, error)

    def _reply_task_failed(self, error: NovaError) -> None:
        """One more try while nothing was written; the client hears of the fault either way."""
        can_retry = error.retriable and self._attempt + 1 < MAX_ATTEMPTS and not self.spoken.sentences
        if not can_retry:
            self._fail(error)
            return
        self._tell(error)
        self._call_off()
        self._attempt += 1
        self._ask_for_reply()

    def _speech_task_failed(self, sentence_index: int, error: NovaError) -> None:
        """One more try from where its sound broke off; then the sentence stays without sound and the rest goes on."""
        sentence = self.spoken.find(sentence_index)
        if sentence is None or sentence.is_made:
            return
        self._tell(error)
        if error.retriable and sentence.attempt + 1 < MAX_ATTEMPTS:
            sentence.start_over()
        else:
            sentence.finish(self.plan.output_rate_hz)
        self._advance()

    def _tell(self, error: NovaError) -> None:
        logger.warning("reply_fault", reply_id=self.reply_id, code=error.code)
        self._host.deliver(facts.FaultHappened(error.code, error.text, error.retriable))

    def _fail(self, error: NovaError) -> None:
        self._call_off()
        self._tell(error)
        self._end("failed", error.code, error.text)

    # --- asking -----------------------------------------------------------------------------------------------------

    def _address(self, work_id: str) -> Address:
        plan = self.plan
        return Address(plan.session_id, plan.generation, work_id, self._desk.output_stream)

    def _begin_task(self, sentence: SpokenSentence | None = None) -> Address:
        """Each attempt has its own id on the streams, so that cancelling one does not cancel the next."""
        index, attempt = REPLY_TASK, self._attempt
        work_id = f"{self.reply_id}.{self._attempt}"
        if sentence is not None:
            index, attempt = sentence.index, sentence.attempt
            work_id += f".{index}.{attempt}" if attempt else ""
        self._used_ids.add(work_id)
        self._current_ids[index] = work_id
        self._watch.begin(index, self._host.now_ms(), attempt)
        return self._address(work_id)

    def _ask_for_reply(self) -> None:
        request = self.plan.request(self._begin_task())
        self._desk.request_reply(request, self.plan.words, lambda error: self._publish_failed(REPLY_TASK, error))

    def _publish_failed(self, sentence_index: int, error: NovaError) -> None:
        """Told at once; the next try waits until the task would have counted as lost, so that Redis can come back."""
        if not self.is_over:
            self._tell(error)

    def _ask_for_speech(self) -> None:
        now_ms = self._host.now_ms()
        for sentence in self.spoken.to_request():
            sentence.is_requested = True
            index = sentence.index
            self.delays.speech_asked_ms = self.delays.speech_asked_ms or now_ms
            request = SpeechRequest(self._begin_task(sentence), index, sentence.text, self.plan.voice)
            self._desk.request_speech(request, lambda error, i=index: self._publish_failed(i, error))  # type: ignore[misc]

    def _say_fixed_text(self, text: str) -> None:
        """A greeting or an operator's words: no model, straight to speech."""
        self._written = ReplyWritten(self.plan.session_id, self.plan.generation, self.reply_id, 1, "end_turn")
        self.spoken.add(0, text, "")
        self._start_item()
        if not self.plan.is_audio:
            self._deliver_text(text)
        self._advance()

    # --- sending ----------------------------------------------------------------------------------------------------

    def _start_item(self) -> None:
        if self._has_item:
            return
        self._has_item = True
        item = MessageItem(self.item_id, "assistant", (), "in_progress")
        previous = None if self.plan.is_out_of_band else self._host.keep_item(item)
        self._host.deliver(facts.ReplyItemStarted(self.reply_id, 0, item, previous, self.plan.is_audio))

    def _deliver_text(self, delta: str) -> None:
        self._host.deliver(facts.ReplyTextAdded(self.reply_id, self.item_id, 0, delta, self.plan.is_audio))

    def _advance(self) -> None:
        """Send what may be sent now, ask for what may be asked for, end when all is done."""
        if self.is_over:
            return
        if self.plan.is_audio:
            self._send_speech()
            self._ask_for_speech()
        if self._written is not None and (not self.plan.is_audio or self.spoken.current is None):
            self._complete(self._written)

    def _send_speech(self) -> None:
        while (sentence := self.spoken.current) is not None:
            if not sentence.chunks:
                if not sentence.is_made:
                    return
                self._begin_sentence(sentence)
                sentence.is_sent = True
                continue
            wait_ms = self.play_out.wait_ms(self._host.now_ms())
            if wait_ms > 0:
                self._send_later(wait_ms)
                return
            self._begin_sentence(sentence)
            self._send_chunk(sentence.chunks.popleft())

    def _begin_sentence(self, sentence: SpokenSentence) -> None:
        """Words reach the client with the first of their sound, and also when no sound could be made of them."""
        if sentence.start_ms is None:
            sentence.start_ms = self.play_out.sent_ms
            self._deliver_text(sentence.separator + sentence.text)

    def _send_chunk(self, pcm: bytes) -> None:
        now_ms = self._host.now_ms()
        self.delays.first_audio_ms = self.delays.first_audio_ms or now_ms
        start_ms = int(self.play_out.sent_ms)
        self._host.deliver(facts.ReplyAudioAdded(self.reply_id, self.item_id, 0, pcm, start_ms))
        self.play_out.sent(len(pcm) / BYTES_PER_SAMPLE / self.plan.output_rate_hz * 1_000, now_ms)

    def _send_later(self, wait_ms: float) -> None:
        if self._is_waiting_to_send:
            return
        self._is_waiting_to_send = True

        def go_on() -> None:
            self._is_waiting_to_send = False
            self._advance()

        self._host.call_in(max(wait_ms, 5.0), go_on)

    # --- ending -----------------------------------------------------------------------------------------------------

    def _complete(self, written: ReplyWritten) -> None:
        reason = STOP_REASONS.get(written.stop_reason, "")
        self._end("incomplete" if reason else "completed", reason)

    def _message_item(self, status: facts.ReplyStatus) -> MessageItem:
        kind = "output_audio" if self.plan.is_audio else "output_text"
        item_status = "completed" if status == "completed" else "incomplete"
        text = self.heard_text() if status == "cancelled" else self.spoken.text.strip()
        return MessageItem(self.item_id, "assistant", (Content(kind, text),), item_status)  # type: ignore[arg-type]

    def _end(self, status: facts.ReplyStatus, reason: str = "", error_text: str = "") -> None:
        self.is_over = True
        items: list[Item] = []
        if self._has_item:
            item = self._message_item(status)
            items.append(item)
            self._host.deliver(facts.ReplyItemFinished(self.reply_id, 0, item, self.plan.is_audio))
        written = self._written
        usage = facts.TokenUsage(written.input_tokens, written.output_tokens) if written else facts.TokenUsage()
        ended = facts.ReplyEnded(
            self.reply_id,
            status,
            (*items, *self._tools.client_items),
            reason,
            error_text,
            usage,
            self.plan.metadata,
        )
        self._host.reply_finished(self, ended)


def _task_of(entry: OutputEntry) -> int:
    """The sentence whose speech an entry is about, or the reply's own task."""
    if isinstance(entry, SpeechMade | SpeechFinished | TaskBeat | WorkFailed):
        return entry.sentence_index
    return REPLY_TASK
