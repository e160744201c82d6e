"""The rows MD-07 to MD-11 of the catalogue of faults: hostile, huge, odd and too many pictures."""

import base64
import io
import random
import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import simplejpeg
from PIL import Image, ImageFile, ImageOps

from tests.aws_emulator.bedrock_checks import MAX_PAYLOAD_BYTES, check_request, request_facts
from workers.errors import PictureRejectedError
from workers.language_model.contract import ModelMessage, ModelOptions, ModelPart, ModelRequest, PicturePart, TextPart
from workers.language_model.nova_wire import converse_arguments
from workers.vision.compressor import MAX_KEPT_BYTES, compress, signature
from workers.vision.sampler import Sampler, SamplerBounds

MODELS = (
    *("us.amazon.nova-micro-v1:0", "us.amazon.nova-lite-v1:0", "us.amazon.nova-pro-v1:0"),
    *("us.amazon.nova-premier-v1:0", "global.amazon.nova-2-lite-v1:0", "us.amazon.nova-2-pro-v1:0"),
)


def photo(width: int, height: int, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)


def file_of(picture: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    written = io.BytesIO()
    picture.save(written, kind, **options)
    return written.getvalue()


def shrink(image: bytes) -> None:
    """All that the worker does with a picture."""
    signature(image)
    compress(image, max_side_px=640, purpose="camera")


# --- MD-07 ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_other_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    allowed = ("JPEG", "PNG", "WEBP")

    def refuse(*_: object) -> bool:
        raise AssertionError("another decoder was asked")

    others = {kind: (refuse, refuse) if kind not in allowed else made for kind, made in Image.OPEN.items()}
    monkeypatch.setattr(Image, "OPEN", others)


def corpus() -> Iterator[bytes]:
    """About 200 files that are no JPEG, PNG or WebP picture, or not a whole one."""
    small = photo(64, 36)
    pictures = [file_of(small, kind) for kind in ("JPEG", "PNG", "WEBP")]
    others = [file_of(small, kind) for kind in ("GIF", "BMP", "TIFF", "PPM", "TGA", "ICO", "PCX", "PDF", "EPS", "ICNS")]
    texts = (
        *(
            b"",
            b"\0",
            b"hello",
            b"<!doctype html><img src=x onerror=alert(1)>",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        ),
        *(
            b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) run",
            b"%PDF-1.7\n1 0 obj",
            b"#!/bin/sh\nexit",
            b"push graphic-context",
        ),
        *(
            b"II*\0\x08\0\0\0",
            b"MM\0*\0\0\0\x08",
            b"\0\0\0\x18ftypheic",
            b"\x00\x00\x00\x0cjP  \r\n\x87\n",
            b"8BPS\0\1",
        ),
    )
    yield from texts
    yield from others
    for start in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBP", b"RIFF\x40\0\0\0WEBPVP8 "):
        yield from (start + body for body in (*texts, *others))
    for picture in pictures:
        yield from (picture[: len(picture) * share // 24] for share in range(1, 20))
        yield from (other[:16] + picture for other in others)
        yield picture[:40] + b"<script>" + picture[60:]


def test_md_07_what_is_no_picture_is_rejected_and_only_three_decoders_are_ever_asked(no_other_decoder: None) -> None:
    files = list(corpus())
    assert len(files) >= 200
    for image in files:
        with pytest.raises(PictureRejectedError) as caught:
            shrink(image)
        assert caught.value.code in ("image_rejected", "image_too_large")


def test_md_07_two_thousand_spoilt_pictures_are_kept_or_rejected_and_nothing_else(no_other_decoder: None) -> None:
    chance = random.Random(7)
    sources = [file_of(photo(96, 54), kind) for kind in ("JPEG", "PNG", "WEBP")]
    sources.append(file_of(photo(96, 54), "JPEG", progressive=True))
    for number in range(2_000):
        spoilt = bytearray(sources[number % len(sources)])
        for _ in range(chance.randint(1, 8)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            compress(bytes(spoilt), max_side_px=chance.choice([32, 70, 640]), purpose="camera")
        except PictureRejectedError:
            continue


def test_md_07_a_picture_with_something_behind_its_end_is_kept_without_it() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        kept = compress(file_of(photo(64, 36), kind) + b"<script>alert(1)</script>", max_side_px=640, purpose="camera")
        assert b"script" not in kept.data


def test_md_07_a_jpeg_with_a_few_odd_bytes_that_every_viewer_shows_is_taken() -> None:
    source = file_of(photo(1_280, 720))
    at = source.index(b"\xff\xda")
    assert compress(source[:at] + bytes(5) + source[at:], max_side_px=640, purpose="camera").width_px == 640


# --- MD-08 ------------------------------------------------------------------------------------------------------------


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + rows + chunk(b"IEND", b"")


def packed_text(name: bytes, head: bytes) -> bytes:
    return chunk(name, head + zlib.compress(bytes(20_000_000), 9))


def webp_canvas() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + (16_382).to_bytes(3, "little") * 2 + bytes(64)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animation(frames: int) -> bytes:
    """Each of a few bytes, as an encoder writes pictures of one colour."""
    source = file_of(
        Image.new("RGB", (16, 16), "red"), "WEBP", save_all=True, append_images=[Image.new("RGB", (16, 16))]
    )
    at = source.index(b"ANMF")
    size = 8 + int.from_bytes(source[at + 4 : at + 8], "little")
    body = source[8:at] + source[at : at + size] * frames
    return b"RIFF" + struct.pack("<I", len(body)) + body


def jpeg_header(side: int) -> bytes:
    source = file_of(photo(64, 36))
    at = source.index(b"\xff\xc0") + 5
    return source[:at] + struct.pack(">HH", side, side) + source[at + 4 :]


def scans(count: int) -> bytes:
    source = file_of(photo(64, 36), progressive=True)
    at = source.rindex(b"\xff\xda")
    return source[:at] + source[at:-2] * count + source[-2:]


BOMBS: dict[str, Callable[[], bytes]] = {
    "png of 400 million pixels": lambda: png(20_000, 20_000),
    "png of one long row": lambda: png(2_000_000, 8),
    "jpeg of 65,500 a side": lambda: jpeg_header(65_500),
    "webp canvas": webp_canvas,
    "packed text": lambda: png(16, 16, packed_text(b"zTXt", b"key\0\0")),
    "packed international text": lambda: png(16, 16, packed_text(b"iTXt", b"key\0\1\0en\0key\0")),
    "packed colour profile": lambda: png(16, 16, packed_text(b"iCCP", b"icc\0\0")),
    "long text": lambda: png(16, 16, chunk(b"tEXt", b"key\0" + bytes(2_000_000))),
    "animation of 10,000 pictures": lambda: animation(10_000),
    "jpeg of 5,000 scans": lambda: scans(5_000),
}


@pytest.fixture
def no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("pixels were decoded")

    monkeypatch.setattr(ImageFile.ImageFile, "load", refuse)
    monkeypatch.setattr(simplejpeg, "decode_jpeg", refuse)


@pytest.mark.parametrize("bomb", BOMBS)
def test_md_08_a_decompression_bomb_is_refused_before_a_pixel_is_decoded(bomb: str, no_pixels: None) -> None:
    with pytest.raises(PictureRejectedError) as caught:
        shrink(BOMBS[bomb]())
    assert caught.value.code == "image_too_large"


def test_md_08_a_short_animation_with_a_little_text_is_taken() -> None:
    shrink(animation(20))
    shrink(file_of(photo(64, 36), "PNG"))
    shrink(png(64, 36, chunk(b"tEXt", b"key\0words"), chunk(b"zTXt", b"key\0\0" + zlib.compress(b"words"))))


# --- MD-09 ------------------------------------------------------------------------------------------------------------


def odd_pictures(count: int) -> Iterator[bytes]:
    """Tiny, huge, thin, noisy; in each kind and mode."""
    chance = random.Random(9)
    for number in range(count):
        width, height = (min(8_000, int(chance.lognormvariate(4.6, 1.3)) + 1) for _ in range(2))
        if number % 50 == 0:
            width, height = chance.choice([(8_000, 1), (1, 8_000), (8_000, 2_400), (4_000, 300)])
        height = min(height, 400_000 // width)
        kind = chance.choice(["JPEG", "JPEG", "JPEG", "PNG", "WEBP"]) if width * height < 400_000 else "JPEG"
        picture = photo(width, height, number)
        if number % 40 == 1:
            noise = np.random.default_rng(number).integers(0, 256, (720, 1_280, 3), dtype=np.uint8)
            picture, kind = Image.fromarray(noise), "JPEG"
        mode = chance.choice(["RGB", "RGB", "L"] if kind == "JPEG" else ["RGB", "RGBA", "L"])
        yield file_of(picture.convert(mode), kind, **({"quality": 95} if kind == "JPEG" else {}))


def random_messages(chance: random.Random, pictures: list[PicturePart]) -> tuple[ModelMessage, ...]:
    def parts() -> tuple[ModelPart, ...]:
        count = chance.choice([0, 0, 0, 0, 0, 1, 2, 25])
        return (*(chance.choice(pictures) for _ in range(count)), *(TextPart("hm"),) * chance.randrange(2))

    return tuple(
        ModelMessage(chance.choice(("user", "user", "assistant")), parts()) for _ in range(chance.randrange(8))
    )


def test_md_09_no_picture_of_500_odd_ones_is_refused_by_the_service() -> None:
    chance = random.Random(99)
    pictures = []
    for image in odd_pictures(500):
        kept = compress(image, max_side_px=1_280, purpose=chance.choice(("camera", "screen", "upload")))
        assert max(kept.width_px, kept.height_px) <= 1_280
        assert len(kept.data) <= MAX_KEPT_BYTES
        pictures.append(PicturePart(kept.data, kept.format, "camera", 0, "[The user's camera at 0:01]"))
    encoded = {id(picture.data): base64.b64encode(picture.data).decode() for picture in pictures}
    for number in range(500):
        newest = pictures[number]
        messages = (*random_messages(chance, pictures), ModelMessage("user", (newest, TextPart("What is it?"))))
        sent = converse_arguments(ModelRequest("", messages, ModelOptions(MODELS[number % len(MODELS)])))
        weight = 0
        for message in sent["messages"]:
            for block in message["content"]:
                if "image" in block:
                    block["image"]["source"]["bytes"] = encoded[id(block["image"]["source"]["bytes"])]
                    weight += len(block["image"]["source"]["bytes"])
        facts = request_facts(sent, sent["modelId"])
        check_request(sent, sent["modelId"], facts, "amazon")
        assert weight < MAX_PAYLOAD_BYTES
        assert ("micro" in sent["modelId"]) != (
            bool(facts["images"]) and (facts["images"][-1]["bytes"] == len(newest.data))
        )


def test_md_09_what_only_a_provider_could_refuse_never_reaches_it() -> None:
    jpeg = file_of(photo(64, 36))
    unfit = (b"no picture", jpeg.ljust(3_750_001, b"\0"), jpeg_header(8_001), jpeg_header(65_500))
    parts = tuple(PicturePart(data, "jpeg", "upload", 0, "[A picture the user sent]") for data in unfit)
    messages = (ModelMessage("user", (*parts, TextPart("look"))),)
    sent = converse_arguments(ModelRequest("", messages, ModelOptions(MODELS[1])))
    assert sent["messages"][0]["content"] == [{"text": "look"}]


# --- MD-10 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("max_side_px", [100, 1_280])
def test_md_10_eight_orientations_come_out_upright_and_no_byte_of_metadata_is_kept(kind: str, max_side_px: int) -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = orientation, "private-exif"
        exif.get_ifd(0x8825)[1] = "private-gps"
        comment = {"comment": b"private-comment"} if kind == "JPEG" else {}
        source = file_of(photo(240, 120), kind, exif=exif, icc_profile=b"private-icc" * 20, **comment)
        kept = compress(source, max_side_px=max_side_px, purpose="camera")
        upright = ImageOps.exif_transpose(Image.open(io.BytesIO(source)))
        shown = np.asarray(Image.open(io.BytesIO(kept.data)).convert("RGB"), np.int16)
        wanted = upright.resize((kept.width_px, kept.height_px), Image.Resampling.BILINEAR)
        assert np.abs(shown - np.asarray(wanted, np.int16)).mean() < 12
        assert b"private" not in kept.data
        assert b"Exif" not in kept.data


# --- MD-11 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [0.0, 0.1, 1.0])
def test_md_11_of_a_flood_of_30_frames_a_second_one_an_interval_is_decoded(change: float) -> None:
    sampler, decoded, allowed = Sampler(SamplerBounds(500, 500, 4_000)), 0, 0.0
    for number in range(20 * 30):
        now_ms = number * 1_000 / 30
        if sampler.wants(now_ms):
            allowed += sampler.interval_ms
            sampler.took(now_ms)
            sampler.saw(change)
            decoded += 1
    assert decoded <= 20_000 / 500 / 0.8 + 1
