"""How late the web process's event loop wakes, which every session of the process waits beside its own work."""

import asyncio
from typing import Final

from sessions.metrics import WEB_LOOP_LAG_SECONDS

LOOK_SECONDS: Final = 0.25


async def watch_loop() -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LOOK_SECONDS
        await asyncio.sleep(LOOK_SECONDS)
        WEB_LOOP_LAG_SECONDS.observe(max(0.0, loop.time() - due))
