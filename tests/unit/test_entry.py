"""The image's entry: which process a command becomes, and what its health check says."""

import http.server
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from nova_site import entry
from workers.worker_beat import PAUSE_SECONDS, WorkerBeat


class Became(Exception):  # noqa: N818 - an exec does not return either
    """With the command that the entry would have become."""


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(_: str, command: list[str]) -> None:
        raise Became(command)

    monkeypatch.setattr("os.execv", execute)
    monkeypatch.setattr("os.chdir", lambda _: None)


@pytest.fixture
def beat_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "worker.beat"
    monkeypatch.setenv("NOVA_WORKER_BEAT_FILE", str(path))
    return path


def command_of(*arguments: str) -> list[str]:
    with pytest.raises(Became) as caught:
        entry.main(list(arguments))
    command: list[str] = caught.value.args[0]
    return command


@pytest.mark.parametrize(
    ("arguments", "managed"),
    [
        (["web"], ["serve"]),
        (["migrate"], ["migrate", "--noinput"]),
        (["drain"], ["drain"]),
        (["housekeeping"], ["housekeeping"]),
        (["manage", "check", "--deploy"], ["check", "--deploy"]),
    ],
)
@pytest.mark.usefixtures("became")
def test_a_command_becomes_one_of_manage_py(arguments: list[str], managed: list[str]) -> None:
    command = command_of(*arguments)
    assert command[1:] == [str(entry.ROOT / "manage.py"), *managed]


@pytest.mark.usefixtures("became")
def test_talking_workers_get_the_gevent_pool_and_seeing_ones_processes(beat_file: Path) -> None:
    talking, seeing = command_of("worker", "reply", "speech"), command_of("worker", "vision", "--slots", "3")
    assert talking[1] == seeing[1] == entry.CELERY
    assert " ".join(talking).endswith("--pool gevent --concurrency 200 --queues reply,speech -n talking@%h")
    assert " ".join(seeing).endswith("--pool prefork --concurrency 3 --queues vision -n seeing@%h")


@pytest.mark.parametrize("arguments", [["vision", "reply"], ["reply", "--slots", "0"]])
def test_a_worker_that_could_not_work_is_refused(arguments: list[str], beat_file: Path) -> None:
    with pytest.raises(SystemExit, match="nova worker: "):
        entry.main(["worker", *arguments])


def test_a_worker_is_well_while_its_loop_turns(beat_file: Path) -> None:
    WorkerBeat(beat_file).turned()
    assert entry.health("worker", is_live_enough=False) == 0
    assert entry.health(None, is_live_enough=False) == 0


def test_a_worker_without_a_broker_lives_but_is_not_ready(beat_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beat = WorkerBeat(beat_file)
    beat.turned()
    beat.connecting()
    assert entry.health("worker", is_live_enough=True) == 0
    assert entry.health("worker", is_live_enough=False) == 1
    assert capsys.readouterr().out == "the worker is connecting\n"


def test_a_worker_that_leaves_is_not_ready_again(beat_file: Path) -> None:
    beat = WorkerBeat(beat_file)
    beat.leaving()
    beat.turned()
    assert entry.health("worker", is_live_enough=False) == 1
    assert beat_file.read_text().startswith("leaving ")


@pytest.mark.parametrize(
    ("age_seconds", "is_live", "is_ready"), [(5, True, True), (20, True, False), (40, False, False)]
)
def test_an_old_beat_costs_readiness_first_and_then_the_life(
    beat_file: Path, age_seconds: float, is_live: bool, is_ready: bool
) -> None:
    beat_file.write_text(f"ready {time.monotonic() - age_seconds}")
    assert (entry.health("worker", is_live_enough=True) == 0) is is_live
    assert (entry.health("worker", is_live_enough=False) == 0) is is_ready


@pytest.mark.parametrize("text", [None, "", "ready", "ready soon"])
def test_no_beat_or_half_a_beat_is_no_life(beat_file: Path, text: str | None) -> None:
    if text is not None:
        beat_file.write_text(text)
    assert entry.health("worker", is_live_enough=True) == 1


def test_a_beat_is_written_at_most_once_a_second(beat_file: Path) -> None:
    beat = WorkerBeat(beat_file)
    beat.turned()
    written = beat_file.read_text()
    for _ in range(100):
        beat.turned()
    assert beat_file.read_text() == written
    assert PAUSE_SECONDS >= 1


def test_a_beat_that_cannot_be_written_ends_nothing(tmp_path: Path) -> None:
    beat = WorkerBeat(tmp_path / "no such folder" / "worker.beat")
    beat.turned()
    beat.connecting()


class _Door(http.server.BaseHTTPRequestHandler):
    """Alive, but not ready."""

    def do_GET(self) -> None:
        body = b'{"reason": "redis"}'
        self.send_response(200 if self.path == "/livez" else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = http.server.HTTPServer(("127.0.0.1", 0), _Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("HOST", "0.0.0.0")  # noqa: S104 - as the image has it
    monkeypatch.setenv("PORT", str(server.server_port))
    yield
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.usefixtures("door", "beat_file")
def test_a_web_process_is_asked_on_loopback_and_its_reason_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.health(None, is_live_enough=True) == 0
    assert entry.health(None, is_live_enough=False) == 1
    assert capsys.readouterr().out == '/readyz answered 503: {"reason": "redis"}\n'


def test_a_web_process_that_is_not_there_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOST", "127.0.0.1")
    monkeypatch.setenv("PORT", "1")
    assert entry.health("web", is_live_enough=True) == 1
