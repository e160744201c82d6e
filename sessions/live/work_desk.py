"""How a live session asks workers for work and calls it off: the only place that publishes tasks."""

import asyncio
import concurrent.futures
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

import redis
import structlog
from kombu.exceptions import OperationalError

from sessions import metrics
from workers.errors import NovaError, StreamsUnavailableError
from workers.streams import keys
from workers.streams.codec import entry_fields, to_json
from workers.streams.handover import put_request
from workers.streams.messages import (
    FrameRequest,
    InterruptEntry,
    MosaicRequest,
    ReplyRequest,
    SpeechRequest,
    TranscriptEntry,
)
from workers.streams.prompt_commands import PromptCommands
from workers.streams.redis_clients import async_command_client, command_client
from workers.tasks import compress_frame, generate_reply, synthesize_speech

logger = structlog.get_logger(__name__)

PUBLISHING_THREADS = 4
HANDOVER_CONNECTIONS = 16
MAX_WAITING_JOBS = 500

OnFailure = Callable[[NovaError], None]


class WorkDesk(Protocol):
    """All methods return at once; a failure comes to `on_failure` on the event loop, at most 3 s later."""

    @property
    def output_stream(self) -> str: ...

    def prepare_reply(self, reply_id: str) -> None:
        """Publish the task before its request is known; it waits PREPARED_REPLY_SECONDS. A failure is only logged."""
        ...

    def request_reply(
        self, request: ReplyRequest, words: TranscriptEntry | None, on_failure: OnFailure, is_prepared: bool = False
    ) -> None:
        """`words` go onto the transcripts stream in the same round trip as the request."""
        ...

    def prepare_speech(self, reply_id: str, on_failure: OnFailure) -> None:
        """Publish the task of the first sentence, which the reply's worker hands its text."""
        ...

    def request_speech(self, request: SpeechRequest, on_failure: OnFailure) -> None: ...

    def request_frame(self, request: FrameRequest, image: bytes, on_failure: OnFailure) -> None: ...

    def request_mosaic(self, request: MosaicRequest, on_failure: OnFailure) -> None: ...

    def tell_words(self, entry: TranscriptEntry) -> None: ...

    def interrupt(self, entry: InterruptEntry) -> None: ...


class CeleryWorkDesk:
    """One per web process. Publishing has its own small thread pool: six stuck publishes froze everything else
    on the default one. A job that finds 500 others waiting fails at once."""

    def __init__(self, redis_url: str, web_id: str) -> None:
        self._client = command_client(redis_url, max_connections=PUBLISHING_THREADS + 4)
        self._async_client = async_command_client(redis_url, max_connections=HANDOVER_CONNECTIONS)
        self._prompt = PromptCommands(redis_url, max_connections=HANDOVER_CONNECTIONS)
        self._output_stream = keys.output_stream(web_id)
        self._publishers = [
            concurrent.futures.ThreadPoolExecutor(1, f"publish-{number}") for number in range(PUBLISHING_THREADS)
        ]
        self._signals = concurrent.futures.ThreadPoolExecutor(1, "signal")
        self._running: set[asyncio.Task[None]] = set()

    @property
    def output_stream(self) -> str:
        return self._output_stream

    def prepare_reply(self, reply_id: str) -> None:
        def on_failure(error: NovaError) -> None:
            logger.warning("reply_not_prepared", code=error.code)

        async def prepared() -> None:
            await _in_thread(self._publisher_of(reply_id), lambda: _publish(generate_reply, (reply_id,)))
            await self._prompt.make_ready()

        self._start(prepared(), on_failure)

    def request_reply(
        self, request: ReplyRequest, words: TranscriptEntry | None, on_failure: OnFailure, is_prepared: bool = False
    ) -> None:
        if is_prepared:
            self._hand_over_reply(request, words, on_failure)
            return
        reply_id = request.address.reply_id

        def job() -> None:
            pipeline = self._client.pipeline(transaction=False)
            self._add_request(pipeline, request, words)
            pipeline.execute()
            _publish(generate_reply, (reply_id,))

        self._start_job(self._publisher_of(request.address.session_id), job, on_failure)

    def prepare_speech(self, reply_id: str, on_failure: OnFailure) -> None:
        self._publish(reply_id, synthesize_speech, (reply_id, 0), on_failure)

    def request_speech(self, request: SpeechRequest, on_failure: OnFailure) -> None:
        reply_id, index = request.address.reply_id, request.sentence_index

        def job() -> None:
            pipeline = self._client.pipeline(transaction=False)
            put_request(pipeline, keys.speech_request(reply_id, index), to_json(request))
            pipeline.execute()
            _publish(synthesize_speech, (reply_id, index))

        self._start_job(self._publisher_of(request.address.session_id), job, on_failure)

    def request_frame(self, request: FrameRequest, image: bytes, on_failure: OnFailure) -> None:
        frame_id = request.address.reply_id

        def job() -> None:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.set(keys.raw_frame(frame_id), image, ex=keys.RAW_FRAME_LIFE_SECONDS)
            pipeline.set(keys.frame_request(frame_id), to_json(request), ex=keys.RAW_FRAME_LIFE_SECONDS)
            pipeline.execute()
            _publish(compress_frame, (frame_id,))

        self._start_job(self._publisher_of(request.address.session_id), job, on_failure)

    def request_mosaic(self, request: MosaicRequest, on_failure: OnFailure) -> None:
        mosaic_id = request.address.reply_id

        def job() -> None:
            self._client.set(keys.frame_request(mosaic_id), to_json(request), ex=keys.RAW_FRAME_LIFE_SECONDS)
            _publish(compress_frame, (mosaic_id,))

        self._start_job(self._publisher_of(request.address.session_id), job, on_failure)

    def tell_words(self, entry: TranscriptEntry) -> None:
        self._signal(keys.TRANSCRIPTS_STREAM, entry)

    def interrupt(self, entry: InterruptEntry) -> None:
        self._signal(keys.INTERRUPTS_STREAM, entry)

    async def close(self) -> None:
        """Wait for what was asked for (each job is limited), then end the threads."""
        if self._running:
            await asyncio.wait(self._running, timeout=3)
        for publisher in self._publishers:
            publisher.shutdown(wait=False, cancel_futures=True)
        self._signals.shutdown(wait=False, cancel_futures=True)
        self._client.close()
        await self._async_client.aclose()
        await self._prompt.close()

    def _hand_over_reply(self, request: ReplyRequest, words: TranscriptEntry | None, on_failure: OnFailure) -> None:
        """In this very call: between the user's last word and the waiting task nothing else of the process comes first.
        What may have been lost goes once more in the ordinary way; no task takes two requests."""
        if self._is_full(on_failure):
            return
        pipeline = self._async_client.pipeline(transaction=False)
        self._add_request(pipeline, request, words)
        commands = [arguments for arguments, _ in pipeline.command_stack]
        sent = self._prompt.send(commands)

        async def confirmed() -> None:
            if sent is not None:
                with suppress(redis.ConnectionError, redis.TimeoutError, OSError):
                    await self._prompt.confirm(sent, len(commands))
                    return
            await pipeline.execute()

        self._start(confirmed(), on_failure)

    def _add_request(self, pipeline: Any, request: ReplyRequest, words: TranscriptEntry | None) -> None:
        if words is not None:
            self._add_entry(pipeline, keys.TRANSCRIPTS_STREAM, words)
        put_request(pipeline, keys.reply_request(request.address.reply_id), to_json(request))

    def _publisher_of(self, owner_id: str) -> concurrent.futures.ThreadPoolExecutor:
        """One thread for all of a session's work, so that its second sentence is asked for before its third."""
        return self._publishers[hash(owner_id) % PUBLISHING_THREADS]

    def _publish(self, owner_id: str, task: Any, arguments: tuple[object, ...], on_failure: OnFailure) -> None:
        self._start_job(self._publisher_of(owner_id), lambda: _publish(task, arguments), on_failure)

    def _signal(self, stream: str, entry: TranscriptEntry | InterruptEntry) -> None:
        """One thread keeps the order of words and interrupts; a lost one is logged, its effect is bounded by time limits."""

        def job() -> None:
            self._add_entry(self._client, stream, entry)

        def on_failure(error: NovaError) -> None:
            logger.warning("signal_lost", stream=stream, code=error.code)

        self._start_job(self._signals, job, on_failure)

    @staticmethod
    def _add_entry(client: Any, stream: str, entry: TranscriptEntry | InterruptEntry) -> None:
        client.xadd(stream, entry_fields(entry), maxlen=keys.WORDS_STREAM_ENTRIES, approximate=True)

    def _start_job(
        self, pool: concurrent.futures.ThreadPoolExecutor, job: Callable[[], None], on_failure: OnFailure
    ) -> None:
        self._start(_in_thread(pool, job), on_failure)

    def _start(self, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> None:
        if self._is_full(on_failure):
            work.close()
            return
        task = asyncio.get_running_loop().create_task(self._run(work, on_failure))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _is_full(self, on_failure: OnFailure) -> bool:
        if len(self._running) < MAX_WAITING_JOBS:
            return False
        on_failure(StreamsUnavailableError("too much work waits to be published", code="publish_queue_full"))
        return True

    async def _run(self, work: Coroutine[Any, Any, None], on_failure: OnFailure) -> None:
        begun_at = time.perf_counter()
        try:
            await work
            metrics.PUBLISH_SECONDS.observe(time.perf_counter() - begun_at)
        except (redis.RedisError, OperationalError, OSError) as error:
            metrics.PUBLISH_FAILURES.inc()
            logger.warning("publish_failed", error=type(error).__name__)
            on_failure(StreamsUnavailableError("the work could not be handed to a worker; Redis did not answer"))


async def _in_thread(pool: concurrent.futures.ThreadPoolExecutor, job: Callable[[], None]) -> None:
    await asyncio.get_running_loop().run_in_executor(pool, job)


def _publish(task: Any, arguments: tuple[object, ...]) -> None:
    """No retry: the live session decides about that. A task nobody took within 10 s is not run at all."""
    task.apply_async(
        arguments,
        retry=False,
        expires=keys.TASK_EXPIRES_SECONDS,
        ignore_result=True,
        argsrepr="",
        kwargsrepr="",
        headers={keys.PUBLISHED_AT_HEADER: time.time()},
    )
