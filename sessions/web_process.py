"""The web process's own loops and what its live sessions share; started by `serve`, or by the ASGI lifespan elsewhere."""

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

import redis
import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from sessions import lifecycle, presence
from sessions.configured import web_settings
from sessions.doorkeeper import SESSION_ENDED, Doorkeeper, Talks
from sessions.draining import GOING_AWAY, REASON, Draining
from sessions.leases import Leases
from sessions.live.registry import LiveSessions
from sessions.live.session import SessionParts
from sessions.live.silero_engine import prepare_voice_engine
from sessions.live.stream_readers import Fields, StreamReader
from sessions.live.work_desk import CeleryWorkDesk
from sessions.output_follower import OutputFollower
from sessions.records.outbox import Outbox
from sessions.records.writer import RecordWriter
from sessions.resuming import Resuming
from sessions.speech_to_text.contract import SpeechToText
from sessions.talk_keeper import TalkKeeper
from sessions.talk_shelf import TalkShelf
from workers.errors import NovaError, ProviderError
from workers.plugins import load_provider
from workers.streams import keys
from workers.streams.codec import control_fields, control_from_fields, output_from_fields
from workers.streams.messages import AnyControl, SayText, SessionStarted, StopSession, SupersedeSocket
from workers.streams.redis_clients import async_blocking_client, async_command_client

logger = structlog.get_logger(__name__)

CHECK_SECONDS = 0.25
KEEPER_AGAIN_SECONDS = 0.5
COMMAND_CONNECTIONS = 32
"""When another server drains, all its clients come within seconds, each with a few commands."""
LIFE_SECONDS = 1.0
REAPER = "reaper"
RECORD_WRITER = "record_writer"
RECORD_PAUSE_SECONDS = 1.0
REAP_SECONDS = 1.0
STOP_LIMIT_SECONDS = 3.0

_LOOP_FAULTS = (redis.RedisError, OSError, DatabaseError, NovaError)


class WebProcess:
    """One per web process. `start` and `stop` run on the event loop that serves the sockets."""

    def __init__(self) -> None:
        settings = web_settings()
        self.web_id = secrets.token_hex(6)
        self.sessions = LiveSessions()
        self._client = async_command_client(settings.redis_url, max_connections=COMMAND_CONNECTIONS)
        self._blocking = [async_blocking_client(settings.redis_url) for _ in range(2)]
        self._leases = Leases(self._client, self.web_id)
        self._outbox = Outbox(self._client)
        self._writer = RecordWriter(self._client)
        self._desk = CeleryWorkDesk(settings.redis_url, self.web_id)
        self._ear = load_provider(settings.speech_to_text, SpeechToText, settings)
        self._output_stream = keys.output_stream(self.web_id)
        self._output_reader = StreamReader(self._blocking[0], self._output_stream, self._take_output)
        shelf = TalkShelf(self._client)
        position = lambda: self._output_reader.position  # noqa: E731
        self._keeper = TalkKeeper(shelf, self.web_id, self._output_stream, position)
        self._follower = OutputFollower(self._client)
        resuming = Resuming(self.sessions, self._leases, shelf, self._keeper, self._follower)
        parts = SessionParts(self._desk, self._ear, self._outbox.keep, self._keeper.changed)
        talks = Talks(shelf, self._keeper, resuming)
        self.doorkeeper = Doorkeeper(self.sessions, parts, self._leases, self.publish_control, talks)
        self._control_reader = StreamReader(self._blocking[1], keys.CONTROL_STREAM, self._take_control)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        loops = {
            "output_reader": self._output_reader.run(),
            "control_reader": self._control_reader.run(),
            "keeper": self._every(KEEPER_AGAIN_SECONDS, self._keeper.run),
            "check": self._every(CHECK_SECONDS, self._check_sessions),
            "life": self._every(LIFE_SECONDS, self._show_life),
            REAPER: self._alone(REAPER, REAP_SECONDS, self._reap),
            RECORD_WRITER: self._alone(RECORD_WRITER, RECORD_PAUSE_SECONDS, self._write_records),
        }
        for name, loop in loops.items():
            self._spawn(name, loop)
        self._spawn("prepare_ear", self._prepare_ear())
        if web_settings().voice_activity == "silero":
            self._spawn("prepare_voice_engine", prepare_voice_engine())
        logger.info("web_process_started", web_id=self.web_id)

    async def stop(self) -> None:
        """Close every socket with 1012, end the loops, release the leases; limited to a few seconds."""
        await self.doorkeeper.close_all(GOING_AWAY, REASON)
        self._follower.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_LIMIT_SECONDS)
        with contextlib.suppress(redis.RedisError, TimeoutError):
            async with asyncio.timeout(STOP_LIMIT_SECONDS):
                await self._leases.release_all([REAPER, RECORD_WRITER])
        self._writer.close()
        await self._desk.close()
        await self._ear.close()
        for client in (self._client, *self._blocking):
            await client.aclose()
        logger.info("web_process_stopped", web_id=self.web_id)

    async def drain(self) -> None:
        """Readiness goes first, then talk by talk; the loops run on until `stop`."""
        await Draining(self.doorkeeper, self.sessions).run(web_settings().drain_seconds)

    async def publish_control(self, message: AnyControl) -> None:
        """Tell every web process, this one included. Raises RedisError."""
        await self._client.xadd(
            keys.CONTROL_STREAM,
            control_fields(message),
            maxlen=keys.CONTROL_STREAM_ENTRIES,
            approximate=True,
        )

    # --- loops ------------------------------------------------------------------------------------------------------

    def _spawn(self, name: str, coroutine: Awaitable[None]) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._loop_ended(name, done))

    def _loop_ended(self, name: str, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("loop_crashed", loop=name, exc_info=task.exception())

    async def _every(self, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except _LOOP_FAULTS as error:
                logger.warning("loop_step_failed", step=step.__name__, error=type(error).__name__)
            await asyncio.sleep(seconds)

    async def _alone(self, name: str, seconds: float, step: Callable[[], Awaitable[None]]) -> None:
        async def step_if_held() -> None:
            if await self._leases.hold(name):
                await step()

        await self._every(seconds, step_if_held)

    async def _prepare_ear(self) -> None:
        try:
            await self._ear.prepare()
        except (ProviderError, TimeoutError) as error:
            text = error.text if isinstance(error, ProviderError) else "no answer in time"
            logger.warning("speech_to_text_not_ready", error=text)

    async def _check_sessions(self) -> None:
        for session in self.sessions:
            session.check()

    async def _show_life(self) -> None:
        """The lease, what others would go on from, and the presence of everyone whose socket is open here."""
        await self._leases.show_life()
        await self._outbox.flush()
        await self._keeper.renew()
        await self._client.expire(self._output_stream, keys.OUTPUT_STREAM_LIFE_SECONDS)
        present = [each.session_id for each in self.sessions if each.session_id and not each.is_client_away]
        if present:
            await sync_to_async(presence.touch, thread_sensitive=False)(present)

    async def _reap(self) -> None:
        await sync_to_async(lifecycle.reap_once)()

    async def _write_records(self) -> None:
        await self._writer.write_all()

    # --- entries ----------------------------------------------------------------------------------------------------

    def _take_output(self, fields: Fields) -> None:
        entry = output_from_fields(fields)
        session = self.sessions.of_session(entry.session_id)
        if session is not None:
            session.take(entry)

    def _take_control(self, fields: Fields) -> None:
        message = control_from_fields(fields)
        match message:
            case SessionStarted():
                self._spawn("wake", self.doorkeeper.wake(message.channel_name))
            case StopSession():
                self._stop_session(message)
            case SupersedeSocket():
                self._supersede(message)
            case SayText():
                session = self.sessions.of_session(message.session_id)
                if session is not None:
                    session.say(message.text)

    def _stop_session(self, message: StopSession) -> None:
        session = self.sessions.of_session(message.session_id)
        if session is not None:
            self.doorkeeper.close(session, SESSION_ENDED, f"the session has ended: {message.reason}")

    def _supersede(self, message: SupersedeSocket) -> None:
        session = self.sessions.of_channel(message.channel_name)
        if session is not None and session.identity.generation < message.generation:
            self.doorkeeper.give_way(session, message.resumes)
