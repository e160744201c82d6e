"""The one place where tasks find the work of their process; imports nothing heavy."""

from typing import Protocol

from workers.errors import ConfigurationError


class Work(Protocol):
    def compress_frame(self, frame_id: str) -> None: ...

    def generate_reply(self, reply_id: str) -> None: ...

    def synthesize_speech(self, reply_id: str, sentence_index: int) -> None: ...


_installed: list[Work] = []


def install_work(work: Work) -> None:
    """Called once by a worker process's start, before its first task."""
    _installed[:] = [work]


def current_work() -> Work:
    if not _installed:
        raise ConfigurationError("this process was not started as a worker; use the celery command")
    return _installed[0]
