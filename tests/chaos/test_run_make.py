"""`manage.py run_local` as `make run` starts it: one clear line and code 1 when something is wrong, and a spoken talk."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sessions.management.redis_server import free_port
from sessions.management.talking_sound import read_recording
from tests.house import Process
from tests.voice import write_question

# Each test starts and ends the whole system: minutes that belong beside the faults, not into the quick suite.
pytestmark = pytest.mark.chaos

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
QUESTION = "What is twelve times three?"


def environment(folder: Path, **settings: str) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NOVA_", "AWS_", "DJANGO_"))}
    inherited.pop("REDIS_URL", None)
    own = {
        "NOVA_AUTH": "open",
        "NOVA_PROVIDERS": "local",
        "NOVA_LOG_FORMAT": "console",
        "DATABASE_URL": f"sqlite:///{folder}/nova.sqlite3",
        "PORT": str(free_port()),
    }
    return {**inherited, **own, **settings}


def manage(folder: Path, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment(folder, **settings), capture_output=True, text=True, timeout=110
    )


def assert_refused(done: "subprocess.CompletedProcess[str]", words: str) -> None:
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"NOVA_AUTH": "nonsense"}, "NOVA_AUTH: Input should be 'required' or 'open'"),
        ({"PORT": "high"}, "PORT: "),
        ({"NOVA_TEXT_TO_SPEECH": "parrot"}, "NOVA_TEXT_TO_SPEECH='parrot': must be aws, local or a dotted path"),
        (
            {"NOVA_PRICES": "/no/such/table.json"},
            "NOVA_PRICES=/no/such/table.json: no table of prices (cannot be read)",
        ),
        ({"NOVA_PRICES": "pyproject.toml"}, "NOVA_PRICES=pyproject.toml: no table of prices (1 wrong fields)"),
        ({"NOVA_SPEECH_TO_TEXT": "sessions.none.Ear"}, "NOVA_SPEECH_TO_TEXT: cannot load 'sessions.none.Ear'"),
        ({"NOVA_LANGUAGE_MODEL": "no.such.Class"}, "NOVA_LANGUAGE_MODEL: cannot load 'no.such.Class'"),
        ({"NOVA_TEXT_TO_SPEECH": "json.dumps"}, "NOVA_TEXT_TO_SPEECH: 'json.dumps' is no class"),
        ({"DATABASE_URL": "oracle://x"}, "DATABASE_URL: must start with one of sqlite://"),
        ({"REDIS_URL": "http://x"}, "REDIS_URL: must start with redis://"),
        ({"HOST": "0.0.0.0"}, "NOVA_AUTH=open binds to 127.0.0.1 only, but HOST is 0.0.0.0"),  # noqa: S104 - refused
    ],
)
def test_a_wrong_setting_is_named_in_one_line(tmp_path: Path, settings: dict[str, str], words: str) -> None:
    done = manage(tmp_path, "run_local", **settings)
    assert_refused(done, words)
    assert "starting ..." not in done.stdout


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(manage(tmp_path, "run_local", PORT=str(port)), f"cannot listen on 127.0.0.1:{port}")


def test_a_redis_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}/0"
    assert_refused(manage(tmp_path, "run_local", REDIS_URL=url), "REDIS_URL")


def test_a_part_that_keeps_dying_ends_the_run_with_one_line(tmp_path: Path) -> None:
    done = manage(tmp_path, "run_local", NOVA_SPEECH_TO_TEXT="json.JSONDecodeError")
    assert_refused(done, "web keeps dying")
    assert "'json.JSONDecodeError' cannot be made with the settings" in done.stderr
    assert "all processes have ended" not in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("run_local")
    settings = environment(folder)
    process = Process("run_local", [sys.executable, "manage.py", "run_local"], settings, folder)
    process.start()
    try:
        process.wait_for_log(f"http://127.0.0.1:{settings['PORT']}/")
        yield process, settings
    finally:
        process.stop()


def test_the_address_is_the_last_line_of_the_start(running: tuple[Process, dict[str, str]]) -> None:
    process, settings = running
    start = process.log().partition("session started")[0].strip()
    assert start.splitlines()[-1].strip() == f"http://127.0.0.1:{settings['PORT']}/"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(("reap",), "idle sessions ended"), (("erase_session", "sess_none"), "sess_none: nothing is kept of it")],
)
def test_a_command_beside_it_finds_its_redis(
    running: tuple[Process, dict[str, str]], arguments: tuple[str, ...], words: str
) -> None:
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=running[1], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert words in done.stdout


def test_celerys_banner_and_its_warnings_are_not_shown(running: tuple[Process, dict[str, str]]) -> None:
    process, _ = running
    for noise in ("[config]", "superuser privileges", "pidbox", "Invalid -W option", "oO0OoO0OoO0Oo"):
        assert noise not in process.log()


def test_a_talk_prints_both_sides_and_writes_the_reply(running: tuple[Process, dict[str, str]], tmp_path: Path) -> None:
    _, settings = running
    question, reply = write_question(tmp_path / "question.wav", QUESTION), tmp_path / "reply.wav"
    command = [sys.executable, "manage.py", "talk", str(question), "--out", str(reply), "--graph", "voice"]
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    user = " ".join(line for line in done.stdout.splitlines() if "  you  " in line)
    assert len([word for word in ("what", "twelve", "times", "three") if word in user]) >= 2, user
    assert "  agent  " in done.stdout
    assert "your last sound, first speech here" in done.stdout
    assert max(abs(sample) for sample in memoryview(read_recording(reply).pcm).cast("h")) > 1_000


def test_the_python_example_of_the_readme_gets_an_answer(running: tuple[Process, dict[str, str]]) -> None:
    (example,) = re.findall(r"```python\n(.+?)```", README, re.DOTALL)
    code = example.replace("127.0.0.1:8000", f"127.0.0.1:{running[1]['PORT']}")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert "36" in done.stdout, done.stderr


def test_the_curl_examples_of_the_readme_succeed(running: tuple[Process, dict[str, str]]) -> None:
    calls = re.findall(r"^curl -s http://127\.0\.0\.1:8000(\S+) -H '(\S+): (\S+)' -d '(.+)'$", README, re.MULTILINE)
    assert len(calls) == README.count("curl -s ")
    for path, name, value, body in calls:
        url = f"http://127.0.0.1:{running[1]['PORT']}{path}"
        with urllib.request.urlopen(urllib.request.Request(url, body.encode(), {name: value}), timeout=20) as answer:
            assert json.load(answer)["code"] == "0", path


def test_ctrl_c_ends_every_process_and_is_no_failure(tmp_path: Path) -> None:
    settings = environment(tmp_path)
    command = [sys.executable, "manage.py", "run_local"]
    with subprocess.Popen(command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        address = f"http://127.0.0.1:{settings['PORT']}/"
        assert any(address in line for line in run.stdout)
        family = psutil.Process(run.pid).children(recursive=True)
        run.send_signal(signal.SIGINT)
        rest = run.stdout.read()
        assert run.wait(60) == 0
        assert psutil.wait_procs(family, timeout=20)[1] == []
    assert "Traceback" not in rest
    assert rest.strip().splitlines()[-1] == "all processes have ended"
