"""Included by a worker under test: pictures that hang their decoder or end its process, as a fault of C code would."""

import os
import signal
import time

from celery import signals

from workers.seeing import Eye
from workers.streams.messages import FrameRequest, OutputEntry

HANGS, KILLS = b"this one hangs", b"this one kills"
_look = Eye.look


def look(self: Eye, request: FrameRequest, image: bytes) -> OutputEntry:
    if image == HANGS:
        time.sleep(3_600)
    if image == KILLS:
        os.kill(os.getpid(), signal.SIGKILL)
    return _look(self, request, image)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def _install(**_: object) -> None:
    Eye.look = look  # type: ignore[method-assign]
