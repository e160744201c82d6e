"""How a talking worker ends when it is told to: what runs is finished in time, what only waits goes to another worker."""

import gevent
import structlog

from workers.cancellation import Cancellations
from workers.errors import NovaError

logger = structlog.get_logger(__name__)
LOOK_SECONDS = 0.1


class WorkerStoppingError(NovaError):
    """Another worker may try again."""

    code = "worker_stopping"
    retriable = True


class Stopping:
    """One per worker process. Celery itself stops taking tasks and waits for those that run, without any limit."""

    def __init__(self, cancellations: Cancellations, limit_seconds: float) -> None:
        self._cancellations = cancellations
        self._limit_seconds = limit_seconds
        self.has_begun = False

    def begin(self) -> None:
        """Called by a signal's handler; returns at once."""
        if not self.has_begun:
            self.has_begun = True
            gevent.spawn(self._end_in_time)

    def _end_in_time(self) -> None:
        logger.info("worker_stopping", running=self._cancellations.running_count, limit_seconds=self._limit_seconds)
        with gevent.Timeout(self._limit_seconds, False):
            while self._cancellations.running_count:
                gevent.sleep(LOOK_SECONDS)
        for reply_id in self._cancellations.end_all(lambda: WorkerStoppingError("the worker had to stop")):
            logger.warning("task_cut_by_stop", reply_id=reply_id)
