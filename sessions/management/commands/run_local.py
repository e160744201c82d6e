"""`manage.py run_local`: the whole system on one machine; Ctrl-C ends all of it."""

import argparse
import contextlib
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from sessions.management.first_checks import check_settings
from sessions.management.listening import check_free
from sessions.management.operators import LOCAL_PASSWORD_FILE, local_operator
from sessions.management.private_folder import keep_private
from sessions.management.redis_server import free_port, redis_command, wait_for_redis
from sessions.management.running import RunningFile
from sessions.management.supervisor import GivenUpError, Program, Supervisor, interrupt_on_signals
from sessions.management.web_processes import web_programs
from sessions.settings import WebSettings
from workers.errors import ConfigurationError

NAME_WIDTH = 7
CELERY_OPTIONS = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
TALKING = ["--pool", "gevent", "--concurrency", "200", "--queues", "reply,speech", "-n", "talking@%h"]
SEEING = ["--pool", "prefork", "--concurrency", "2", "--queues", "vision", "-n", "seeing@%h"]
# Celery says this at every start as root, in eight lines; whoever runs a laptop's container as root has chosen to.
ROOT_WARNING = "ignore:You're running the worker"


class Command(BaseCommand):
    help = "Start Redis (unless REDIS_URL is set), migrate, start the web processes and both workers; Ctrl-C ends all."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        own = Path(settings.BASE_DIR) / ".run"
        parser.add_argument("--folder", type=Path, default=own, help="what outlives a restart is kept here (.run)")

    def handle(self, *_: Any, **options: Any) -> None:
        interrupt_on_signals()
        supervisor = Supervisor(self._say)
        try:
            with contextlib.ExitStack() as until_the_end:
                self._start(supervisor, options["folder"], until_the_end)
                supervisor.keep_alive()
        except KeyboardInterrupt:
            self._say("", "\nstopping ...")
        except (GivenUpError, ConfigurationError) as error:
            raise CommandError(error.text) from error
        finally:
            supervisor.stop()
        self._say("", "all processes have ended")

    def _start(self, supervisor: Supervisor, folder: Path, until_the_end: contextlib.ExitStack) -> None:
        """The workers need no database, so they start while the migrations run."""
        nova = settings.NOVA
        check_free(nova.host, nova.port)
        check_settings(nova)
        keep_private(folder)
        environment = _environment(folder)
        self._say("", "starting ...")
        _start_redis(supervisor, environment, folder)
        until_the_end.enter_context(contextlib.closing(_running_file(folder, environment, nova.port)))
        for program in _workers(environment):
            supervisor.start(program)
        call_command("migrate", verbosity=0)
        manage = Path(settings.BASE_DIR) / "manage.py"
        for program in web_programs(manage, environment, nova.host, nova.port, nova.web_processes):
            supervisor.start(program)
        supervisor.wait_until_ready()
        name, password = local_operator(folder)
        self._say(
            "",
            f"\nOperators sign in at /admin/ as {name} with {password} (kept in {folder.name}/{LOCAL_PASSWORD_FILE})",
        )
        self._say("", f"\nNova Realtime is ready ({_providers(nova)}). Ctrl-C ends it. Its page:\n")
        self._say("", self.style.SUCCESS(f"    http://{_shown_host(nova.host)}:{nova.port}/\n"))

    def _say(self, name: str, line: str) -> None:
        """Called from several threads: one write a line."""
        self.stdout.write(f"{name:<{NAME_WIDTH}} | {line}" if name else line)
        self.stdout.flush()


def _environment(folder: Path) -> dict[str, str]:
    """The children's; the secret key is kept in .run, so that tickets and logins outlive a restart."""
    environment = dict(os.environ)
    if "DJANGO_SECRET_KEY" not in environment:
        environment["DJANGO_SECRET_KEY"] = _kept_secret(folder / "secret_key")
    environment["PYTHONUNBUFFERED"] = "1"
    environment.setdefault("PYTHONWARNINGS", ROOT_WARNING)
    return environment


def _running_file(folder: Path, environment: dict[str, str], port: int) -> RunningFile:
    try:
        return RunningFile(folder, {**environment, "PORT": str(port)})
    except BlockingIOError:
        raise ConfigurationError(f"another run on port {port} has begun in {folder.name}; stop it first") from None


def _start_redis(supervisor: Supervisor, environment: dict[str, str], folder: Path) -> None:
    """Ours on a free port, or the one of REDIS_URL, which has to answer."""
    if environment.get("REDIS_URL"):
        wait_for_redis(environment["REDIS_URL"])
        return
    port = free_port()
    command = redis_command(port, folder)
    supervisor.start(
        Program("redis", command, environment, "Ready to accept connections", outlives=True, is_shown=False)
    )
    supervisor.wait_until_ready()
    environment["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"


def _workers(environment: dict[str, str]) -> list[Program]:
    celery = [str(Path(sys.executable).parent / "celery"), "--quiet", "-A", "nova_site", "worker", *CELERY_OPTIONS]
    return [
        Program("talking", [*celery, *TALKING], environment, " ready."),
        Program("seeing", [*celery, *SEEING], environment, " ready."),
    ]


def _providers(nova: WebSettings) -> str:
    paths = (nova.speech_to_text, nova.language_model, nova.text_to_speech)
    return ", ".join(path.rpartition(".")[2] for path in paths)


def _shown_host(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - recognised, not bound to
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def _kept_secret(path: Path) -> str:
    if not path.exists():
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(50))
    return path.read_text().strip()
