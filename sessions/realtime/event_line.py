"""The events of one session over all its sockets: numbered, kept for a while, told to whichever socket is there."""

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from sessions.live.facts import Fact, ReplyAudioAdded
from sessions.live.transport import Conversation
from sessions.realtime import binary
from sessions.realtime import server_events as wire
from sessions.realtime.backlog import Backlog, Sound, ToldEvent
from sessions.realtime.outbound import Outbound, OutboundState
from sessions.realtime.outbox import Message
from sessions.realtime.replies import TellingState

Send = Callable[[ToldEvent], None]
BYTES_PER_SAMPLE = 2
SOUND_EVENT = "response.output_audio.delta"
_SOUND_FIELD = binary.PAYLOAD_FIELDS[SOUND_EVENT]


@dataclass(frozen=True, slots=True)
class LineState:
    """What another process needs in order to go on telling: small, without the events themselves."""

    outbound: OutboundState
    telling: TellingState


LINE_STATE: TypeAdapter[LineState] = TypeAdapter(LineState)


class EventLine:
    """Made with the session's first socket. While no socket is there, events are numbered and kept all the same."""

    def __init__(self, conversation: Conversation, *, speaks_nova: bool) -> None:
        self.outbound = Outbound(conversation, self.emit, speaks_nova=speaks_nova)
        self.backlog = Backlog(last_seq=conversation.clock.seq)
        self._conversation = conversation
        self._clock = conversation.clock
        self._send: Send | None = None
        self._sound: ReplyAudioAdded | None = None

    @property
    def epoch(self) -> str:
        return self._clock.epoch

    def attach(self, send: Send) -> None:
        self._send = send

    def detach(self) -> None:
        self._send = None

    def tell(self, fact: Fact) -> None:
        self._sound = fact if isinstance(fact, ReplyAudioAdded) else None
        self.outbound.tell(fact)
        self._sound = None

    def emit(self, event: wire.Event, payload: bytes | None = None) -> None:
        """Only who can come back has its events kept: the others' would be memory for nobody."""
        epoch, seq = self._clock.next()
        text = encode({**event, "event_id": f"evt_{epoch}_{seq}"})
        told = ToldEvent(seq, text, self._sound_of(payload))
        if self.outbound.speaks_nova:
            self.backlog.add(told)
        else:
            self.backlog.last_seq = seq
        if self._send is not None:
            self._send(told)

    def _sound_of(self, payload: bytes | None) -> Sound | None:
        fact = self._sound
        if payload is None or fact is None:
            return None
        lasts_ms = len(fact.pcm) / BYTES_PER_SAMPLE / self._conversation.config.output_rate_hz * 1_000
        return Sound(fact.item_id, fact.audio_start_ms, fact.audio_start_ms + lasts_ms, payload)

    # --- for another process ------------------------------------------------------------------------------------------

    def state(self) -> bytes:
        return LINE_STATE.dump_json(LineState(self.outbound.state(), self.outbound.replies.state()))

    def take_up(self, kept: LineState, events: Iterable[ToldEvent]) -> None:
        """Go on where another process stopped, with the conversation's clock standing at its last number."""
        self.outbound.take_up(kept.outbound)
        self.outbound.replies.take_up(kept.telling)
        self.backlog = Backlog(tuple(events), last_seq=self._clock.seq)


def encode(event: wire.Event) -> str:
    """ASCII only, so that no lone surrogate of a client's text can break the frame."""
    return json.dumps(event, separators=(",", ":"))


def message_of(told: ToldEvent, *, is_binary: bool) -> Message:
    """As the subprotocol wants it. Sound whose bytes are gone is an event of no sound."""
    if told.sound is None:
        return {"type": "websocket.send", "text": told.text}
    payload = told.sound.pcm or b""
    if is_binary:
        header = told.text.encode()
        length = len(header).to_bytes(binary.HEADER_LENGTH_BYTES, "big")
        return {"type": "websocket.send", "bytes": length + header + payload}
    text = base64.b64encode(payload).decode()
    return {"type": "websocket.send", "text": f'{told.text[:-1]},"{_SOUND_FIELD}":"{text}"}}'}


# --- how events are written down -----------------------------------------------------------------------------------------


def to_runs(events: Iterable[ToldEvent]) -> list[bytes]:
    """Sound of one item that came in a row is one run: the first event, and where each ended. No bytes of it."""
    runs: list[dict[str, Any]] = []
    for told in events:
        sound, last = told.sound, runs[-1] if runs else None
        if sound is None:
            runs.append({"seq": told.seq, "text": told.text})
        elif last is not None and last.get("item") == sound.item_id:
            last["ends"].append(round(sound.end_ms))
        else:
            ends = [round(sound.end_ms)]
            start = round(sound.start_ms)
            runs.append({"seq": told.seq, "text": told.text, "item": sound.item_id, "start": start, "ends": ends})
    return [json.dumps(run, separators=(",", ":")).encode() for run in runs]


def from_runs(runs: Iterable[bytes]) -> list[ToldEvent]:
    """The events of `to_runs`, numbers and all. Raises ValueError or KeyError for what it did not write."""
    events: list[ToldEvent] = []
    for run in map(json.loads, runs):
        if "ends" not in run:
            events.append(ToldEvent(run["seq"], run["text"]))
            continue
        event, start_ms = json.loads(run["text"]), float(run["start"])
        epoch = event["event_id"].split("_")[1]
        for number, end_ms in enumerate(run["ends"]):
            seq = run["seq"] + number
            text = encode({**event, "event_id": f"evt_{epoch}_{seq}"})
            events.append(ToldEvent(seq, text, Sound(run["item"], start_ms, float(end_ms))))
            start_ms = float(end_ms)
    return events
