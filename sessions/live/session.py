"""One conversation in progress: joins listening, watching, turns, replying and history; knows its client as a Transport."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from sessions.live import facts, voice_activity
from sessions.live.answering import Answering
from sessions.live.budget import Step, saving
from sessions.live.changes import apply_changes
from sessions.live.chronicle import Chronicle, described
from sessions.live.config import SessionConfig
from sessions.live.continuing import Continuing
from sessions.live.decision_writer import DecisionWriter
from sessions.live.ears import Ears
from sessions.live.history import History
from sessions.live.ids import new_id
from sessions.live.items import Item, MessageItem
from sessions.live.mirror import Mirror
from sessions.live.planning import SessionIdentity, audio_shape
from sessions.live.replying import Replying
from sessions.live.session_parts import SessionParts
from sessions.live.telling import Telling
from sessions.live.transport import ConfigChanges, EventClock, ReplyOptions, Transport
from sessions.live.turn_taking import events as turn_events
from sessions.live.turns import Lines, Turn, Turns
from sessions.live.watching.eyes import Eyes
from sessions.speech_to_text.contract import Transcript
from workers.errors import BadInputError, NovaError, ProviderError
from workers.language_model.contract import FrameSource
from workers.log_context import begin_session
from workers.streams.messages import Address, OutputEntry, TranscriptEntry

logger = structlog.get_logger(__name__)

MAX_EARLY_CHANGES = 20
LISTEN_AWAY_SECONDS = 2.5
"""Then a turn that was open has ended; what listens costs money."""


class LiveSession:
    """Made by the doorkeeper for an accepted socket; `start` wakes it, `close` ends all it started. Event loop only."""

    def __init__(
        self,
        identity: SessionIdentity,
        config: SessionConfig,
        parts: SessionParts,
        transport: Transport,
        on_detached: Callable[["LiveSession"], None],
    ) -> None:
        self.identity = identity
        self.log_ids = begin_session()
        self._config = self._wished = config
        self._saving: Step = "free"
        self._chronicle = Chronicle(identity.generation, parts.accounts, parts.keep_record, self)
        desk, ear = self._chronicle.meter.desk(parts.desk), self._chronicle.meter.hearing.metered(parts.ear)
        self._parts = parts = replace(parts, desk=desk, ear=ear, keep_record=self._chronicle.keep)
        self.mirror = Mirror()
        self._telling = Telling(transport, self.mirror, lambda is_sound: parts.on_told(self, is_sound))
        self._on_detached = on_detached
        self._clock = EventClock(identity.epoch)
        self._loop_started_at = asyncio.get_running_loop().time()
        self._is_started = False
        self.history = History()
        self._ears = Ears(parts.ear, self)
        self._decisions = DecisionWriter(parts.keep_record)
        self._turns = Turns(config.turns, self, self)
        self._replying = Replying(parts.desk, self.history, self, parts.keep_record)
        self._eyes = Eyes(parts.desk, self.history, self)
        self._answering = Answering(parts.desk, self._replying, self.history, self._eyes, self)
        self._state = facts.StateChanged(False, False, False)
        self._early_changes: list[ConfigChanges] = []
        self.continuing = Continuing(self, self._telling, self._turns, self._answering, self._replying, self._chronicle)

    # --- Conversation: who and how ------------------------------------------------------------------------------------

    @property
    def session_id(self) -> str:
        return self.identity.session_id

    @property
    def channel_name(self) -> str:
        return self.identity.channel_name

    @property
    def config(self) -> SessionConfig:
        return self._config

    @property
    def wished_config(self) -> SessionConfig:
        return self._wished

    @property
    def clock(self) -> EventClock:
        return self._clock

    @property
    def is_started(self) -> bool:
        return self._is_started

    @property
    def state(self) -> facts.StateChanged:
        return self._state

    def start(self, session_id: str, config: SessionConfig, owner: str = "") -> None:
        """Wake the agent with its graph's configuration; what the client had changed before is applied again."""
        if self._is_started:
            return
        for changes in self._early_changes:
            config = apply_changes(config, changes)
        self.wake(session_id, config, owner)
        self.deliver(facts.ConfigChanged(config))
        self.open_eyes()
        self.agent_changed()
        if config.greeting:
            self.say(config.greeting)

    def wake(self, session_id: str, config: SessionConfig, owner: str) -> None:
        """Without a word to the client."""
        self.identity = replace(self.identity, session_id=session_id)
        self.log_ids.session_id = session_id
        self._live_by(config)
        self._is_started = True
        self._chronicle.begin(session_id, owner, config.graph_name, described(config))

    def open_eyes(self) -> None:
        self._eyes.start()

    def begin_epoch(self, epoch: str) -> None:
        """The client is told everything anew: events are numbered from 1."""
        self.identity = replace(self.identity, epoch=epoch)
        self._clock = EventClock(epoch)

    def say(self, text: str) -> None:
        """Speak a fixed text as soon as no reply is in progress."""
        self._answering.say(text)

    async def close(self, code: int | None = None, reason: str = "", *, goes_on_elsewhere: bool = False) -> None:
        """Everything of the session stops: streams, timers, and unless it goes on elsewhere, the workers' tasks.
        With a code the client's connection is closed too."""
        self._is_started = False
        transport = self.continuing.let_go() if goes_on_elsewhere else None
        self._turns.close()
        self._answering.close()
        self._eyes.close()
        transport = transport or self._telling.end()
        await self._replying.close()
        await self._decisions.close()
        await self._ears.close()
        await self._chronicle.close()
        if transport is not None and code is not None:
            transport.end(code, reason)

    def detach(self, transport: Transport) -> None:
        if transport is self._telling.transport:
            self._on_detached(self)

    def update(self, changes: ConfigChanges, event_id: str | None) -> None:
        before = self._config
        self._live_by(apply_changes(self._wished, changes))
        if not self._is_started:
            self._early_changes = [*self._early_changes[-MAX_EARLY_CHANGES:], changes]
        if audio_shape(before) != audio_shape(self._config):
            self._ears.stop()
        self.deliver(facts.ConfigChanged(self._config, event_id))

    # --- Conversation: audio and pictures in --------------------------------------------------------------------------

    def hear(self, pcm: bytes) -> None:
        self._require_start()
        self._ears.hear(pcm, self._config, self.session_id)

    def commit_input(self, event_id: str | None) -> None:
        self._require_start()
        self._ears.commit()
        self._eyes.voice_paused()
        self._turns.handle(turn_events.ClientCommitted())

    def clear_input(self) -> None:
        self._require_start()
        self._ears.clear()
        self._turns.handle(turn_events.ClientCleared())
        self.deliver(facts.InputCleared())

    def see(self, image: bytes, source: FrameSource, captured_at_ms: int, event_id: str | None = None) -> None:
        self._require_start()
        self._eyes.see(image, source, captured_at_ms, event_id)

    @property
    def frame_interval_ms(self) -> int:
        return self._eyes.interval_ms

    # --- Conversation: items and replies ------------------------------------------------------------------------------

    def add_item(
        self,
        item: Item,
        previous_item_id: str | None,
        image_bytes: tuple[bytes, ...] = (),
        event_id: str | None = None,
    ) -> None:
        self._require_start()
        item = item if item.item_id else replace(item, item_id=new_id("item"))
        if isinstance(item, MessageItem) and image_bytes:
            item = self._eyes.add_pictures(item, image_bytes, event_id)
        previous = self.history.add(item, previous_item_id)
        self.deliver(facts.ItemAdded(item, previous))
        self.deliver(facts.ItemFinished(item, previous))

    def find_item(self, item_id: str) -> Item | None:
        return self.history.find(item_id)

    def delete_item(self, item_id: str) -> None:
        self.history.delete(item_id)
        self.deliver(facts.ItemDeleted(item_id))

    def truncate_item(self, item_id: str, content_index: int, audio_end_ms: int) -> None:
        item = self.history.find(item_id)
        if not isinstance(item, MessageItem) or item.role != "assistant":
            raise BadInputError(f"there is no spoken item {item_id!r}", field="item_id", code="item_not_found")
        self._replying.report_progress(item_id, audio_end_ms)
        self._replying.cut_history(item_id, audio_end_ms)
        self.deliver(facts.ItemTruncated(item_id, content_index, audio_end_ms))

    def report_progress(self, item_id: str, audio_end_ms: int) -> None:
        self._replying.report_progress(item_id, audio_end_ms)

    def create_reply(self, options: ReplyOptions, event_id: str | None) -> None:
        self._require_start()
        self._answering.ask(options)

    def cancel_reply(self, reply_id: str | None, event_id: str | None) -> None:
        active = self._replying.active_reply_id
        if reply_id is not None and active is not None and reply_id != active:
            raise BadInputError(f"the response {reply_id!r} is not in progress", code="response_cancel_not_active")
        if not self._replying.interrupt("client"):
            raise BadInputError("no response is in progress", code="response_cancel_not_active")

    # --- Listener -----------------------------------------------------------------------------------------------------

    def voice_changed(self, event: voice_activity.VoiceEvent) -> None:
        is_start = isinstance(event, voice_activity.VoiceStarted)
        for_ms = max(0, self.audio_position_ms() - event.at_ms)
        self._turns.handle(turn_events.VoiceStarted(for_ms) if is_start else turn_events.VoiceStopped(for_ms))
        if is_start:
            self._eyes.voice_began()
        else:
            self._eyes.voice_paused()

    def words_heard(self, transcript: Transcript) -> None:
        self._turns.hear_words(transcript)

    def segments_lost(self) -> None:
        self._turns.handle(turn_events.SegmentsLost())

    def listening_failed(self, error: ProviderError) -> None:
        self.tell_fault(error)

    @property
    def wants_silence(self) -> bool:
        return self._turns.is_open

    # --- TurnHost -----------------------------------------------------------------------------------------------------

    def now_ms(self) -> float:
        return (asyncio.get_running_loop().time() - self._loop_started_at) * 1_000

    def epoch_ms(self) -> int:
        return int(time.time() * 1_000)

    def new_id(self, prefix: str) -> str:
        return new_id(prefix)

    def audio_position_ms(self) -> int:
        return self._ears.position_ms

    def keep_item(self, item: MessageItem) -> str | None:
        return self.history.add(item)

    def amend_item(self, item: MessageItem) -> None:
        self.history.replace(item)

    def tell_words(self, entry: TranscriptEntry) -> None:
        if entry.state == "partial":
            self._answering.user_speaks()
        self._parts.desk.tell_words(entry)

    def interrupt_reply(self, reason: str) -> None:
        self._replying.interrupt(reason)

    def turn_ended(self, turn: Turn) -> None:
        self._answering.turn_ended(turn)

    def turn_dropped(self) -> None:
        """A client that asked for a response beside its commit gets one, though nothing was heard."""
        self._answering.begin_waiting()

    def input_timed_out(self) -> None:
        self._answering.speak_first()

    def keep_decisions(self, lines: Lines) -> None:
        self._decisions.keep(self.identity, lines)

    # --- Floor ----------------------------------------------------------------------------------------------------------

    def hold_reply(self) -> None:
        self._replying.hold()

    def resume_reply(self) -> None:
        self._replying.resume()

    def speculate(self, turn: Turn, text: str) -> None:
        self._answering.speculate(turn, text)

    def drop_speculation(self, reason: str) -> None:
        self._answering.drop_speculation(reason)

    # --- ReplyingHost -------------------------------------------------------------------------------------------------

    def deliver(self, fact: facts.Fact) -> None:
        self._telling.deliver(self._chronicle.note(fact))

    def hold_facts(self) -> None:
        self._telling.hold()

    def release_facts(self) -> None:
        self._telling.release()

    @property
    def may_answer(self) -> bool:
        return self._is_started and not self._turns.is_committing

    @property
    def is_client_away(self) -> bool:
        return self._telling.is_away

    @property
    def client_holds_playback(self) -> bool:
        return self._telling.holds_playback

    def agent_changed(self) -> None:
        replying = self._replying
        agent = (replying.is_busy, replying.is_speaking, replying.can_be_interrupted, replying.is_asking)
        self._turns.handle(turn_events.AgentChanged(*agent))
        state = facts.StateChanged(self._is_started, replying.is_thinking, replying.is_speaking)
        if state != self._state:
            self._state = state
            self.deliver(state)

    def reply_ended(self) -> None:
        self._answering.begin_waiting()

    # --- EyesHost -----------------------------------------------------------------------------------------------------

    def address_of(self, work_id: str) -> Address:
        identity = self.identity
        return Address(identity.session_id, identity.generation, work_id, self._parts.desk.output_stream)

    def tell_fault(self, error: NovaError, event_id: str | None = None) -> None:
        self.deliver(facts.fault_of(error, event_id))

    def settle(self, reply_id: str, usage: facts.TokenUsage) -> facts.TokenUsage:
        return self._eyes.settle(reply_id, usage)

    # --- what the web process calls -----------------------------------------------------------------------------------

    def take(self, entry: OutputEntry) -> None:
        """An output entry of this session; older generations are dropped."""
        if entry.generation != self.identity.generation or not self._is_started:
            return
        self._chronicle.take(entry)
        if not self._eyes.take(entry):
            self._replying.take(entry)

    def check(self) -> None:
        """Called four times a second."""
        if self._is_started:
            self._replying.check()
            self._eyes.check()
            self._chronicle.check()
        if self._telling.away_seconds > LISTEN_AWAY_SECONDS:
            self._ears.stop()

    def save(self, step: Step) -> None:
        self._saving = step
        self._live_by(self._wished)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _live_by(self, wished: SessionConfig) -> None:
        self._wished, self._config = wished, saving(wished, self._saving)
        self._turns.change_settings(self._config.turns)

    def _require_start(self) -> None:
        if not self._is_started:
            raise BadInputError("the channel was not started yet: call /v1/api/start", code="session_not_started")
