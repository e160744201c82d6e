"""The bytes of a session's pictures in Redis: bounded by number and weight, gone with the session; decodes nothing.

A frame that looks like one before it has no bytes of its own: its key leads to that one's, so read them with `load`.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal

import redis

from workers.language_model.contract import FrameSource
from workers.streams import keys

PictureKind = Literal["stream", "cells", "mosaics", "uploads"]
"""stream: what passes by; cells: frames that a mosaic shows, kept longer; mosaics; uploads: what a client put in."""

MIB: Final = 1024 * 1024
LIMITS: Final[dict[PictureKind, tuple[int, int]]] = {
    "stream": (48, 6 * MIB),
    "cells": (24, 3 * MIB),
    "mosaics": (8, 2 * MIB),
    "uploads": (20, 6 * MIB),
}
POINTER_LIFE_SECONDS: Final = 120
FORGOTTEN_SECONDS: Final = 60
_POINTER: Final = b"same as "
_LONGEST_POINTER: Final = 200


@dataclass(frozen=True, slots=True)
class NewestPicture:
    frame_id: str
    captured_at_ms: int


def keep(
    client: "redis.Redis",
    session_id: str,
    frame_id: str,
    data: bytes,
    *,
    kind: PictureKind,
    life_seconds: int,
    source: FrameSource | None = None,
    captured_at_ms: int = 0,
) -> bool:
    """False when the session is over: then nothing was kept. With `source` it becomes the newest of that source.

    The oldest of the kind go when there are more, or heavier ones, than LIMITS says.
    """
    names = (keys.kept_frame(frame_id), *_session_keys(session_id), keys.session_pictures(session_id, kind))
    most, most_bytes = LIMITS[kind]
    arguments = (data, life_seconds, time.time(), most, most_bytes, frame_id, source or "", captured_at_ms)
    return bool(_run(client, _KEEP, names, (*arguments, *_name_parts())))


def stand_in(
    client: "redis.Redis",
    session_id: str,
    frame_id: str,
    previous_id: str,
    *,
    life_seconds: int,
    source: FrameSource,
    captured_at_ms: int,
) -> str | None:
    """Let `frame_id` lead to the picture of `previous_id`, which lives on. Its id, or None when it is gone."""
    names = (
        keys.kept_frame(frame_id),
        *_session_keys(session_id),
        keys.session_pictures(session_id, "stream"),
        keys.session_pictures(session_id, "cells"),
    )
    arguments = (previous_id, life_seconds, time.time(), POINTER_LIFE_SECONDS, _POINTER, _LONGEST_POINTER)
    found = _run(client, _STAND_IN, names, (*arguments, source, captured_at_ms, *_name_parts()))
    return found.decode() if isinstance(found, bytes) else None


def hold_as_cells(client: "redis.Redis", session_id: str, frame_ids: Iterable[str], *, life_seconds: int) -> None:
    """What passes by will not push these out."""
    stream, cells = (keys.session_pictures(session_id, kind) for kind in ("stream", "cells"))
    most, most_bytes = LIMITS["cells"]
    arguments = (time.time(), life_seconds, most, most_bytes, *_name_parts(), *frame_ids)
    _run(client, _HOLD, (stream, cells), arguments)


def load(client: "redis.Redis", wanted: Iterable[str]) -> dict[str, bytes]:
    """Bytes by key; those whose life is over are missing."""
    found = _values(client, list(wanted))
    pointers = {
        key: keys.kept_frame(value.removeprefix(_POINTER).decode())
        for key, value in found.items()
        if value.startswith(_POINTER)
    }
    originals = _values(client, list(set(pointers.values())))
    led = {key: originals[target] for key, target in pointers.items() if target in originals}
    return {key: value for key, value in found.items() if key not in pointers} | led


def newest(client: "redis.Redis", session_id: str, source: FrameSource) -> NewestPicture | None:
    value: Any = client.hget(keys.newest_pictures(session_id), source)
    if value is None:
        return None
    captured_at_ms, _, frame_id = value.decode().partition(" ")
    return NewestPicture(frame_id, int(captured_at_ms))


def forget_session(client: "redis.Redis", session_id: str) -> None:
    """All of its pictures at once; work that still runs for it keeps none for FORGOTTEN_SECONDS."""
    sets = [keys.session_pictures(session_id, kind) for kind in LIMITS]
    _run(client, _FORGET, (*_session_keys(session_id), *sets), (FORGOTTEN_SECONDS, *_name_parts()))


def _session_keys(session_id: str) -> tuple[str, str]:
    return keys.session_forgotten(session_id), keys.newest_pictures(session_id)


def _name_parts() -> tuple[str, str]:
    """What stands before and after the id in a picture's key."""
    before, _, after = keys.kept_frame("\0").partition("\0")
    return before, after


def _values(client: "redis.Redis", wanted: list[str]) -> dict[str, bytes]:
    if not wanted:
        return {}
    values: Any = client.mget(wanted)
    return {key: value for key, value in zip(wanted, values, strict=True) if value is not None}


def _run(client: "redis.Redis", script: str, names: tuple[str, ...], arguments: tuple[Any, ...]) -> Any:
    return client.eval(script, len(names), *names, *arguments)


_TRIM: Final = """
local function trim(set, most, most_bytes, before, after)
  local bytes = 0
  for place, id in ipairs(redis.call('ZREVRANGE', set, 0, -1)) do
    local key = before .. id .. after
    bytes = bytes + redis.call('STRLEN', key)
    if place > tonumber(most) or (place > 1 and bytes > tonumber(most_bytes)) then
      redis.call('UNLINK', key)
      redis.call('ZREM', set, id)
    end
  end
end
"""
_KEEP: Final = (
    _TRIM
    + """
local picture, forgotten, newest, set = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local data, life, now, most, most_bytes, id, source, captured = unpack(ARGV)
if redis.call('EXISTS', forgotten) == 1 then return 0 end
redis.call('SET', picture, data, 'EX', life)
redis.call('ZADD', set, now, id)
redis.call('EXPIRE', set, life)
if source ~= '' then
  redis.call('HSET', newest, source, captured .. ' ' .. id)
  redis.call('EXPIRE', newest, life)
end
trim(set, most, most_bytes, ARGV[9], ARGV[10])
return 1
"""
)
_STAND_IN: Final = """
local key, forgotten, newest = KEYS[1], KEYS[2], KEYS[3]
local id, life, now, pointer_life, pointer, longest, source, captured, before, after = unpack(ARGV)
if redis.call('EXISTS', forgotten) == 1 then return false end
local head = redis.call('GETRANGE', before .. id .. after, 0, longest)
if string.sub(head, 1, #pointer) == pointer then id = string.sub(head, #pointer + 1) end
if redis.call('EXPIRE', before .. id .. after, life) == 0 then return false end
redis.call('SET', key, pointer .. id, 'EX', pointer_life)
for place = 4, #KEYS do
  redis.call('ZADD', KEYS[place], 'XX', now, id)
  redis.call('EXPIRE', KEYS[place], life)
end
redis.call('HSET', newest, source, captured .. ' ' .. id)
redis.call('EXPIRE', newest, life)
return id
"""
_HOLD: Final = (
    _TRIM
    + """
local now, life, most, most_bytes, before, after = unpack(ARGV)
for place = 7, #ARGV do
  local id = ARGV[place]
  if redis.call('ZREM', KEYS[1], id) == 1 then redis.call('ZADD', KEYS[2], now, id) end
  redis.call('ZADD', KEYS[2], 'XX', now, id)
  redis.call('EXPIRE', before .. id .. after, life)
end
redis.call('EXPIRE', KEYS[2], life)
trim(KEYS[2], most, most_bytes, before, after)
"""
)
_FORGET: Final = """
local life, before, after = unpack(ARGV)
redis.call('SET', KEYS[1], '1', 'EX', life)
for place = 3, #KEYS do
  for _, id in ipairs(redis.call('ZRANGE', KEYS[place], 0, -1)) do
    redis.call('UNLINK', before .. id .. after)
  end
  redis.call('UNLINK', KEYS[place])
end
redis.call('UNLINK', KEYS[2])
"""
