"""`manage.py serve`: one web process, HTTP and websockets, until it is told to stop."""

import argparse
import gc
import socket
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from sessions.management.web_server import WebServer


class Command(BaseCommand):
    help = "Serve HTTP and websockets; Ctrl-C or SIGTERM ends it after every client has been told."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default=None, help="address to bind to (HOST)")
        parser.add_argument("--port", type=int, default=None, help="port to bind to (PORT)")

    def handle(self, *_: Any, **options: Any) -> None:
        host = options["host"] or settings.NOVA.host
        port = options["port"] or settings.NOVA.port
        if settings.NOVA.auth == "open" and host not in ("127.0.0.1", "localhost", "::1"):
            raise CommandError(f"NOVA_AUTH=open binds to 127.0.0.1 only, not to {host}")
        check_free(host, port)
        site = settings.ASGI_APPLICATION.rpartition(".")[0]
        server = WebServer(
            import_string(settings.ASGI_APPLICATION),
            f"tcp:port={port}:interface={host.replace(':', chr(92) + ':')}",
            import_string(f"{site}.start_web_process"),
        )
        gc.collect()
        gc.freeze()
        server.run()
        if server.failure is not None:
            raise CommandError(server.failure)


def check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"cannot listen on {host}:{port} ({error.strerror}); stop what uses it, or set PORT to another port"
            ) from error
