"""The Celery application: queues, limits, and the start of each worker process; loads no Django project.

The web process imports this too, so whatever only a worker needs is loaded by path when a worker starts.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import Celery, signals
from celery.app.amqp import AMQP
from kombu import Connection
from kombu.transport.redis import Channel as RedisChannel

from nova_site.env import environment
from nova_site.logs import configure_logging
from nova_site.wiring import worker_settings
from nova_site.worker_metrics import open_worker_metrics
from workers.errors import ConfigurationError
from workers.garbage import settle_garbage
from workers.plugins import load_object
from workers.worker_beat import PAUSE_SECONDS, WorkerBeat

_beats: list[WorkerBeat] = []
"""Of this process: one in a worker that is asked for it, none elsewhere."""

CHILD_LOOK_SECONDS = 0.5
_child_timers: list[Any] = []


class QuickConnection(Connection):  # type: ignore[misc,unused-ignore]
    """Tries again after 0.2 s, then 0.4 s, at most 1 s; kombu's own 2, 4, 6 s would outlast the user's patience."""

    def ensure_connection(self, *arguments: Any, **options: Any) -> Any:
        """A `callback` is called about once a second while there is no connection."""
        callback: Callable[[], None] | None = options.pop("callback", None)

        def each_second() -> None:
            for beat in _beats:
                beat.connecting()
            if callback is not None:
                callback()

        quick = {"interval_start": 0.2, "interval_step": 0.2, "interval_max": 1.0, "callback": each_second}
        return super().ensure_connection(*arguments, **{**quick, **options})

    def drain_events(self, **options: Any) -> Any:
        """Once in each turn of the loop of a gevent worker, 2 s apart at most."""
        for beat in _beats:
            beat.turned()
        return super().drain_events(**options)


class QuickAMQP(AMQP):  # type: ignore[misc,unused-ignore]
    """Tasks are taken off the queue for good: a lost one is the web process's to notice, never redelivered.

    kombu's Redis transport would otherwise write every message into its table of unacknowledged ones and out of it
    again before the task begins: two round trips of the time to the first sound.
    """

    Connection = QuickConnection

    def TaskConsumer(self, channel: Any, *arguments: Any, **options: Any) -> Any:  # noqa: N802 - Celery's name
        if isinstance(channel, RedisChannel):
            channel.basic_ack = _need_no_acknowledgement  # type: ignore[method-assign]
        return super().TaskConsumer(channel, *arguments, **{**options, "no_ack": True})


def _need_no_acknowledgement(delivery_tag: str, multiple: bool = False) -> None:
    """The transport ignores `no_ack` when a message is acknowledged."""


def _make_app() -> Celery:
    env = environment()
    celery_app = Celery("nova_site", broker=env.broker_url, amqp=QuickAMQP, fixups=[], include=["workers.tasks"])
    celery_app.conf.update(
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_acks_late=False,
        task_serializer="json",
        accept_content=["json"],
        task_default_queue="reply",
        task_default_delivery_mode="transient",
        task_create_missing_queues=True,
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,
        worker_disable_rate_limits=True,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_connection_timeout=2,
        broker_pool_limit=4,
        broker_transport_options={
            "socket_timeout": 5,
            "socket_connect_timeout": 1,
            "visibility_timeout": 60,
            "retry_on_timeout": False,
            "max_retries": 1,
            "interval_start": 0.1,
            "interval_step": 0.2,
            "interval_max": 0.5,
        },
    )
    # The current application is kept per thread; publishing threads find this one only as the default.
    celery_app.set_default()
    return celery_app


app = _make_app()


@signals.setup_logging.connect  # type: ignore[untyped-decorator,unused-ignore]
def _set_up_logging(**_: Any) -> None:
    configure_logging(environment())


@signals.worker_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def _start_parent(sender: Any, **_: Any) -> None:
    """Runs in the worker's first process, before it takes tasks; a wrong pool ends it with one line."""
    _set_up_logging()  # Celery's own moment for it comes later
    queues = frozenset(sender.app.amqp.queues.consume_from)
    env = environment()
    open_worker_metrics(env, sender.concurrency, has_children="vision" in queues)
    try:
        load_object("workers.startup.start_parent")(queues, worker_settings(env))
        if "vision" not in queues:  # frames belong to no turn
            load_object("workers.tracing.start_tracing")(env.nova_tracing_endpoint, "talking")
    except ConfigurationError as error:
        raise SystemExit(f"worker refused to start: {error.text}") from error
    if env.nova_worker_beat_file is not None:
        _beats.append(WorkerBeat(Path(env.nova_worker_beat_file)))
    settle_garbage()


@signals.worker_ready.connect  # type: ignore[untyped-decorator,unused-ignore]
def _beat_by_timer(sender: Any, **_: Any) -> None:
    """The prefork pool's loop drains no events but runs timers; this comes again after each lost connection."""
    for beat in _beats:
        beat.turned()
        if sender.hub is not None and not beat.is_timed:
            beat.is_timed = True
            sender.timer.call_repeatedly(PAUSE_SECONDS, beat.turned)


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator,unused-ignore]
def _beat_goodbye(**_: Any) -> None:
    for beat in _beats:
        beat.leaving()


@signals.worker_process_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def _start_child(**_: Any) -> None:
    """Runs in each child of the prefork pool only."""
    load_object("workers.startup.start_seeing")(worker_settings(environment()))


@signals.worker_ready.connect  # type: ignore[untyped-decorator,unused-ignore]
def _look_after_children(sender: Any, **_: Any) -> None:
    """Celery notices a child's death by its closed pipe, unless the child is not yet a zombie then: that takes 5 s."""
    maintain = getattr(getattr(sender.pool, "_pool", None), "maintain_pool", None)
    for timer in _child_timers:
        timer.cancel()
    _child_timers[:] = [sender.hub.call_repeatedly(CHILD_LOOK_SECONDS, maintain)] if maintain is not None else []


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator,unused-ignore]
def _begin_to_stop(how: str = "", **_: Any) -> None:
    """In a signal's handler. The parent of the prefork pool has loaded nothing that could end by itself."""
    if how == "Warm":
        load_object("workers.startup.begin_to_stop")()


@signals.task_failure.connect  # type: ignore[untyped-decorator,unused-ignore]
def _report_lost_child(sender: Any, exception: BaseException, args: Any, **_: Any) -> None:
    """What a task's own process can tell, it has told; this is for one that was killed in the middle of a picture."""
    if isinstance(exception, WorkerLostError | TimeLimitExceeded) and sender.name == "workers.compress_frame":
        load_object("workers.startup.frame_was_lost")(*args, type(exception).__name__)


__all__ = ["app"]
