"""Talks on the shelf in Redis, from which another web process takes them up: written by one owner, fenced by generation."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from redis import asyncio as aioredis
from redis.exceptions import NoScriptError

from sessions.live.portable import CONFIG, ITEM, PLAN, UNDER_WAY, Talk
from sessions.realtime.backlog import ToldEvent
from sessions.realtime.event_line import LINE_STATE, LineState, from_runs
from workers.streams import keys

_SAVE = """
local known = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
local mine, life = tonumber(ARGV[1]), ARGV[2]
if known > mine then return 0 end
if known < mine or ARGV[4] == '1' then redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) end
redis.call('HSET', KEYS[1], 'generation', ARGV[1])
local at = 5
local function several(write)
  local count = tonumber(ARGV[at])
  at = at + 1
  for _ = 1, count do at = write(at) end
end
several(function(i) redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]); return i + 2 end)
several(function(i) redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1]); return i + 2 end)
several(function(i) redis.call('HDEL', KEYS[2], ARGV[i]); return i + 1 end)
several(function(i) redis.call('RPUSH', KEYS[3], ARGV[i]); return i + 1 end)
redis.call('LTRIM', KEYS[3], -tonumber(ARGV[3]), -1)
for _, key in ipairs(KEYS) do redis.call('EXPIRE', key, life) end
return 1
"""

_CLAIM = """
local known = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if known == 0 or known > tonumber(ARGV[1]) then return nil end
redis.call('HSET', KEYS[1], 'generation', ARGV[1])
return {redis.call('HGETALL', KEYS[1]), redis.call('HGETALL', KEYS[2]), redis.call('LRANGE', KEYS[3], 0, -1)}
"""

_REMOVE = """
local known = tonumber(redis.call('HGET', KEYS[1], 'generation') or '0')
if known <= tonumber(ARGV[1]) then return redis.call('DEL', unpack(KEYS)) end
return 0
"""

NOBODY = b""


@dataclass(frozen=True, slots=True)
class TalkChanges:
    """One write: only what has changed, unless it `is_whole`. `fields` are those of the talk's own hash."""

    session_id: str
    generation: int
    fields: Mapping[str, bytes | str | int]
    items: Mapping[str, bytes] = field(default_factory=dict)
    gone_items: Iterable[str] = ()
    runs: Iterable[bytes] = ()
    kept_runs: int = 1
    is_whole: bool = False

    def arguments(self) -> list[bytes | str | int]:
        head = (self.generation, keys.KEPT_TALK_LIFE_SECONDS, self.kept_runs, int(self.is_whole))
        arguments: list[bytes | str | int] = [*head]
        for pairs in (self.fields, self.items):
            arguments.append(len(pairs))
            for name, value in pairs.items():
                arguments += (name, value)
        for values in (list(self.gone_items), list(self.runs)):
            arguments += (len(values), *values)
        return arguments


@dataclass(frozen=True, slots=True)
class KeptTalk:
    """`seq` is the last event that was numbered when this was written; `is_final`: and none was after it."""

    talk: Talk
    epoch: str
    seq: int
    is_final: bool
    line: LineState
    events: tuple[ToldEvent, ...]
    output_stream: str
    output_position: str

    @property
    def first_seq(self) -> int:
        return self.events[0].seq if self.events else self.seq + 1


class TalkShelf:
    """Every method raises RedisError when Redis is away."""

    def __init__(self, client: "aioredis.Redis") -> None:
        self._client = client
        self._save_sha: str | None = None

    async def save(self, several: list[TalkChanges]) -> list[bool]:
        """One round trip. False for each whose session has a newer owner."""
        try:
            return await self._save(several)
        except NoScriptError:
            # A Redis that was started anew has forgotten it.
            self._save_sha = None
            return await self._save(several)

    async def _save(self, several: list[TalkChanges]) -> list[bool]:
        if self._save_sha is None:
            self._save_sha = str(await self._client.script_load(_SAVE))
        pipeline = self._client.pipeline(transaction=False)
        for changes in several:
            pipeline.evalsha(self._save_sha, 3, *keys.talk(changes.session_id), *map(_text, changes.arguments()))
        return [bool(done) for done in await pipeline.execute()]

    async def renew(self, session_ids: Iterable[str]) -> None:
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            for key in keys.talk(session_id):
                pipeline.expire(key, keys.KEPT_TALK_LIFE_SECONDS)
        await pipeline.execute()

    async def owner(self, session_id: str) -> bytes | None:
        """The web process that writes it; NOBODY when it was let go; None when nothing is kept."""
        owner: Any = await self._client.hget(keys.talk(session_id)[0], "owner")
        return owner if owner is None else bytes(owner)

    async def claim(self, session_id: str, generation: int) -> KeptTalk | None:
        """From now on no older owner can write. None when nothing readable is kept, or a newer owner has it."""
        claimed: Any = await self._client.eval(_CLAIM, 3, *keys.talk(session_id), str(generation))
        if claimed is None:
            return None
        try:
            return _kept(_pairs(claimed[0]), _pairs(claimed[1]), claimed[2])
        except (ValidationError, ValueError, KeyError):
            # Another version may have written it: a rollout goes both ways.
            return None

    async def remove(self, session_id: str, generation: int) -> None:
        await self._client.eval(_REMOVE, 3, *keys.talk(session_id), str(generation))


def _text(value: bytes | str | int) -> bytes | str:
    return str(value) if isinstance(value, int) else value


def _pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _kept(fields: dict[bytes, bytes], items: dict[bytes, bytes], runs: list[bytes]) -> KeptTalk:
    order = fields[b"order"].split()
    under_way = UNDER_WAY.validate_json(fields[b"under_way"])
    plan = fields.get(b"plan") if under_way.reply is not None else None
    return KeptTalk(
        talk=Talk(
            CONFIG.validate_json(fields[b"config"]),
            tuple(ITEM.validate_json(items[item_id]) for item_id in order if item_id in items),
            under_way,
            PLAN.validate_json(plan) if plan is not None else None,
            Decimal(fields.get(b"spent_usd", b"0").decode()),
        ),
        epoch=fields[b"epoch"].decode(),
        seq=int(fields[b"seq"]),
        is_final=fields[b"owner"] == NOBODY,
        line=LINE_STATE.validate_json(fields[b"line"]),
        events=tuple(from_runs(runs)),
        output_stream=fields[b"output_stream"].decode(),
        output_position=fields[b"output_position"].decode(),
    )
