"""A pooled connection is looked at without a turn of gevent's hub; in a process of its own, where gevent has patched."""

import subprocess
import sys

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import socket
import gevent
import urllib3.util.wait
from workers.socket_look import look_without_waiting

look_without_waiting()
wait = urllib3.util.wait.wait_for_read
ours, theirs = socket.socketpair()
others_ran = []
gevent.spawn(others_ran.append, 1)
print("quiet", wait(ours, timeout=0.0), others_ran)
print("waited", wait(ours, timeout=0.01), others_ran)
theirs.sendall(b"x")
print("readable", wait(ours, timeout=0.0))
ours.recv(1)
gevent.spawn_later(0.01, theirs.sendall, b"y")
print("came", wait(ours, timeout=5.0))
theirs.close()
print("closed", wait(ours, timeout=0.0))
"""


def test_a_look_at_a_connection_lets_no_other_greenlet_run_and_a_wait_does() -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=30, check=True
    ).stdout
    assert told.splitlines() == [
        "quiet False []",
        "waited False [1]",
        "readable True",
        "came True",
        "closed True",
    ]
