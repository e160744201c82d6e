"""The web process's own loops and what its live sessions share; started by `serve`, or by the ASGI lifespan elsewhere."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable

import redis
import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections

from sessions import alerts, lifecycle, metrics, operator_tables, presence
from sessions.access import owners_of_ended_keys
from sessions.accounting import make_accounts
from sessions.backlog import Backlog
from sessions.configured import web_settings
from sessions.doorkeeper import SESSION_ENDED, Doorkeeper, Talks
from sessions.draining import GOING_AWAY, REASON, Draining
from sessions.leases import Leases
from sessions.live.registry import LiveSessions
from sessions.live.session import LiveSession
from sessions.live.session_parts import SessionParts
from sessions.live.silero_engine import prepare_voice_engine, voice_engine_name
from sessions.live.stream_readers import Fields, StreamReader
from sessions.live.work_desk import CeleryWorkDesk
from sessions.live_view.onlookers import RENEW_SECONDS, Onlookers, set_onlookers
from sessions.live_view.showing import show_session
from sessions.live_view.whispering import whisper
from sessions.live_view.writer import WatchedWriter
from sessions.loop_watch import watch_loop
from sessions.output_follower import OutputFollower
from sessions.record_meter import measured
from sessions.records.outbox import Outbox
from sessions.records.retention import retire_some
from sessions.records.writer import RecordWriter
from sessions.resuming import Resuming
from sessions.speech_to_text.contract import SpeechToText
from sessions.spending import DaySpending, catch_up_with_rows
from sessions.talk_keeper import TalkKeeper
from sessions.talk_shelf import TalkShelf
from sessions.webhooks.sender import WebhookSender, remove_old
from workers.errors import NovaError, ProviderError
from workers.log_context import working_for
from workers.plugins import load_provider
from workers.streams import keys
from workers.streams.codec import control_fields, control_from_fields, output_from_fields
from workers.streams.messages import (
    AnyControl,
    FrameKept,
    FrameSkipped,
    OperatorTablesChanged,
    SayText,
    SessionStarted,
    StopSession,
    SupersedeSocket,
    WatchedFact,
    WatchSession,
    WhisperText,
    WorkFailed,
)
from workers.streams.redis_clients import async_blocking_client, async_command_client

logger = structlog.get_logger(__name__)

CHECK_SECONDS = 0.25
KEEPER_AGAIN_SECONDS = 0.5
COMMAND_CONNECTIONS = 32
"""When another server drains, all its clients come within seconds, each with a few commands."""
LIFE_SECONDS = 1.0
BACKLOG_SECONDS = 2.0
REAPER = "reaper"
RECORD_WRITER = "record_writer"
HOUSEKEEPER = "housekeeper"
RECORD_PAUSE_SECONDS = 1.0
WEBHOOKS = "webhooks"
WEBHOOK_PAUSE_SECONDS = 1.0
OLD_DELIVERIES_SECONDS = 600.0
ALERTS = "alerts"
HOUSEKEEPING_SECONDS = 60.0
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
        self._spending = DaySpending(self._client)
        accounts = make_accounts(settings, self._spending, self._budget_spent)
        self._output_stream = keys.output_stream(self.web_id)
        self._output_reader = StreamReader(self._blocking[0], self._output_stream, self._take_output)
        shelf = TalkShelf(self._client)
        position = lambda: self._output_reader.position  # noqa: E731
        self._keeper = TalkKeeper(shelf, self.web_id, self._output_stream, position)
        self._follower = OutputFollower(self._client)
        resuming = Resuming(self.sessions, self._leases, shelf, self._keeper, self._follower)
        parts = SessionParts(self._desk, self._ear, measured(self._outbox.keep), self._keeper.changed, accounts)
        talks = Talks(shelf, self._keeper, resuming)
        self.doorkeeper = Doorkeeper(self.sessions, parts, self._leases, self.publish_control, talks)
        self._control_reader = StreamReader(self._blocking[1], keys.CONTROL_STREAM, self._take_control)
        self._watched = WatchedWriter(self._client)
        self.onlookers = Onlookers(self.web_id, self.publish_control)
        set_onlookers(self.onlookers)
        self._webhooks = WebhookSender(allows_private=settings.webhook_allow_private)
        self._next_removal_at = 0.0
        self._backlog = Backlog(self._client, settings)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        with contextlib.suppress(DatabaseError):
            # The first caller may bring a key that only operators know of.
            await self._read_tables()
        loops = {
            "output_reader": self._output_reader.run(),
            "control_reader": self._control_reader.run(),
            "keeper": self._every(KEEPER_AGAIN_SECONDS, self._keeper.run),
            "check": self._every(CHECK_SECONDS, self._check_sessions),
            "life": self._every(LIFE_SECONDS, self._show_life),
            "watched": self._watched.run(),
            "onlookers": self._every(RENEW_SECONDS, self.onlookers.ask_again),
            "operator_tables": self._every(operator_tables.TABLES_SECONDS, self._read_tables),
            "backlog": self._every(BACKLOG_SECONDS, self._backlog.look),
            "loop_watch": watch_loop(),
            REAPER: self._alone(REAPER, REAP_SECONDS, self._reap),
            WEBHOOKS: self._alone(WEBHOOKS, WEBHOOK_PAUSE_SECONDS, self._send_webhooks),
            ALERTS: self._alone(ALERTS, alerts.LOOK_SECONDS, self._look_for_alerts),
            RECORD_WRITER: self._alone(RECORD_WRITER, RECORD_PAUSE_SECONDS, self._write_records),
            HOUSEKEEPER: self._alone(HOUSEKEEPER, HOUSEKEEPING_SECONDS, self._keep_house),
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
                await self._leases.release_all([REAPER, RECORD_WRITER, HOUSEKEEPER, WEBHOOKS, ALERTS])
        await self._webhooks.close()
        self._writer.close()
        await self._desk.close()
        await self._ear.close()
        await self._backlog.close()
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
            if await self._leases.hold(name, seconds):
                await step()

        await self._every(seconds, step_if_held)

    async def _prepare_ear(self) -> None:
        try:
            await self._ear.prepare()
        except (ProviderError, TimeoutError) as error:
            text = error.text if isinstance(error, ProviderError) else "no answer in time"
            logger.warning("speech_to_text_not_ready", error=text)

    async def _check_sessions(self) -> None:
        now_seconds = time.monotonic()
        for session in self.sessions:
            with working_for(session.log_ids):
                session.check()
            session.mirror.forget_late(now_seconds)

    async def _show_life(self) -> None:
        """The lease, what others would go on from, and the presence of everyone whose socket is open here."""
        await self._leases.show_life()
        await self._outbox.flush()
        self._show_figures()
        await self._keeper.renew()
        await self._client.expire(self._output_stream, keys.OUTPUT_STREAM_LIFE_SECONDS)
        present = [each.session_id for each in self.sessions if each.session_id and not each.is_client_away]
        if present:
            await sync_to_async(presence.touch, thread_sensitive=False)(present)
        await self._spending.exchange()

    async def _read_tables(self) -> None:
        """And close what was opened with a key that counts no more, or with a ticket of it."""
        await sync_to_async(_read_tables)()
        ended = owners_of_ended_keys()
        for session in self.sessions if ended else ():
            if session.identity.owner in ended:
                self.doorkeeper.shut_out(session)

    async def _send_webhooks(self) -> None:
        await self._webhooks.send_due()
        if time.monotonic() >= self._next_removal_at:
            self._next_removal_at = time.monotonic() + OLD_DELIVERIES_SECONDS
            await sync_to_async(remove_old)()

    async def _look_for_alerts(self) -> None:
        await sync_to_async(_look_for_alerts)()

    def _show_figures(self) -> None:
        metrics.show_sessions(self.sessions.states())
        metrics.show_voice_engine(voice_engine_name(), web_settings().voice_activity)
        metrics.RECORDS_WAITING.set(self._outbox.waiting)

    async def _reap(self) -> None:
        await sync_to_async(lifecycle.reap_once)()
        await sync_to_async(lifecycle.end_for_ended_keys)()

    async def _keep_house(self) -> None:
        """A little of what is due each time, in a thread of its own: others wait for the database too."""
        await sync_to_async(catch_up_with_rows, thread_sensitive=False)()
        await sync_to_async(retire_some, thread_sensitive=False)(web_settings().records_kept_days)

    def _budget_spent(self, session_id: str) -> None:
        self._spawn("end_spent", self._end_spent(session_id))

    async def _end_spent(self, session_id: str) -> None:
        """The socket is closed even when the row cannot be written; the reaper finds the session later."""
        self._stop_session(StopSession(session_id, "budget"))
        try:
            await sync_to_async(lifecycle.end_spent)(session_id)
        except _LOOP_FAULTS as error:
            logger.warning("spent_session_not_ended", session_id=session_id, error=type(error).__name__)

    async def _write_records(self) -> None:
        await self._writer.write_all()

    # --- entries ----------------------------------------------------------------------------------------------------

    def _take_output(self, fields: Fields) -> None:
        entry = output_from_fields(fields)
        if isinstance(entry, WatchedFact):
            self.onlookers.take(entry)
            return
        session = self.sessions.of_session(entry.session_id)
        if isinstance(entry, FrameKept | FrameSkipped | WorkFailed):
            _count_frame(entry)
        if session is not None:
            with working_for(session.log_ids):
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
            case OperatorTablesChanged():
                self._spawn("read_tables", self._read_tables())
            case SayText() | WhisperText() | WatchSession():
                session = self.sessions.of_session(message.session_id)
                if session is not None:
                    with working_for(session.log_ids):
                        self._operate(session, message)

    def _operate(self, session: LiveSession, message: SayText | WhisperText | WatchSession) -> None:
        """What an operator wants of a session that is held here."""
        match message:
            case SayText():
                session.say(message.text)
            case WhisperText():
                whisper(session.history, message.text)
            case WatchSession():
                show_session(session, message, self._watched)

    def _stop_session(self, message: StopSession) -> None:
        session = self.sessions.of_session(message.session_id)
        if session is None:
            return
        if message.reason == "key_ended":
            self.doorkeeper.shut_out(session)
        else:
            self.doorkeeper.close(session, SESSION_ENDED, f"the session has ended: {message.reason}")

    def _supersede(self, message: SupersedeSocket) -> None:
        session = self.sessions.of_channel(message.channel_name)
        if session is not None and session.identity.generation < message.generation:
            self.doorkeeper.give_way(session, message.resumes)


def _read_tables() -> None:
    close_old_connections()
    operator_tables.read_tables()


def _look_for_alerts() -> None:
    close_old_connections()
    alerts.look()


def _count_frame(entry: FrameKept | FrameSkipped | WorkFailed) -> None:
    if not isinstance(entry, WorkFailed):
        metrics.FRAMES.of("kept" if isinstance(entry, FrameKept) else "skipped").inc()
    elif entry.stage == "frame":
        metrics.FRAMES.of("failed").inc()
