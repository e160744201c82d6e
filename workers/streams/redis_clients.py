"""Redis clients with explicit time limits; redis-py 8 would otherwise cut blocking reads after its own 5 s."""

import redis
from redis import asyncio as aioredis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ConstantBackoff, NoBackoff
from redis.retry import Retry

BLOCK_MS = 1_000
COMMAND_TIMEOUT_SECONDS = 1.0
BLOCKING_TIMEOUT_SECONDS = BLOCK_MS / 1_000 + 2.0
CONNECT_TIMEOUT_SECONDS = 1.0


def command_client(url: str, max_connections: int = 32) -> "redis.Redis":
    """For short commands. One retry after 50 ms: every entry we write may arrive twice without harm."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=COMMAND_TIMEOUT_SECONDS,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=Retry(ConstantBackoff(0.05), 1),
        protocol=2,
    )
    return redis.Redis(connection_pool=pool)


def blocking_client(url: str) -> "redis.Redis":
    """For one reader that blocks at most BLOCK_MS; the reader itself decides how to go on after an error."""
    return redis.Redis.from_url(
        url,
        socket_timeout=BLOCKING_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )


def waiting_client(url: str, max_connections: int) -> "redis.Redis":
    """For many tasks that each wait for their request, in steps of BLOCK_MS."""
    pool = redis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=COMMAND_TIMEOUT_SECONDS,
        socket_timeout=BLOCKING_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
    )
    return redis.Redis(connection_pool=pool)


def async_command_client(url: str, max_connections: int = 8) -> "aioredis.Redis":
    pool = aioredis.BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=COMMAND_TIMEOUT_SECONDS,
        socket_timeout=COMMAND_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=AsyncRetry(ConstantBackoff(0.05), 1),
        protocol=2,
    )
    return aioredis.Redis(connection_pool=pool)


def async_blocking_client(url: str) -> "aioredis.Redis":
    return aioredis.Redis.from_url(
        url,
        socket_timeout=BLOCKING_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=AsyncRetry(NoBackoff(), 0),
        protocol=2,
    )
