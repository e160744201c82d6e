"""`manage.py run_local`: the whole system on one machine; Ctrl-C ends all of it."""

import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from sessions.management.commands.serve import check_free
from sessions.management.redis_server import find_redis_server, free_port, redis_command
from sessions.management.supervisor import GivenUpError, Program, Supervisor
from workers.errors import ConfigurationError

CELERY = ["-A", "nova_site", "worker", "--without-gossip", "--without-mingle", "--without-heartbeat"]


class Command(BaseCommand):
    help = "Start Redis (unless REDIS_URL is set), migrate, start the web process and both workers; Ctrl-C ends all."

    def handle(self, *_: Any, **options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        supervisor = Supervisor(self._say)
        try:
            self._start(supervisor)
            while True:
                supervisor.revive()
                time.sleep(0.2)
        except KeyboardInterrupt:
            self.stdout.write("\nstopping ...")
        except (GivenUpError, ConfigurationError) as error:
            raise CommandError(error.text) from error
        finally:
            supervisor.stop()
        self.stdout.write("all processes have ended")

    def _start(self, supervisor: Supervisor) -> None:
        nova = settings.NOVA
        check_free(nova.host, nova.port)
        environment = self._environment()
        self._start_redis(supervisor, environment)
        call_command("migrate", verbosity=0)
        for program in _programs(environment):
            supervisor.start(program)
        supervisor.wait_until_ready()
        providers = os.environ.get("NOVA_PROVIDERS", "aws")
        self.stdout.write(self.style.SUCCESS(f"\nNova Realtime is ready ({providers} providers):"))
        self.stdout.write(f"\n    http://{nova.host}:{nova.port}/\n\nCtrl-C ends it.\n")

    def _environment(self) -> dict[str, str]:
        """The children's; the secret key is kept in .run, so that tickets and logins outlive a restart."""
        environment = dict(os.environ)
        if "DJANGO_SECRET_KEY" not in environment:
            environment["DJANGO_SECRET_KEY"] = _kept_secret(Path(settings.BASE_DIR) / ".run" / "secret_key")
        environment["PYTHONUNBUFFERED"] = "1"
        # Celery refuses nothing but warns at length when root runs it; containers of a laptop do.
        environment.setdefault("PYTHONWARNINGS", "ignore::celery.exceptions.SecurityWarning")
        return environment

    def _start_redis(self, supervisor: Supervisor, environment: dict[str, str]) -> None:
        if os.environ.get("REDIS_URL"):
            return
        find_redis_server()
        port = free_port()
        command = redis_command(port, Path(settings.BASE_DIR) / ".run")
        supervisor.start(Program("redis", command, environment, "Ready to accept connections"))
        supervisor.wait_until_ready()
        environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"

    def _say(self, line: str) -> None:
        """Redis's own chatter is left out; everything else a process prints is shown."""
        if not line.startswith("[redis]") or "#" in line:
            self.stdout.write(line)
            self.stdout.flush()


def _programs(environment: dict[str, str]) -> list[Program]:
    celery = str(Path(sys.executable).parent / "celery")
    talking = ["--pool", "gevent", "--concurrency", "100", "--queues", "reply,speech", "-n", "talking@%h"]
    seeing = ["--pool", "prefork", "--concurrency", "2", "--queues", "vision", "-n", "seeing@%h"]
    return [
        Program("talking", [celery, *CELERY, *talking], environment, "talking@"),
        Program("seeing", [celery, *CELERY, *seeing], environment, "seeing@"),
        Program("web", [sys.executable, "manage.py", "serve"], environment, "web_process_started"),
    ]


def _kept_secret(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
