"""The compressor: any bytes in; an upright, small, bare picture or a typed refusal out."""

import io
import random
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from workers.errors import PictureRejectedError
from workers.vision.compressor import KeptPicture, compress, glance, signature
from workers.vision.signature import is_near_identical


def photo(width: int = 640, height: int = 360, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    data = io.BytesIO()
    picture.save(data, kind, **options)
    return data.getvalue()


def decoded(kept: KeptPicture) -> Image.Image:
    return Image.open(io.BytesIO(kept.data), formats=["JPEG"])


def shrink(image: bytes, max_side_px: int = 320) -> KeptPicture:
    return compress(image, max_side_px=max_side_px, purpose="camera")


def difference(one: Image.Image, other: Image.Image) -> float:
    return float(np.abs(np.asarray(one).astype(int) - np.asarray(other).astype(int)).mean())


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_kind_of_picture_is_kept_with_its_looks(kind: str) -> None:
    kept = shrink(encoded(photo(), kind))
    assert (kept.format, kept.width_px, kept.height_px) == ("jpeg", 320, 180)
    assert difference(decoded(kept), photo().resize((320, 180), Image.Resampling.BILINEAR)) < 4


def test_a_small_picture_is_not_enlarged() -> None:
    assert shrink(encoded(photo(200, 100))).width_px == 200


def test_a_thin_picture_keeps_a_pixel_of_width() -> None:
    assert (shrink(encoded(photo(4, 4000))).width_px, shrink(encoded(photo(4, 4000))).height_px) == (1, 320)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("max_side_px", [120, 1_280])
def test_a_turned_picture_comes_out_upright(orientation: int, max_side_px: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = encoded(photo(240, 120), exif=exif)
    kept = shrink(source, max_side_px)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(source)))
    assert difference(decoded(kept), upright.resize((kept.width_px, kept.height_px))) < 10


@pytest.mark.parametrize("max_side_px", [120, 1_280])
def test_metadata_and_what_follows_the_picture_are_dropped(max_side_px: int) -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret-exif"
    source = encoded(photo(240, 120), exif=exif, comment=b"secret-comment", icc_profile=b"secret-icc" * 9)
    kept = shrink(source + b"secret-tail", max_side_px)
    assert b"secret" not in kept.data
    assert b"Exif" not in kept.data


def test_a_small_plain_jpeg_keeps_its_pixels_exactly() -> None:
    source = encoded(photo(240, 120), quality=60)
    assert difference(decoded(shrink(source)), Image.open(io.BytesIO(source))) == 0


def test_a_small_but_heavy_jpeg_is_written_again() -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 256, (180, 320, 3), dtype=np.uint8))
    source = encoded(noise, quality=98, subsampling=0)
    assert len(shrink(source).data) < len(source) / 2


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "L", "I;16", "CMYK"])
def test_every_colour_mode_is_taken(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    picture = photo(64, 64).convert("L").convert("I;16") if mode == "I;16" else photo(64, 64).convert(mode)
    assert decoded(shrink(encoded(picture, kind))).mode in ("RGB", "L")


def test_transparent_pixels_become_white() -> None:
    assert decoded(shrink(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "PNG"))).getpixel((4, 4)) == (255, 255, 255)


def test_the_first_picture_of_an_animation_is_kept() -> None:
    red, blue = Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 64), "blue")
    kept = shrink(encoded(red, "WEBP", save_all=True, append_images=[blue]))
    assert decoded(kept).getpixel((32, 32))[0] > 200  # type: ignore[index]


@pytest.mark.parametrize(
    "image",
    [
        b"", b"GIF89a" + bytes(99), b"%!PS-Adobe-3.0 EPSF", b"<svg xmlns='x'/>", b"II*\0" + bytes(99), b"%PDF-1.7",
        b"BM" + bytes(99), b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP", b"\x89PNG\r\n\x1a\n", b"hello",
    ],
)  # fmt: skip
def test_bytes_that_are_no_picture_are_rejected(image: bytes) -> None:
    with pytest.raises(PictureRejectedError) as caught:
        shrink(image)
    assert caught.value.code == "image_rejected"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("max_side_px", [64, 1_280])
def test_a_truncated_picture_is_rejected(kind: str, max_side_px: int) -> None:
    whole = encoded(photo(240, 120), kind)
    with pytest.raises(PictureRejectedError):
        shrink(whole[: len(whole) // 2], max_side_px)


def huge_png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1_000))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def huge_webp() -> bytes:
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + (16_382).to_bytes(3, "little") * 2 + bytes(64)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_jpeg() -> bytes:
    source = encoded(photo(64, 64))
    at = source.index(b"\xff\xc0") + 5
    return source[:at] + struct.pack(">HH", 65_500, 65_500) + source[at + 4 :]


@pytest.mark.parametrize(
    "image", [huge_png(20_000, 20_000), huge_png(8_001, 8), huge_png(7_000, 7_000), huge_webp(), huge_jpeg()]
)
def test_a_huge_picture_is_refused_from_its_header(image: bytes) -> None:
    with pytest.raises(PictureRejectedError) as caught:
        shrink(image)
    assert caught.value.code == "image_too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_spoilt_bytes_are_kept_or_rejected_and_nothing_else(kind: str) -> None:
    source, chance = encoded(photo(96, 64), kind), random.Random(7)
    for _ in range(150):
        spoilt = bytearray(source)
        for _ in range(chance.randint(1, 8)):
            spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
        try:
            shrink(bytes(spoilt), chance.choice([32, 640]))
            signature(bytes(spoilt))
        except PictureRejectedError:
            continue


def test_noise_and_compression_leave_a_picture_near_identical() -> None:
    noise = np.random.default_rng(1).normal(0, 8, (360, 640, 3))
    noisy = Image.fromarray(np.clip(np.asarray(photo()) + noise, 0, 255).astype(np.uint8))
    assert is_near_identical(signature(encoded(photo())), signature(encoded(noisy, quality=50)))


def test_a_little_more_light_leaves_a_picture_near_identical() -> None:
    lighter = photo().point(lambda value: min(255, value + 8))
    assert is_near_identical(signature(encoded(photo())), signature(encoded(lighter)))


def test_something_new_in_a_corner_is_a_change() -> None:
    changed = photo()
    changed.paste((255, 255, 255), (20, 20, 80, 60))
    assert not is_near_identical(signature(encoded(photo())), signature(encoded(changed)))


def test_another_scene_or_shape_is_a_change() -> None:
    assert not is_near_identical(signature(encoded(photo())), signature(encoded(photo(seed=1))))
    assert not is_near_identical(signature(encoded(photo())), signature(encoded(photo(360, 640))))


def test_the_same_scene_in_another_size_and_kind_is_near_identical() -> None:
    assert is_near_identical(signature(encoded(photo())), signature(encoded(photo(1_280, 720), "PNG")))


def test_a_glance_tells_the_whole_size_and_few_pixels() -> None:
    seen = glance(encoded(Image.new("RGB", (640, 360), "red")))
    assert (seen.width_px, seen.height_px, seen.pixels.shape) == (640, 360, (90, 160, 3))
    assert seen.pixels.mean(axis=(0, 1))[0] > 240
