"""Redis leases: at most one web process runs a loop that must be alone, and every web process shows that it lives."""

from typing import Any

from redis import asyncio as aioredis

from workers.streams import keys

LEASE_MS = 4_000
STEP_MS = 3_000
"""What a lease leaves for the loop's own work beside the pause between two rounds."""

_HOLD = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""

_NEXT_GENERATION = """
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local next = math.max(tonumber(redis.call('GET', KEYS[1]) or '0') + 1, now_ms)
redis.call('SET', KEYS[1], string.format('%d', next), 'EX', ARGV[1])
return next
"""

GENERATION_LIFE_SECONDS = 90_000


class Leases:
    """All leases of one web process. Every method raises RedisError when Redis is away."""

    def __init__(self, client: "aioredis.Redis", web_id: str) -> None:
        self._client = client
        self._web_id = web_id

    async def show_life(self) -> None:
        await self._client.set(keys.web_lease(self._web_id), b"1", px=LEASE_MS)

    async def hold(self, loop_name: str, pause_seconds: float) -> bool:
        """Take or renew the lease until after the next round, `pause_seconds` later; False while another has it."""
        lease_ms = max(LEASE_MS, int(pause_seconds * 1_000) + STEP_MS)
        return bool(await self._eval(_HOLD, keys.single_loop_lease(loop_name), self._web_id, lease_ms))

    async def release_all(self, loop_names: list[str]) -> None:
        for name in loop_names:
            await self._eval(_RELEASE, keys.single_loop_lease(name), self._web_id)
        await self._client.delete(keys.web_lease(self._web_id))

    async def next_generation(self, channel_name: str) -> int:
        """Larger than every generation given before, also after Redis has lost its data: it never lies behind the clock."""
        key = keys.channel_generation(channel_name)
        return int(await self._eval(_NEXT_GENERATION, key, GENERATION_LIFE_SECONDS))

    async def generation(self, channel_name: str) -> int:
        """The newest that was given; 0 when none is known."""
        return int(await self._client.get(keys.channel_generation(channel_name)) or 0)

    async def is_alive(self, web_id: str) -> bool:
        """A process that died counts as alive until its lease has run out."""
        return bool(await self._client.exists(keys.web_lease(web_id)))

    async def _eval(self, script: str, key: str, *arguments: str | int) -> Any:
        return await self._client.eval(script, 1, key, *[str(value) for value in arguments])
