"""One reply from request to last sound: asks workers, orders and paces what they make, and can be cut off at any time."""

from collections import deque
from typing import Protocol

import structlog

from sessions.live import facts
from sessions.live.items import Content, Item, MessageItem
from sessions.live.pacing import PlayOut
from sessions.live.patience import Patience
from sessions.live.phrases import phrases_for
from sessions.live.portable_reply import PortableReply, sentences_in, sentences_out
from sessions.live.reply_delays import ReplyDelays
from sessions.live.reply_plan import ReplyPlan
from sessions.live.reply_sending import ReplySending, SendingHost
from sessions.live.reply_tools import ToolCalls
from sessions.live.reply_work import REPLY_TASK, ReplyWork, task_of
from sessions.live.spoken_text import SpokenText
from sessions.live.work_desk import WorkDesk
from workers.errors import MODEL_FAULTS, NovaError
from workers.streams.messages import (
    OutputEntry,
    ReplyWritten,
    SentenceWritten,
    SpeechFinished,
    SpeechMade,
    TaskBeat,
    ToolCalled,
    ToolReturned,
    WordMarks,
    WorkFailed,
)

logger = structlog.get_logger(__name__)

MAX_ATTEMPTS = 2
UNSPEAKABLE_CODES = frozenset({"worker_lost", "streams_unavailable"})
"""Whoever made these faults would have to speak the apology."""
MAX_REPLY_MS = 45_000.0
STOP_REASONS = {"max_tokens": "max_output_tokens", "content_filtered": "content_filter"}


class ReplyHost(SendingHost, Protocol):
    """What a reply needs of its session."""

    def reply_finished(self, reply: "Reply", ended: facts.ReplyEnded) -> None: ...


class Reply:
    """Made by the session for each answer. `begin` once; then entries, time and interruption come in; `is_over` ends it."""

    def __init__(self, plan: ReplyPlan, desk: WorkDesk, host: ReplyHost, is_gated: bool = False) -> None:
        self.plan = plan
        self.reply_id = plan.reply_id
        self.item_id = plan.item_id
        self.play_out = PlayOut()
        self.spoken = SpokenText()
        self.delays = ReplyDelays(asked_ms=host.now_ms())
        self._sending = ReplySending(plan, self.spoken, self.play_out, host)
        self.is_over = False
        self.was_gated = is_gated
        self.is_broken = False
        """Behind the gate: a task was lost or failed, so that this reply is not worth opening."""
        self._gate: deque[OutputEntry] | None = deque() if is_gated else None
        self._host = host
        self._work = ReplyWork(plan, desk, host.now_ms, self._publish_failed)
        self._written: ReplyWritten | None = None
        self._tools = ToolCalls(plan.reply_id, host, is_out_of_band=plan.is_out_of_band)
        self._failure: NovaError | None = None
        self._patience = Patience(self.delays.asked_ms, plan.filler_ms)

    # --- begin and end ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        if self._gate is None:
            self._tell_start()
        if self.plan.fixed_text is not None:
            self._say_fixed_text(self.plan.fixed_text)
        else:
            self._work.ask_for_reply()

    def portable(self) -> PortableReply | None:
        """What another process needs in order to go on; None when there is nothing to go on with."""
        if self.is_over or self._gate is not None:
            return None
        now_ms, first_audio_ms = self._host.now_ms(), self._sending.first_audio_ms
        begun = (self.reply_id, self._work.reply_attempt, now_ms - self.delays.asked_ms)
        begun_ago_ms = now_ms - first_audio_ms if first_audio_ms else None
        sentences, calls = sentences_out(self.spoken), (self._tools.running_items, self._tools.client_calls)
        failure = (self._failure.code, self._failure.text) if self._failure is not None else None
        has_item, sent_ms = self._sending.has_item, self.play_out.sent_ms
        return PortableReply(*begun, has_item, sent_ms, sentences, self._written, *calls, failure, begun_ago_ms)

    def take_up(self, kept: PortableReply, heard_ms: float, mark: str) -> None:
        """Instead of `begin`: goes on where another process stopped, with the sound after `heard_ms`."""
        now_ms = self._host.now_ms()
        self.delays.asked_ms = now_ms - kept.asked_ago_ms
        self.spoken.take_up(sentences_in(kept.sentences, heard_ms))
        self.play_out.take_up(heard_ms)
        self._sending.has_item = kept.has_item
        if kept.first_audio_ago_ms is not None:
            self._sending.first_audio_ms = now_ms - kept.first_audio_ago_ms
        self._tools.take_up(kept.running_calls, kept.client_calls)
        self._written = kept.written
        if kept.failure is not None:
            self._failure = NovaError(kept.failure[1], code=kept.failure[0], retriable=True)
        self._work.take_up(kept.attempt, mark, is_written=kept.written is not None or self._failure is not None)
        self._advance()

    def client_is_back(self, repeated_ms: float) -> None:
        """That much of its sound is sent once more, because it did not arrive."""
        self.play_out.repeated(repeated_ms, self._host.now_ms())
        self._advance()

    def open_gate(self) -> None:
        """What has come meanwhile is told and sent as if it came now."""
        waiting, self._gate = self._gate or (), None
        self._patience.begin(self._host.now_ms())
        self._tell_start()
        for entry in waiting:
            if self.owns(entry):
                self.take(entry)

    def _tell_start(self) -> None:
        self._host.deliver(facts.ReplyStarted(self.reply_id, self.plan.metadata, self.plan.is_out_of_band))

    def hold(self) -> None:
        """No sound leaves until `resume`, the first neither; what the client has already may be stopped there too."""
        if not self.is_over or self.is_speaking:
            self._sending.hold()

    def resume(self) -> None:
        if self._sending.resume():
            self._advance()

    @property
    def is_speaking(self) -> bool:
        """Sound of this reply is with the client and not played to its end."""
        return self.play_out.sent_ms > 0 and self.play_out.lead_ms(self._host.now_ms()) > 0

    @property
    def is_being_written(self) -> bool:
        return not self.is_over and self._written is None

    @property
    def heard_ms(self) -> float:
        return self.play_out.heard_ms(self._host.now_ms())

    def heard_text(self) -> str:
        return self.spoken.heard_text(self.heard_ms) if self.plan.is_audio else self.spoken.text.strip()

    def owns(self, entry: OutputEntry) -> bool:
        return self._work.owns(entry)

    def interrupt(self, reason: str) -> None:
        """Stop at once: nothing more is sent, the workers are told, the reply ends as cancelled if it had not ended."""
        if self.is_over:
            return
        self._work.call_off()
        self._end("cancelled", reason)

    def call_off(self) -> None:
        """Stop every task without telling the client: the session is ending."""
        self._work.call_off()
        self.is_over = True

    # --- what workers say -------------------------------------------------------------------------------------------

    def take(self, entry: OutputEntry) -> None:
        """One entry that this reply owns, in stream order. Word times count as long as its sound is heard."""
        if self.is_over and not isinstance(entry, WordMarks):
            return
        if self._gate is not None:
            self._take_behind_gate(self._gate, entry)
            return
        match entry:
            case WordMarks():
                self.spoken.take_marks(entry)
            case TaskBeat():
                self._work.sign(entry.sentence_index)
            case SentenceWritten():
                self._sentence_written(entry)
            case SpeechMade():
                self._speech_made(entry)
            case SpeechFinished():
                self._speech_finished(entry)
            case ReplyWritten():
                self._reply_written(entry)
            case ToolCalled() | ToolReturned():
                self._work.sign(REPLY_TASK)
                self._tools.take(entry)
            case WorkFailed():
                self._work_failed(entry)
        self._advance()

    def _take_behind_gate(self, gate: deque[OutputEntry], entry: OutputEntry) -> None:
        """Signs of life are read at once: the first of them has the first sentence's speech prepared."""
        self._work.sign(task_of(entry))
        self.is_broken = self.is_broken or isinstance(entry, WorkFailed)
        if isinstance(entry, ReplyWritten | SpeechFinished):
            self._work.end(task_of(entry))
        if not isinstance(entry, TaskBeat):
            gate.append(entry)

    def check(self) -> None:
        """Called several times a second: lost tasks and the limit of the whole reply."""
        now_ms = self._host.now_ms()
        if self.is_over:
            return
        if self._gate is not None:
            self.is_broken = self.is_broken or bool(self._work.lost())
            return
        for index in self._work.lost():
            error = NovaError("the worker making this answer was lost", code="worker_lost", retriable=True)
            self._task_failed(index, error)
        if not self.is_over and not self._host.is_client_away:
            self._tell_of_delay(now_ms)
            self._bridge_delay(now_ms)
        if not self.is_over and self._written is None and now_ms - self.delays.asked_ms > MAX_REPLY_MS:
            self._fail(NovaError("the answer took too long", code="reply_too_long", retriable=True))

    def _tell_of_delay(self, now_ms: float) -> None:
        """Nobody is left in silence: a provider that hangs is named as long as it keeps the listener waiting."""
        has_text_to_read = not self.plan.is_audio and bool(self.spoken.sentences)
        if not has_text_to_read and self._patience.is_news_due(now_ms, self.play_out.ends_at_ms()):
            self._host.deliver(facts.Noticed("answer_delayed", "the answer takes longer than usual"))

    def _bridge_delay(self, now_ms: float) -> None:
        """One phrase, once, for a listener who has heard nothing yet."""
        phrases = phrases_for(self.plan.voice.language)
        is_silent = self.plan.is_audio and not self.spoken.sentences
        if is_silent and phrases is not None and self._patience.is_phrase_due(now_ms):
            self._say_phrase(phrases.filler)

    def _sentence_written(self, entry: SentenceWritten) -> None:
        now_ms = self._host.now_ms()
        self._work.sign(REPLY_TASK)
        if self.spoken.add(entry.sentence_index, entry.text, entry.separator) is None:
            return
        self.delays.first_sentence_ms = self.delays.first_sentence_ms or now_ms
        self._sending.start_item()
        if not self.plan.is_audio:
            self._sending.deliver_text(entry.separator + entry.text)

    def _reply_written(self, entry: ReplyWritten) -> None:
        self._work.end(REPLY_TASK)
        self._written = entry
        self.delays.model_first_token_ms = entry.first_token_ms

    def _speech_made(self, entry: SpeechMade) -> None:
        self._work.sign(entry.sentence_index)
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
        self._work.end(entry.sentence_index)
        sentence = self.spoken.find(entry.sentence_index)
        if sentence is not None and not sentence.is_made:
            self.delays.voice_first_byte_ms = self.delays.voice_first_byte_ms or entry.first_byte_ms
            sentence.finish(self.plan.output_rate_hz)

    # --- faults -----------------------------------------------------------------------------------------------------

    def _work_failed(self, entry: WorkFailed) -> None:
        self._work.end(entry.sentence_index)
        self._task_failed(entry.sentence_index, NovaError(entry.text, code=entry.code, retriable=entry.retriable))

    def _task_failed(self, sentence_index: int, error: NovaError) -> None:
        if self.is_over:
            return
        if sentence_index == REPLY_TASK:
            self._reply_task_failed(error)
        else:
            self._speech_task_failed(sentence_index, error)

    def _reply_task_failed(self, error: NovaError) -> None:
        """One more try while nothing was written, unless the worker has tried; the client hears of the fault either way."""
        may_help = error.retriable and error.code not in MODEL_FAULTS
        can_retry = may_help and self._work.reply_attempt + 1 < MAX_ATTEMPTS and not self.spoken.written_count
        if not can_retry:
            if error.code in UNSPEAKABLE_CODES or not self._apologise(error):
                self._fail(error)
            return
        self._tell(error)
        self._work.ask_for_reply_again()

    def _speech_task_failed(self, sentence_index: int, error: NovaError) -> None:
        """One more try from where its sound broke off; then the sentence stays without sound and the rest goes on."""
        sentence = self.spoken.find(sentence_index)
        if sentence is None or sentence.is_made:
            return
        self._tell(error)
        if error.retriable and sentence.attempt + 1 < MAX_ATTEMPTS and not sentence.is_phrase:
            sentence.start_over()
        else:
            sentence.finish(self.plan.output_rate_hz)
        self._advance()

    def _tell(self, error: NovaError) -> None:
        logger.warning("reply_fault", reply_id=self.reply_id, code=error.code)
        self._host.deliver(facts.FaultHappened(error.code, error.text, error.retriable))

    def _fail(self, error: NovaError) -> None:
        self._work.call_off()
        self._tell(error)
        self._end("failed", error.code, error.text)

    def _apologise(self, error: NovaError) -> bool:
        """A mind that failed is told with the voice, as long as nothing of the answer was; False when that cannot be."""
        phrases = phrases_for(self.plan.voice.language)
        if self._failure is not None or not self.plan.is_audio or phrases is None or self.spoken.written_count:
            return False
        self._failure = error
        self._tell(error)
        self._work.forget_reply()
        self._say_phrase(phrases.apology)
        return True

    def _say_phrase(self, text: str) -> None:
        self.spoken.add_phrase(text)
        self._sending.start_item()
        self._advance()

    # --- asking -----------------------------------------------------------------------------------------------------

    def _publish_failed(self, sentence_index: int, error: NovaError) -> None:
        """Told at once; the next try waits until the task would have counted as lost, so that Redis can come back."""
        if not self.is_over:
            self._tell(error)

    def _ask_for_speech(self) -> None:
        for sentence in self.spoken.to_request():
            sentence.is_requested = True
            self.delays.speech_asked_ms = self.delays.speech_asked_ms or self._host.now_ms()
            self._work.ask_for_speech(sentence)

    def _say_fixed_text(self, text: str) -> None:
        """A greeting or an operator's words: no model, straight to speech."""
        self._written = ReplyWritten(self.plan.session_id, self.plan.generation, self.reply_id, 1, "end_turn")
        self.spoken.add(0, text, "")
        self._sending.start_item()
        if not self.plan.is_audio:
            self._sending.deliver_text(text)
        self._advance()

    # --- sending ----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Send what may be sent now, ask for what may be asked for, end when all is done."""
        if self.is_over:
            return
        if self.plan.is_audio:
            self._sending.send_speech(self._advance)
            self.delays.first_audio_ms = self._sending.first_audio_ms
            self._ask_for_speech()
        if self._failure is not None:
            if self.spoken.current is None:
                self._end("failed", self._failure.code, self._failure.text)
        elif self._written is not None and (not self.plan.is_audio or self.spoken.current is None):
            self._complete(self._written)

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
        if self._sending.has_item:
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
