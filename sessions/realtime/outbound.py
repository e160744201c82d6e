"""Facts of a live session to events of the protocol, in the order they happen; sends nothing itself."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sessions.live import facts, g711
from sessions.live.config import SessionConfig
from sessions.live.items import Item
from sessions.live.transport import Conversation
from sessions.realtime import server_events as wire
from sessions.realtime.replies import Emit, ReplyTelling
from sessions.realtime.session_wire import frame_sides_px, session_to_wire

_COMMITTED_ITEMS_KEPT = 64


@dataclass(frozen=True, slots=True)
class OutboundState:
    speaks_nova: bool
    hears_clears: bool
    committed: tuple[str, ...]


_ENCODERS = {"audio/pcmu": g711.encode_mu_law, "audio/pcma": g711.encode_a_law}


class Outbound:
    """`speaks_nova`: the client asked for more than the standard; `hears_clears`: it clears its playback."""

    def __init__(self, conversation: Conversation, emit: Emit, *, speaks_nova: bool) -> None:
        self.speaks_nova = speaks_nova
        self.hears_clears = False
        self._conversation = conversation
        self._emit = emit
        self._committed: dict[str, None] = {}
        conversation_id = f"conv_{conversation.session_id.removeprefix('sess_')}"
        self.replies = ReplyTelling(conversation_id, lambda: conversation.config, emit)
        self._tellers = self._all_tellers()

    def _all_tellers(self) -> dict[type[facts.Fact], Callable[[Any], None]]:
        replies = self.replies
        return {
            facts.ConfigChanged: self._config_changed,
            facts.UserSpeechStarted: lambda f: self._emit(wire.speech_started(f.item_id, f.audio_start_ms)),
            facts.UserSpeechStopped: lambda f: self._emit(wire.speech_stopped(f.item_id, f.audio_end_ms)),
            facts.UserWordsChanged: self._words_changed,
            facts.InputCommitted: self._input_committed,
            facts.InputCleared: lambda _: self._emit(wire.input_cleared()),
            facts.UserTurnTranscribed: self._turn_transcribed,
            facts.ItemAdded: lambda f: self._emit(wire.item_added(f.item, f.previous_item_id)),
            facts.ItemFinished: lambda f: self._emit(wire.item_done(f.item, f.previous_item_id)),
            facts.ItemDeleted: lambda f: self._emit(wire.item_deleted(f.item_id)),
            facts.ItemTruncated: self._item_truncated,
            facts.ReplyStarted: replies.started,
            facts.ReplyItemStarted: replies.item_started,
            facts.ReplyTextAdded: replies.text_added,
            facts.ReplyAudioAdded: self._audio_added,
            facts.ReplyItemFinished: replies.item_finished,
            facts.ReplyEnded: replies.ended,
            facts.PlaybackFlushed: self._flushed,
            facts.PlaybackHeld: lambda f: self._emit_nova(wire.nova_hold(f)),
            facts.StateChanged: lambda f: self._emit_nova(wire.nova_state(f)),
            facts.TurnMeasured: lambda f: self._emit_nova(wire.nova_metrics(f)),
            facts.VisionChanged: lambda f: self._emit_nova(wire.nova_vision(f)),
            facts.AlertRaised: lambda f: self._emit_nova(wire.nova_alert(f)),
            facts.InputTimedOut: self._input_timed_out,
            facts.Noticed: lambda f: self._emit_nova(wire.nova_notice(f)),
            facts.FaultHappened: self._fault_happened,
            facts.TalkResumed: lambda f: self._emit_nova(wire.nova_resumed(f)),
            facts.ServerDraining: lambda f: self._emit_nova(wire.server_draining(f)),
        }

    def tell(self, fact: facts.Fact) -> None:
        self._tellers[type(fact)](fact)

    def state(self) -> OutboundState:
        return OutboundState(self.speaks_nova, self.hears_clears, tuple(self._committed))

    def take_up(self, state: OutboundState) -> None:
        """Go on where another one stopped."""
        self.speaks_nova, self.hears_clears = state.speaks_nova, state.hears_clears
        self._committed = dict.fromkeys(state.committed)

    def greet(self) -> None:
        """session.created, which always comes first; once for each socket."""
        self._emit(wire.session_created(self._session(self._conversation.config)))
        self._tell_nova_session()

    def retrieved(self, item: Item) -> None:
        self._emit(wire.item_retrieved(item))

    def _session(self, config: SessionConfig) -> wire.Event:
        session = session_to_wire(self._conversation.session_id, config)
        return {**session, "nova": self._frames_wanted(config)} if self.speaks_nova else session

    def _frames_wanted(self, config: SessionConfig) -> wire.Event:
        return {"frame_interval_ms": self._conversation.frame_interval_ms, "frame_side_px": frame_sides_px(config)}

    def _tell_nova_session(self) -> None:
        conversation, config = self._conversation, self._conversation.config
        place = (conversation.session_id, conversation.channel_name, config.graph_name)
        wanted = self._frames_wanted(config)
        self._emit_nova(wire.nova_session(*place, conversation.is_started, wanted))
        self._emit_nova(wire.nova_vision(facts.VisionChanged(conversation.frame_interval_ms)))

    def _emit_nova(self, event: wire.Event) -> None:
        if self.speaks_nova:
            self._emit(event)

    def _config_changed(self, fact: facts.ConfigChanged) -> None:
        self._emit(wire.session_updated(self._session(fact.config)))
        self._tell_nova_session()

    def _words_changed(self, fact: facts.UserWordsChanged) -> None:
        if fact.delta:
            self._emit(wire.transcription_delta(fact.item_id, fact.delta))
        self._emit_nova(wire.nova_transcript(fact.item_id, fact.text, False))

    def _input_committed(self, fact: facts.InputCommitted) -> None:
        self._committed[fact.item_id] = None
        while len(self._committed) > _COMMITTED_ITEMS_KEPT:
            del self._committed[next(iter(self._committed))]
        self._emit(wire.input_committed(fact.item_id, fact.previous_item_id))

    def _turn_transcribed(self, fact: facts.UserTurnTranscribed) -> None:
        """A phantom turn that never became an item is told only to those who saw its partial words."""
        was_committed = fact.item_id in self._committed
        self._committed.pop(fact.item_id, None)
        if fact.text or was_committed:
            self._emit(wire.transcription_completed(fact.item_id, fact.text, fact.seconds))
        self._emit_nova(wire.nova_transcript(fact.item_id, fact.text, True))

    def _item_truncated(self, fact: facts.ItemTruncated) -> None:
        self._emit(wire.item_truncated(fact.item_id, fact.content_index, fact.audio_end_ms))

    def _audio_added(self, fact: facts.ReplyAudioAdded) -> None:
        if fact.pcm:
            encode = _ENCODERS.get(self._conversation.config.output_format)
            self.replies.audio_added(fact, encode(fact.pcm) if encode is not None else fact.pcm)

    def _flushed(self, fact: facts.PlaybackFlushed) -> None:
        self._emit_nova(wire.nova_flush(fact))
        if self.hears_clears:
            self._emit(wire.output_cleared(fact.reply_id))

    def _input_timed_out(self, fact: facts.InputTimedOut) -> None:
        self._emit(wire.input_timed_out(fact.item_id, fact.audio_start_ms, fact.audio_end_ms))

    def _fault_happened(self, fact: facts.FaultHappened) -> None:
        event = wire.error(
            code=fact.code,
            text=fact.text,
            is_clients_fault=fact.is_clients_fault,
            event_id=fact.event_id,
            field=fact.field,
        )
        self.emit_error(event, fact.retriable)

    def emit_error(self, event: wire.Event, is_retriable: bool) -> None:
        """The standard's error has no word for `retriable`, so only those who asked are told."""
        if self.speaks_nova:
            event["error"]["retriable"] = is_retriable
        self._emit(event)
