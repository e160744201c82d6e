"""`manage.py serve`: the web processes, HTTP and websockets, until they are told to stop."""

import argparse
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from sessions.management.listening import check_free
from sessions.management.supervisor import GivenUpError, Supervisor, interrupt_on_signals
from sessions.management.web_processes import shared_endpoint, web_programs
from sessions.management.web_server import WebServer
from workers.errors import ConfigurationError
from workers.garbage import settle_garbage


class Command(BaseCommand):
    help = "Serve HTTP and websockets; Ctrl-C or SIGTERM ends it after every client has been told."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--host", default=None, help="address to bind to (HOST)")
        parser.add_argument("--port", type=int, default=None, help="port to bind to (PORT)")
        parser.add_argument("--shared", action="store_true", help="be one of WEB_PROCESSES that share the port")

    def handle(self, *_: Any, **options: Any) -> None:
        host = options["host"] or settings.NOVA.host
        port = options["port"] or settings.NOVA.port
        if settings.NOVA.auth == "open" and host not in ("127.0.0.1", "localhost", "::1"):
            raise CommandError(f"NOVA_AUTH=open binds to 127.0.0.1 only, not to {host}")
        if options["shared"]:
            _serve(_shared_endpoint(host, port), port)
            return
        try:
            check_free(host, port)
        except ConfigurationError as error:
            raise CommandError(error.text) from error
        if settings.NOVA.web_processes > 1:
            self._keep_several(host, port)
        else:
            _serve(f"tcp:port={port}:interface={host.replace(':', chr(92) + ':')}", port)

    def _keep_several(self, host: str, port: int) -> None:
        """The children must sign tickets with one key, also where it was made up for this run."""
        environment = {**os.environ, "DJANGO_SECRET_KEY": settings.SECRET_KEY, "PYTHONUNBUFFERED": "1"}
        manage = Path(settings.BASE_DIR) / "manage.py"
        interrupt_on_signals()
        supervisor = Supervisor(self._say)
        try:
            for program in web_programs(manage, environment, host, port, settings.NOVA.web_processes):
                supervisor.start(program)
            supervisor.keep_alive()
        except KeyboardInterrupt:
            pass
        except GivenUpError as error:
            raise CommandError(error.text) from error
        finally:
            supervisor.stop()

    def _say(self, name: str, line: str) -> None:
        """The lines of the children as they are: logs are JSON, one entry a line."""
        self.stdout.write(line)
        self.stdout.flush()


def _serve(endpoint: str, port: int) -> None:
    site = settings.ASGI_APPLICATION.rpartition(".")[0]
    start_process = import_string(f"{site}.start_web_process")
    server = WebServer(import_string(settings.ASGI_APPLICATION), endpoint, port, start_process)
    settle_garbage()
    server.run()
    if server.failure is not None:
        raise CommandError(server.failure)


def _shared_endpoint(host: str, port: int) -> str:
    try:
        return shared_endpoint(host, port)
    except ConfigurationError as error:
        raise CommandError(error.text) from error
    except OSError as error:
        raise CommandError(f"cannot listen on {host}:{port} ({error.strerror})") from error
