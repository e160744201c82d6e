"""Whether a pooled connection is still open, asked of the system and not of gevent's hub.

Before each request urllib3 polls its connection with a timeout of zero. gevent's poll answers that with a whole turn of
its hub: whatever other greenlets had to do came before the request, a millisecond at the median of a turn.
"""

import select
import socket
from typing import Any

import gevent.monkey
import urllib3.util.wait

_now_poll: Any = gevent.monkey.get_original("select", "poll")


def look_without_waiting() -> None:
    """Once a process; urllib3 keeps its way of waiting in a global of its own and chooses it at the first request."""
    urllib3.util.wait.wait_for_socket = _wait_for_socket


def _wait_for_socket(
    sock: socket.socket, read: bool = False, write: bool = False, timeout: float | None = None
) -> bool:
    if timeout != 0:
        return urllib3.util.wait.poll_wait_for_socket(sock, read, write, timeout)
    look = _now_poll()
    look.register(sock, (select.POLLIN if read else 0) | (select.POLLOUT if write else 0))
    return bool(look.poll(0))
