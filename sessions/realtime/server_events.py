"""Every event this server sends, one builder each, without its event_id; decides nothing."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ParamSpec

from sessions.live import facts
from sessions.live.items import Item
from sessions.realtime.items_wire import item_to_wire

Event = dict[str, Any]
P = ParamSpec("P")
SERVER_EVENTS: dict[str, Callable[..., Event]] = {}
"""Builders by the type of their event; the types that start with `nova.` or `server.` go only to clients that asked."""


def event(event_type: str) -> Callable[[Callable[P, Event]], Callable[P, Event]]:
    def register(fields: Callable[P, Event]) -> Callable[P, Event]:
        def build(*args: P.args, **kwargs: P.kwargs) -> Event:
            return {"type": event_type, **fields(*args, **kwargs)}

        build.__name__ = fields.__name__
        SERVER_EVENTS[event_type] = build
        return build

    return register


@event("session.created")
def session_created(session: Event) -> Event:
    return {"session": session}


@event("session.updated")
def session_updated(session: Event) -> Event:
    return {"session": session}


@event("error")
def error(
    *,
    code: str,
    text: str,
    is_clients_fault: bool,
    event_id: str | None = None,
    field: str | None = None,
) -> Event:
    kind = "invalid_request_error" if is_clients_fault else "server_error"
    return {"error": {"type": kind, "code": code, "message": text, "param": field, "event_id": event_id}}


@event("input_audio_buffer.speech_started")
def speech_started(item_id: str, audio_start_ms: int) -> Event:
    return {"item_id": item_id, "audio_start_ms": audio_start_ms}


@event("input_audio_buffer.speech_stopped")
def speech_stopped(item_id: str, audio_end_ms: int) -> Event:
    return {"item_id": item_id, "audio_end_ms": audio_end_ms}


@event("input_audio_buffer.committed")
def input_committed(item_id: str, previous_item_id: str | None) -> Event:
    return {"item_id": item_id, "previous_item_id": previous_item_id}


@event("input_audio_buffer.cleared")
def input_cleared() -> Event:
    return {}


@event("input_audio_buffer.timeout_triggered")
def input_timed_out(item_id: str, audio_start_ms: int, audio_end_ms: int) -> Event:
    return {"item_id": item_id, "audio_start_ms": audio_start_ms, "audio_end_ms": audio_end_ms}


@event("output_audio_buffer.cleared")
def output_cleared(response_id: str) -> Event:
    return {"response_id": response_id}


@event("conversation.item.input_audio_transcription.delta")
def transcription_delta(item_id: str, delta: str) -> Event:
    return {"item_id": item_id, "content_index": 0, "delta": delta}


@event("conversation.item.input_audio_transcription.completed")
def transcription_completed(item_id: str, transcript: str, seconds: float) -> Event:
    usage = {"type": "duration", "seconds": float(seconds)}
    return {"item_id": item_id, "content_index": 0, "transcript": transcript, "usage": usage}


@event("conversation.item.added")
def item_added(item: Item, previous_item_id: str | None) -> Event:
    return {"previous_item_id": previous_item_id, "item": item_to_wire(item)}


@event("conversation.item.done")
def item_done(item: Item, previous_item_id: str | None) -> Event:
    return {"previous_item_id": previous_item_id, "item": item_to_wire(item)}


@event("conversation.item.retrieved")
def item_retrieved(item: Item) -> Event:
    return {"item": item_to_wire(item)}


@event("conversation.item.deleted")
def item_deleted(item_id: str) -> Event:
    return {"item_id": item_id}


@event("conversation.item.truncated")
def item_truncated(item_id: str, content_index: int, audio_end_ms: int) -> Event:
    return {"item_id": item_id, "content_index": content_index, "audio_end_ms": audio_end_ms}


@event("response.created")
def response_created(response: Event) -> Event:
    return {"response": response}


@event("response.done")
def response_done(response: Event) -> Event:
    return {"response": response}


@event("response.output_item.added")
def output_item_added(response_id: str, output_index: int, item: Item) -> Event:
    return {"response_id": response_id, "output_index": output_index, "item": item_to_wire(item)}


@event("response.output_item.done")
def output_item_done(response_id: str, output_index: int, item: Item) -> Event:
    return {"response_id": response_id, "output_index": output_index, "item": item_to_wire(item)}


def _place(response_id: str, item_id: str, output_index: int) -> Event:
    """A reply's message has one content, so its index is always 0."""
    return {"response_id": response_id, "item_id": item_id, "output_index": output_index, "content_index": 0}


def _part(is_audio: bool, text: str) -> Event:
    return {"type": "audio", "transcript": text} if is_audio else {"type": "text", "text": text}


@event("response.content_part.added")
def content_part_added(response_id: str, item_id: str, output_index: int, is_audio: bool) -> Event:
    return {**_place(response_id, item_id, output_index), "part": _part(is_audio, "")}


@event("response.content_part.done")
def content_part_done(response_id: str, item_id: str, output_index: int, is_audio: bool, text: str) -> Event:
    return {**_place(response_id, item_id, output_index), "part": _part(is_audio, text)}


@event("response.output_audio.delta")
def output_audio_delta(response_id: str, item_id: str, output_index: int) -> Event:
    """Its `delta` is put in by the transport: base64 in a text message, raw in a binary one."""
    return _place(response_id, item_id, output_index)


@event("response.output_audio.done")
def output_audio_done(response_id: str, item_id: str, output_index: int) -> Event:
    return _place(response_id, item_id, output_index)


@event("response.output_audio_transcript.delta")
def output_transcript_delta(response_id: str, item_id: str, output_index: int, delta: str) -> Event:
    return {**_place(response_id, item_id, output_index), "delta": delta}


@event("response.output_audio_transcript.done")
def output_transcript_done(response_id: str, item_id: str, output_index: int, transcript: str) -> Event:
    return {**_place(response_id, item_id, output_index), "transcript": transcript}


@event("response.output_text.delta")
def output_text_delta(response_id: str, item_id: str, output_index: int, delta: str) -> Event:
    return {**_place(response_id, item_id, output_index), "delta": delta}


@event("response.output_text.done")
def output_text_done(response_id: str, item_id: str, output_index: int, text: str) -> Event:
    return {**_place(response_id, item_id, output_index), "text": text}


def _call_place(response_id: str, item_id: str, output_index: int, call_id: str) -> Event:
    return {"response_id": response_id, "item_id": item_id, "output_index": output_index, "call_id": call_id}


@event("response.function_call_arguments.delta")
def call_arguments_delta(response_id: str, item_id: str, output_index: int, call_id: str, delta: str) -> Event:
    return {**_call_place(response_id, item_id, output_index, call_id), "delta": delta}


@event("response.function_call_arguments.done")
def call_arguments_done(
    response_id: str, item_id: str, output_index: int, call_id: str, name: str, arguments: str
) -> Event:
    return {**_call_place(response_id, item_id, output_index, call_id), "name": name, "arguments": arguments}


@event("nova.session")
def nova_session(session_id: str, channel_name: str, graph_name: str, is_started: bool, frames_wanted: Event) -> Event:
    place = {"session_id": session_id, "channel_name": channel_name, "graph_name": graph_name}
    return {**place, "is_started": is_started, **frames_wanted}


@event("nova.state")
def nova_state(fact: facts.StateChanged) -> Event:
    return {"listening": fact.is_listening, "thinking": fact.is_thinking, "speaking": fact.is_speaking}


@event("nova.transcript")
def nova_transcript(item_id: str, text: str, is_final: bool) -> Event:
    return {"item_id": item_id, "text": text, "is_final": is_final}


@event("nova.flush")
def nova_flush(fact: facts.PlaybackFlushed) -> Event:
    place = {"response_id": fact.reply_id, "item_id": fact.item_id}
    return {**place, "heard_ms": fact.heard_ms, "reason": fact.reason}


@event("nova.hold")
def nova_hold(fact: facts.PlaybackHeld) -> Event:
    return {"response_id": fact.reply_id, "item_id": fact.item_id, "held": fact.is_held}


@event("nova.metrics")
def nova_metrics(fact: facts.TurnMeasured) -> Event:
    delays_ms = {name: delay for name, delay in fact.delays_ms.items() if math.isfinite(delay)}
    told: Event = {"response_id": fact.reply_id, "delays_ms": delays_ms}
    if fact.usage is not None:
        told["usage"] = dataclasses.asdict(fact.usage)
    return told


@event("nova.vision")
def nova_vision(fact: facts.VisionChanged) -> Event:
    return {
        "interval_ms": fact.interval_ms,
        "intervals_ms": dict(fact.intervals_ms),
        "budget": fact.budget,
        "response_id": fact.reply_id,
        "frames": [_frame(frame) for frame in fact.frames],
        "tokens": fact.tokens,
        "cost_usd": fact.cost_usd,
        "is_estimate": fact.is_estimate,
    }


def _frame(frame: facts.FrameTold) -> Event:
    place = {"captured_at_ms": frame.captured_at_ms, "source": frame.source}
    return {**place, "place": frame.place, "reason": frame.reason}


@event("nova.alert")
def nova_alert(fact: facts.AlertRaised) -> Event:
    seen = {"source": fact.source, "captured_at_ms": fact.captured_at_ms}
    return {"alert_id": fact.alert_id, "text": fact.text, "question": fact.question, **seen}


@event("nova.notice")
def nova_notice(fact: facts.Noticed) -> Event:
    return {"code": fact.code, "text": fact.text}


@event("nova.resumed")
def nova_resumed(fact: facts.TalkResumed) -> Event:
    items = [item_to_wire(item) for item in fact.items]
    return {"recovered": fact.is_whole, "reason": fact.reason, "items": items, "items_left_out": fact.left_out}


@event("server.draining")
def server_draining(fact: facts.ServerDraining) -> Event:
    return {"deadline_ms": fact.deadline_ms}
