"""Whether Redis can carry the system: reachable, 6.2 or newer, and never throwing keys away. Ends with one line and 0 or 1."""

import os
import sys

import redis

OLDEST = (6, 2)


def trouble(url: str) -> str | None:
    """What is wrong, in one sentence; None when all is well."""
    client = redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5)
    try:
        server = client.info("server")
        memory = client.info("memory")
    except redis.RedisError as error:
        return f"cannot be used: {type(error).__name__}"
    version = str(server.get("redis_version", "0"))
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return f"is {version}; 6.2 or newer is needed"
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return f"has maxmemory-policy {policy}; set it to noeviction, or tasks and sessions get lost under load"
    return None


if __name__ == "__main__":
    found = trouble(os.environ["REDIS_URL"])
    print("Redis is well" if found is None else f"Redis {found}")
    sys.exit(0 if found is None else 1)
