"""The OpenAI way to a socket: one secret, bound to a new channel that starts when its socket is opened."""

from typing import Any

from pydantic import ValidationError

from sessions.configured import web_settings
from sessions.graphs.library import DEFAULT_GRAPH, load_graph
from sessions.http.actions import random_channel_name
from sessions.http.callers import Caller, count_call
from sessions.http.envelope import PARAMS_INVALID
from sessions.http.schemas import ClientSecret, ClientSecretBody
from sessions.rtc_tokens.session_wishes import keep_wishes
from sessions.rtc_tokens.socket_ticket import TICKET_LIFE_SECONDS, issue_ticket
from sessions.session_fields import SessionFields, dotted_name
from workers.errors import BadInputError

KNOWN_TYPE = "realtime"
KNOWN_NAMES = frozenset(SessionFields.model_fields) | {"include", "prompt", "reasoning", "tracing", "truncation"}
"""Beside what we read, what OpenAI's clients may send and a session.update passes over."""
TEXT_LIMIT = 400


def make_client_secret(caller: Caller, body: ClientSecretBody) -> ClientSecret:
    """The session's wishes are kept for the socket, where they are applied like a session.update."""
    count_call(caller, "generate")
    check_session(body.session)
    life_seconds = min(body.expires_after.seconds, TICKET_LIFE_SECONDS)
    wishes_id = keep_wishes(body.session, life_seconds) if body.session else ""
    channel_name = random_channel_name()
    secret, expires_at = issue_ticket(
        channel_name, caller.owner, life_seconds=life_seconds, starts_itself=True, wishes_id=wishes_id
    )
    return ClientSecret(value=secret, expires_at=expires_at, session=_session(channel_name, body.session))


def check_session(wishes: dict[str, Any]) -> None:
    """What a session.update would refuse is refused here, where its sender still sees it. Raises BadInputError."""
    unknown = next((name for name in wishes if name not in KNOWN_NAMES), None)
    if unknown is not None:
        raise _refusal(f"session.{unknown}", "unknown field")
    try:
        SessionFields.model_validate(wishes)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise _refusal(dotted_name(("session", *first["loc"])), first["msg"]) from None


def _refusal(field: str, text: str) -> BadInputError:
    return BadInputError(f"{field}: {text}"[:TEXT_LIMIT], field=field, code=PARAMS_INVALID)


def _session(channel_name: str, wishes: dict[str, Any]) -> dict[str, Any]:
    config = load_graph(DEFAULT_GRAPH).session_config({}, web_settings())
    defaults = {
        "model": config.model.model,
        "output_modalities": [config.output_modality],
        "instructions": config.instructions,
        "audio": {
            "input": {"format": {"type": "audio/pcm", "rate": config.input_rate_hz}},
            "output": {
                "format": {"type": "audio/pcm", "rate": config.output_rate_hz},
                "voice": config.voice.voice,
            },
        },
    }
    merged = _merged(defaults, wishes)
    return {**merged, "id": channel_name, "object": "realtime.session", "type": KNOWN_TYPE}


def _merged(defaults: dict[str, Any], wishes: dict[str, Any]) -> dict[str, Any]:
    merged = {**defaults, **wishes}
    for name in defaults.keys() & wishes.keys():
        if isinstance(defaults[name], dict) and isinstance(wishes[name], dict):
            merged[name] = _merged(defaults[name], wishes[name])
    return merged
