"""`manage.py drain`: lets the web processes of this machine's port come to an end of their talks, before they are stopped."""

import argparse
import contextlib
import os
import signal
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions.management.web_files import FoundWeb, find_webs

LOOK_SECONDS = 0.1
EXTRA_SECONDS = 2.0


class Command(BaseCommand):
    help = (
        "Ask the web processes on this machine's PORT to drain (NOVA_DRAIN_SECONDS) and wait until they have. "
        "Kubernetes calls it before SIGTERM. Exit code 1: there is no web process."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="the web processes' port (PORT)")

    def handle(self, *_: Any, **options: Any) -> None:
        port = options["port"] or settings.NOVA.port
        webs = find_webs(port)
        if not webs:
            raise CommandError(f"no web process of port {port} was found on this machine; give --port, or set PORT")
        for web in webs:
            with contextlib.suppress(ProcessLookupError):
                os.kill(web.pid, signal.SIGUSR1)
        left = _wait(webs, settings.NOVA.drain_seconds + EXTRA_SECONDS)
        self.stdout.write(f"{len(webs) - len(left)} of {len(webs)} web processes have drained")


def _wait(webs: list[FoundWeb], limit_seconds: float) -> list[FoundWeb]:
    """Those that have neither drained nor ended in time."""
    deadline = time.monotonic() + limit_seconds
    while (left := [web for web in webs if not web.is_drained and web.is_alive]) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
    return left
