"""How late a gevent worker's loop wakes: what every reply and voice of the process waits beside its own work."""

import time
from typing import Final

import gevent

from workers.metrics import WORKER_LOOP_LAG_SECONDS

LOOK_SECONDS: Final = 0.25


def watch_loop() -> None:
    """A greenlet's whole life."""
    while True:
        due = time.perf_counter() + LOOK_SECONDS
        gevent.sleep(LOOK_SECONDS)
        WORKER_LOOP_LAG_SECONDS.observe(max(0.0, time.perf_counter() - due))
