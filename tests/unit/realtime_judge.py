"""The official openai package as judge of what this server sends: strict types, and no field unknown."""

import json
from typing import Annotated, Any, get_args, get_origin

from openai.types.realtime import (
    RealtimeServerEvent,
    RealtimeSessionCreateResponse,
    SessionCreatedEvent,
    SessionUpdatedEvent,
)
from pydantic import BaseModel


def _models_by_type() -> dict[str, type[BaseModel]]:
    union = get_args(RealtimeServerEvent)[0] if get_origin(RealtimeServerEvent) is Annotated else RealtimeServerEvent
    return {get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(union)}


MODELS = _models_by_type()


def judge(event: dict[str, Any]) -> BaseModel:
    """Raises when the official model refuses the event, or does not know one of its fields."""
    parsed = MODELS[event["type"]].model_validate_json(json.dumps(event), strict=True)
    if isinstance(parsed, SessionCreatedEvent | SessionUpdatedEvent):
        # The events' own model leaves out `id` and `object`, which the session resource has.
        session = RealtimeSessionCreateResponse.model_validate_json(json.dumps(event["session"]), strict=True)
        assert unknown_fields(session) == []
        return parsed
    assert unknown_fields(parsed) == []
    return parsed


def unknown_fields(value: Any, place: str = "") -> list[str]:
    if isinstance(value, list):
        return [name for part in value for name in unknown_fields(part, f"{place}[]")]
    if not isinstance(value, BaseModel):
        return []
    found = [f"{place}.{name}" for name in value.model_extra or {}]
    for name in type(value).model_fields:
        found += unknown_fields(getattr(value, name), f"{place}.{name}")
    return found
