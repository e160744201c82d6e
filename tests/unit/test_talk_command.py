"""`manage.py talk` as a person meets it: one line and its own exit code for each thing that can be wrong."""

import http.server
import os
import subprocess
import sys
import threading
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from sessions.management.commands.talk import Command
from sessions.management.redis_server import free_port

ROOT = Path(__file__).resolve().parents[2]


class Done(NamedTuple):
    returncode: int
    stderr: str


Talk = Callable[..., Done]


def talk_as_a_process(*arguments: str | Path) -> Done:
    command = [sys.executable, "manage.py", "talk", *map(str, arguments)]
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("NOVA_", "DJANGO_SECRET"))}
    environment = {**inherited, "DJANGO_SETTINGS_MODULE": "nova_site.settings"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    return Done(done.returncode, done.stderr)


@pytest.fixture
def talk(capsys: pytest.CaptureFixture[str]) -> Talk:
    """Runs the command in this process: a new one takes seconds to load the site."""

    def run(*arguments: str | Path) -> Done:
        with pytest.raises(SystemExit) as ended:
            Command().run_from_argv(["manage.py", "talk", *map(str, arguments)])
        assert isinstance(ended.value.code, int)
        return Done(ended.value.code, capsys.readouterr().err)

    return run


def assert_told(done: Done, code: int, words: str) -> None:
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (code, 1), done.stderr
    assert words in done.stderr
    assert done.stderr.startswith("CommandError: ")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "question.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(3_200))
    return path


@pytest.fixture
def refusing_url() -> Iterator[str]:
    """A server that refuses every handshake and every call, as ours does without a key."""

    class Refuse(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_error(403)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            body = b'{"code": "10401", "msg": "unknown API key", "data": null}'
            self.send_response(401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{server.server_address[1]}/v1/realtime"
        server.shutdown()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert_told(talk_as_a_process(tmp_path / "none.wav"), 2, "none.wav: No such file")


def test_a_file_that_is_no_wav_is_named(talk: Talk, tmp_path: Path) -> None:
    (tmp_path / "song.mp3").write_bytes(b"ID3 and so on")
    assert_told(talk(tmp_path / "song.mp3"), 2, "song.mp3 is no WAV file")


def test_a_missing_picture_is_named(talk: Talk, recording: Path, tmp_path: Path) -> None:
    assert_told(talk(recording, "--picture", tmp_path / "none.png"), 2, "none.png: No such file")


def test_a_picture_that_is_none_is_named(talk: Talk, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "note.png").write_text("no picture at all")
    assert_told(talk(recording, "--picture", tmp_path / "note.png"), 2, "note.png is no JPEG, PNG or WebP picture")


def test_a_picture_too_large_for_one_message_is_named(talk: Talk, recording: Path, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(b"\xff\xd8\xff" + bytes(1_048_576))
    assert_told(talk(recording, "--picture", tmp_path / "large.jpg"), 2, "large.jpg holds 1048579 bytes")


def test_a_reply_that_could_not_be_written_is_noticed_before_the_talk(
    talk: Talk, recording: Path, tmp_path: Path
) -> None:
    assert_told(talk(recording, "--out", tmp_path / "none" / "reply.wav"), 2, "there is no folder")
    assert_told(talk(recording, "--out", tmp_path), 2, "it is a folder")


def test_no_server_there_says_how_to_start_one(talk: Talk, recording: Path) -> None:
    url = f"ws://127.0.0.1:{free_port()}/v1/realtime"
    assert_told(talk(recording, "--url", url), 3, "is the server running (make run)?")


def test_an_address_of_another_kind_is_refused(talk: Talk, recording: Path) -> None:
    assert_told(talk(recording, "--url", "http://127.0.0.1/"), 3, "must begin with ws:// or wss://")


@pytest.mark.parametrize("path", ["/", "", "/nope", "/v1/realtime/"])
def test_an_address_with_another_path_is_told_the_path(talk: Talk, recording: Path, path: str) -> None:
    assert_told(talk(recording, "--url", f"ws://127.0.0.1:1{path}"), 3, "the path is /v1/realtime")


def test_a_refused_handshake_asks_for_a_key(recording: Path, refusing_url: str) -> None:
    assert_told(talk_as_a_process(recording, "--url", refusing_url), 4, "HTTP 403; give an API key with --key")


def test_a_refused_start_says_the_servers_own_words(talk: Talk, recording: Path, refusing_url: str) -> None:
    assert_told(talk(recording, "--url", refusing_url, "--graph", "voice"), 4, "unknown API key (code 10401)")
