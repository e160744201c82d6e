"""MD-12 with a real vision worker: a child that hangs or dies over a picture is told of, and the next one works."""

import io
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from celery import Celery
from PIL import Image

from tests.house import CELERY, SEEING, Process
from tests.unit import hostile_eye
from tests.unit.hostile_eye import HANGS, KILLS
from workers.streams import keys
from workers.streams.codec import output_from_fields, to_json
from workers.streams.messages import Address, FrameKept, FrameRequest, OutputEntry, WorkFailed
from workers.streams.redis_clients import command_client

OUTPUT = "nova:output:test"
WAIT_SECONDS = 30
Found = TypeVar("Found")


class Worker:
    """The worker with one child, and the web process's end of it."""

    def __init__(self, redis_url: str, folder: Path) -> None:
        environment = {**os.environ, "REDIS_URL": redis_url, "NOVA_PROVIDERS": "local"}
        celery = str(Path(sys.executable).with_name("celery"))
        command = [celery, *CELERY, *SEEING, "-n", "md12@%h", "--include", hostile_eye.__name__]
        self._process = Process("seer", command, environment, folder)
        self._broker = Celery("asking", broker=redis_url)
        self._client = command_client(redis_url)
        self._process.start()
        self._process.wait_for_log(" ready.")

    def close(self) -> None:
        self._process.stop()
        self._broker.close()
        self._client.close()

    def ask(self, frame_id: str, image: bytes) -> None:
        self._client.set(keys.raw_frame(frame_id), image)
        request = FrameRequest(Address("sess", 1, frame_id, OUTPUT), "camera", 1)
        self._client.set(keys.frame_request(frame_id), to_json(request))
        self._broker.send_task("workers.compress_frame", args=[frame_id], queue="vision", ignore_result=True)

    def answer(self, frame_id: str) -> OutputEntry:
        def found() -> OutputEntry | None:
            told: Any = self._client.xrange(OUTPUT)
            entries = [output_from_fields(fields) for _, fields in told]
            return next((entry for entry in entries if entry.reply_id == frame_id), None)

        return self._until(found)

    def _until(self, find: Callable[[], Found | None]) -> Found:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            found = find()
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError(f"nothing happened\n{self._process.log()[-2000:]}")


@pytest.fixture(scope="module")
def worker(redis_server_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    made = Worker(redis_server_url, tmp_path_factory.mktemp("md12"))
    yield made
    made.close()


def photo() -> bytes:
    picture = io.BytesIO()
    Image.new("RGB", (64, 36), "red").save(picture, "JPEG")
    return picture.getvalue()


@pytest.mark.parametrize("image", [KILLS, HANGS])
def test_md_12_a_picture_that_ends_its_decoder_is_rejected_and_the_next_is_seen(worker: Worker, image: bytes) -> None:
    name = image.split()[-1].decode()
    worker.ask(f"bad-{name}", image)
    worker.ask(f"good-{name}", photo())
    refused = worker.answer(f"bad-{name}")
    assert isinstance(refused, WorkFailed)
    assert (refused.stage, refused.code) == ("frame", "image_rejected")
    assert isinstance(worker.answer(f"good-{name}"), FrameKept)
