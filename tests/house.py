"""The whole system as real processes for journeys and benchmarks: Redis, emulator, web processes, both workers."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from sessions.management.redis_server import free_port, redis_command, wait_for_redis
from tests.aws_emulator.process import EmulatorProcess

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS = 60.0
API_KEY = "journey-key-0123456789"
SECRETS = {
    "DJANGO_SECRET_KEY": "journeys-only-" * 4,
    "AGORA_APP_CERTIFICATE": "c4a9a127c4a9a127c4a9a127c4a9a127",
    "AWS_SESSION_TOKEN": "journeys-session-token/9876543210+",
}
"""Canaries, as every key of the house is: the house does not end well when one of them stands in a log (DB-08)."""
AGORA_APP_ID = "0123456789abcdef0123456789abcdef"
CELERY = [
    "-A",
    "nova_site",
    "worker",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
    "-l",
    "INFO",
]
TALKING = ["--pool", "gevent", "--concurrency", "200", "--queues", "reply,speech"]
SEEING = ["--pool", "prefork", "--concurrency", "1", "--queues", "vision"]


class HouseError(RuntimeError):
    """A process did not start or did not become ready; the text ends with the tail of its log."""


class Process:
    """One child in its own process group, its output in a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._command = command
        self._environment = environment
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None
        return self._child.pid

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self._child = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log, start_new_session=True
            )

    def is_running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def kill(self) -> None:
        """SIGKILL to the whole group, as the kernel or an operator's mistake would."""
        if self._child is not None:
            self._signal(signal.SIGKILL)
            self._child.wait(10)

    def stop(self) -> None:
        if self._child is None or self._child.poll() is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            self._child.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait_for_log(self, text: str, times: int = 1) -> None:
        self._wait(lambda: self.log().count(text) >= times, f"its log to say {text!r}")

    def wait_for_url(self, url: str) -> None:
        self._wait(lambda: _answers(url), url)

    def _wait(self, is_true: "object", what: str) -> None:
        assert callable(is_true)
        deadline = time.monotonic() + START_SECONDS
        while not is_true():
            if not self.is_running():
                raise HouseError(f"{self.name} ended while waiting for {what}\n{self.log()[-3000:]}")
            if time.monotonic() > deadline:
                raise HouseError(f"{self.name}: waited {START_SECONDS:.0f} s for {what}\n{self.log()[-3000:]}")
            time.sleep(0.05)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


class House:
    """`with House() as house:`; `providers` "aws" talks to the emulator, "local" to the offline stand-ins."""

    def __init__(
        self,
        providers: str = "aws",
        webs: int = 1,
        settings: dict[str, str] | None = None,
        database_url: str | None = None,
    ) -> None:
        self._providers = providers
        self._web_count = webs
        self._settings = settings or {}
        self._database_url = database_url
        self._stack = ExitStack()
        self.processes: list[Process] = []
        self.webs: list[Process] = []
        self.ports: list[int] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        leaks = {process.name: self.canaries_in(process.log()) for process in self.processes}
        self._stack.close()
        leaks = {name: canaries for name, canaries in leaks.items() if canaries}
        if leaks and kind is None:
            raise HouseError(f"DB-08: a secret stands in the log: {leaks}")

    def canaries_in(self, text: str) -> list[str]:
        """The names of the variables whose values, or one of them, the text holds."""
        return [name for name, secret in self._canaries() if secret in text]

    def _canaries(self) -> Iterator[tuple[str, str]]:
        for name in (*SECRETS, "NOVA_API_KEYS", "AWS_SECRET_ACCESS_KEY"):
            for value in self.environment.get(name, "").split(","):
                if value:
                    yield name, value

    def metrics(self) -> dict[str, str]:
        """The page of each process that has a port, by the process's name."""
        pages = {}
        for process in self.processes:
            served = re.search(r'"port": (\d+), "event": "metrics_served"', process.log())
            if served is not None:
                with urllib.request.urlopen(f"http://127.0.0.1:{served[1]}/metrics", timeout=5) as page:
                    pages[process.name] = page.read().decode()
        return pages

    def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nova-house-")))
        self.aws = EmulatorProcess()
        if self._providers == "aws":
            self._stack.enter_context(self.aws)
        self._start_redis()
        self.environment = self._make_environment()
        self.talker = self.add("talker", [_celery(), *CELERY, *TALKING, "-n", "talker@%h"])
        self.seer = self.add("seer", [_celery(), *CELERY, *SEEING, "-n", "seer@%h"])
        # While the workers start: they know no database.
        self._run_manage("migrate", "-v0")
        for number in range(self._web_count):
            port = free_port()
            self.ports.append(port)
            command = [sys.executable, "manage.py", "serve", "--port", str(port)]
            self.webs.append(self.add(f"web{number}", command))
        self._wait_until_ready()

    def _start_redis(self) -> None:
        port = free_port()
        self.redis_url = f"redis://127.0.0.1:{port}/0"
        self.redis_process = Process("redis", redis_command(port, self.folder), dict(os.environ), self.folder)
        self.start_redis()
        self._stack.callback(self.redis_process.stop)

    def start_redis(self) -> None:
        self.redis_process.start()
        wait_for_redis(self.redis_url)

    def _make_environment(self) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NOVA_", "AWS_"))}
        return {**inherited, **self._own_environment()}

    def _own_environment(self) -> dict[str, str]:
        """The emulator hears tones, which Silero rightly takes for no voice."""
        emulated = {**self.aws.env(), "NOVA_VOICE_ACTIVITY": "energy"} if self._providers == "aws" else {}
        database_url = self._database_url or f"sqlite:///{self.folder}/nova.sqlite3"
        own = {
            "REDIS_URL": self.redis_url,
            "NOVA_TRANSCRIBE_STREAMS_QUOTA": "1000",
            "NOVA_TRANSCRIBE_STARTS_PER_SECOND": "1000",
            "DATABASE_URL": database_url,
            "NOVA_PROVIDERS": self._providers,
            "NOVA_AUTH": "required",
            "NOVA_API_KEYS": API_KEY,
            "AGORA_APP_ID": AGORA_APP_ID,
            **SECRETS,
            "DJANGO_SETTINGS_MODULE": "nova_site.settings",
            "HOST": "127.0.0.1",
            "NOVA_CALLS_PER_MINUTE": "100000",
            "NOVA_METRICS_PORT": "0",
            "NOVA_POLLY_LIMITS": "generative=10000/10000,neural=10000/10000",
        }
        return {**emulated, **own, **self._settings}

    def add(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, self.environment, self.folder)
        process.start()
        self.processes.append(process)
        self._stack.callback(process.stop)
        return process

    def _run_manage(self, *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, timeout=60)
        if done.returncode:
            raise HouseError(done.stderr.decode()[-3000:])

    def _wait_until_ready(self) -> None:
        self.talker.wait_for_log("talker@")
        self.talker.wait_for_log(" ready.")
        self.seer.wait_for_log(" ready.")
        for web, url in zip(self.webs, self.urls, strict=True):
            web.wait_for_url(f"{url}/readyz")

    @property
    def urls(self) -> list[str]:
        return [f"http://127.0.0.1:{port}" for port in self.ports]

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/v1/realtime"

    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, socket_timeout=5)


def _celery() -> str:
    return str(Path(sys.executable).parent / "celery")
