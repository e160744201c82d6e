"""The work of the vision task on real pictures and a real Redis: kept, skipped, drawn as a mosaic, refused."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
import redis
from PIL import Image, ImageDraw, ImageFont

from tests.unit.written_reply import Written
from workers.errors import PictureRejectedError
from workers.language_model.contract import FrameSource
from workers.seeing import Eye
from workers.streams import keys
from workers.streams.codec import output_fields, output_from_fields, to_json, vision_request_from_json
from workers.streams.kept_pictures import forget_session, load
from workers.streams.messages import (
    Address,
    FrameKept,
    FrameRequest,
    FrameSkipped,
    MosaicCell,
    MosaicKept,
    MosaicRequest,
)
from workers.streams.redis_clients import command_client
from workers.work import SeeingWork

LITE = "us.amazon.nova-lite-v1:0"


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with command_client(redis_url) as client:
        yield client


def photo(seed: int = 0, width: int = 1_280, height: int = 720) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def jpeg(picture: Image.Image, quality: int = 80) -> bytes:
    written = io.BytesIO()
    picture.save(written, "JPEG", quality=quality)
    return written.getvalue()


def address(name: str) -> Address:
    return Address("sess", 1, name, "out")


def asked(
    name: str, previous: FrameKept | None = None, source: FrameSource = "camera", side: int = 896
) -> FrameRequest:
    if previous is None:
        return FrameRequest(address(name), source, 5, max_side_px=side)
    return FrameRequest(address(name), source, 5, previous.reply_id, previous.signature, max_side_px=side)


def looked(client: "redis.Redis", request: FrameRequest, image: bytes) -> FrameKept:
    entry = Eye(client).look(request, image)
    assert isinstance(entry, FrameKept)
    return entry


def kept(client: "redis.Redis", name: str) -> Image.Image:
    (data,) = load(client, [keys.kept_frame(name)]).values()
    return Image.open(io.BytesIO(data))


def test_a_first_frame_is_kept_small_and_wholly_new(client: "redis.Redis") -> None:
    entry = looked(client, asked("a"), jpeg(photo()))
    assert (entry.width_px, entry.height_px, entry.change) == (800, 450, 1.0)
    assert kept(client, "a").size == (800, 450)
    assert entry.size_bytes == client.strlen(keys.kept_frame("a"))


def test_a_frame_like_the_one_before_is_skipped_and_its_key_leads_there(client: "redis.Redis") -> None:
    first = looked(client, asked("a"), jpeg(photo()))
    entry = Eye(client).look(asked("b", first), jpeg(photo(), quality=60))
    assert isinstance(entry, FrameSkipped)
    assert (entry.same_as_id, entry.change) == ("a", 0.0)
    assert kept(client, "b").size == (800, 450)


def test_motion_is_measured_and_another_scene_is_wholly_another(client: "redis.Redis") -> None:
    first = looked(client, asked("a"), jpeg(photo()))
    moved = photo()
    moved.paste((255, 255, 255), (0, 0, 320, 180))
    assert looked(client, asked("b", first), jpeg(moved)).change == pytest.approx(1 / 16, abs=0.02)
    assert looked(client, asked("c", first), jpeg(photo(1))).change > 0.8


def test_a_frame_whose_like_is_gone_is_kept_itself(client: "redis.Redis") -> None:
    first = looked(client, asked("a"), jpeg(photo()))
    client.delete(keys.kept_frame("a"))
    assert looked(client, asked("b", first), jpeg(photo())).change == 0.0
    assert kept(client, "b").size == (800, 450)


def test_a_light_frame_of_the_right_size_keeps_its_pixels_as_they_are(client: "redis.Redis") -> None:
    source = jpeg(photo(width=896, height=504))
    looked(client, asked("a"), source)
    assert (np.asarray(kept(client, "a")) == np.asarray(Image.open(io.BytesIO(source)))).all()


def text_page() -> Image.Image:
    page = Image.new("RGB", (1_280, 720), "white")
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for line in range(42):
        pen.text((8, 17 * line), "The quick brown fox jumps over the lazy dog, 0123456789 times. " * 3, "black", font)
    return page


def test_a_page_of_small_text_is_kept_sharp_and_light(client: "redis.Redis") -> None:
    written = io.BytesIO()
    text_page().save(written, "PNG")
    entry = looked(client, asked("a", source="screen", side=1_280), written.getvalue())
    picture = kept(client, "a")
    assert (picture.format, entry.width_px) == ("WEBP", 1_280)
    assert (np.asarray(picture.convert("RGB")) == np.asarray(text_page())).all()
    assert entry.size_bytes < 150 * 1024


def test_a_photo_on_a_screen_stays_a_jpeg(client: "redis.Redis") -> None:
    grain = np.random.default_rng(3).normal(0, 30, (720, 1_280, 3))
    noisy = Image.fromarray(np.clip(np.asarray(photo()) + grain, 0, 255).astype(np.uint8))
    entry = looked(client, asked("a", source="screen", side=1_280), jpeg(noisy, 95))
    assert kept(client, "a").format == "JPEG"
    assert entry.size_bytes <= 300 * 1024


def test_a_mosaic_is_drawn_of_the_frames_that_are_left_and_they_are_held(client: "redis.Redis") -> None:
    for number in range(4):
        looked(client, asked(f"f{number}"), jpeg(photo(number)))
    client.delete(keys.kept_frame("f1"))
    cells = tuple(MosaicCell(f"f{number}", "camera", number * 1_000) for number in range(4))
    entry = Eye(client).compose(MosaicRequest(address("m"), cells, LITE))
    assert isinstance(entry, MosaicKept)
    assert entry.frame_ids == ("f0", "f2", "f3")
    assert kept(client, "m").size == (entry.width_px, entry.height_px) == (450, 900)
    assert set(client.zrange(keys.session_pictures("sess", "cells"), 0, -1)) == {b"f0", b"f2", b"f3"}


def test_a_mosaic_of_frames_that_are_all_gone_is_refused(client: "redis.Redis") -> None:
    with pytest.raises(PictureRejectedError):
        Eye(client).compose(MosaicRequest(address("m"), (MosaicCell("gone", "camera", 0),), LITE))


def test_a_picture_of_a_session_that_is_over_is_not_kept(client: "redis.Redis") -> None:
    forget_session(client, "sess")
    with pytest.raises(PictureRejectedError) as caught:
        Eye(client).look(asked("a"), jpeg(photo()))
    assert caught.value.code == "session_ended"
    assert client.exists(keys.kept_frame("a")) == 0


@pytest.mark.parametrize(
    "request_",
    [asked("a"), MosaicRequest(address("m"), (MosaicCell("a", "screen", 3),), LITE, 7)],
    ids=["frame", "mosaic"],
)
def test_both_kinds_of_request_come_through_as_they_were(request_: FrameRequest | MosaicRequest) -> None:
    assert vision_request_from_json(to_json(request_)) == request_


@pytest.mark.parametrize(
    "entry",
    [
        FrameKept("s", 1, "a", "camera", 5, 8, 4, 99, "00ff", 0.25),
        FrameSkipped("s", 1, "b", "camera", 5, "a", 0.01),
        MosaicKept("s", 1, "m", 900, 450, 99, ("a", "b")),
    ],
    ids=["kept", "skipped", "mosaic"],
)
def test_the_answers_come_through_as_they_were(entry: FrameKept | FrameSkipped | MosaicKept) -> None:
    assert output_from_fields(output_fields(entry)) == entry


def test_the_task_answers_once_and_leaves_neither_request_nor_raw_bytes(client: "redis.Redis") -> None:
    written = Written()
    work = SeeingWork(client, written, Eye(client))  # type: ignore[arg-type]
    for name, image in (("good", jpeg(photo())), ("bad", b"no picture")):
        client.set(keys.raw_frame(name), image)
        client.set(keys.frame_request(name), to_json(asked(name)))
        work.compress_frame(name)
        work.compress_frame(name)
    assert [entry.kind for entry in written.entries] == ["frame_kept", "work_failed"]  # type: ignore[attr-defined]
    left = {keys.kept_frame("good"), keys.session_pictures("sess", "stream"), keys.newest_pictures("sess")}
    assert {key.decode() for key in client.scan_iter("nova:*")} == left
