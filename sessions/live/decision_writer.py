"""Keeps the turn engine's log as records, beside the talk: no turn waits for it and a lost one costs nothing else."""

import asyncio
from typing import Any

import structlog

from sessions.live.planning import SessionIdentity
from sessions.live.replying import RECORD_LIMIT_SECONDS, KeepRecord

logger = structlog.get_logger(__name__)


class DecisionWriter:
    """One per session. At most a handful of writes are under way: each is limited to half a second."""

    def __init__(self, keep_record: KeepRecord) -> None:
        self._keep_record = keep_record
        self._writing: set[asyncio.Task[None]] = set()

    def keep(self, identity: SessionIdentity, lines: list[dict[str, Any]]) -> None:
        """Before `start` there is no session to keep them for."""
        if identity.session_id:
            record = {"kind": "decisions", "session_id": identity.session_id, "generation": identity.generation}
            task = asyncio.get_running_loop().create_task(self._write({**record, "lines": lines}))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def _write(self, record: dict[str, Any]) -> None:
        try:
            async with asyncio.timeout(RECORD_LIMIT_SECONDS):
                await self._keep_record(record)
        except TimeoutError:
            logger.warning("decisions_late", session_id=record["session_id"])
