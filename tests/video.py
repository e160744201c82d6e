"""A real video for tests: coded by ffmpeg, with a still scene, a scene change, a moving object, and a page of small text."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

RATE_HZ = 8
SIZE = "1280x720"
STILL_SECONDS, MOVING_SECONDS, OBJECT_SECONDS = 4, 2, 2
LINES = 28
CODING = ["-c:v", "mpeg4", "-q:v", "4", "-g", "24", "-pix_fmt", "yuv420p"]


@dataclass(frozen=True, slots=True)
class Video:
    """JPEG frames in order, RATE_HZ of them a second; `screen` are frames of a page of text."""

    still: list[bytes]
    moving: list[bytes]
    object: list[bytes]
    screen: list[bytes]


def make_video(folder: Path) -> Video:
    """Three scenes cut hard into one file, and the text in another; both are coded as video and decoded again."""
    camera = make_camera_file(folder / "camera.mp4")
    Image.Image.save(_page_of_text(), folder / "page.png")
    screen = folder / "screen.mp4"
    _ffmpeg("-loop", "1", "-r", str(RATE_HZ), "-t", "1", "-i", str(folder / "page.png"), *CODING, str(screen))
    frames = _frames(camera)
    cut, end = STILL_SECONDS * RATE_HZ, (STILL_SECONDS + MOVING_SECONDS) * RATE_HZ
    return Video(frames[:cut], frames[cut:end], frames[end:], _frames(screen))


def make_camera_file(path: Path, *coding: str) -> Path:
    """Colour bars that stand still, a test card in which everything moves, and a square that crosses a wall."""
    rate = f"rate={RATE_HZ}"
    sources = [
        f"smptebars=size={SIZE}:{rate}:duration={STILL_SECONDS}",
        f"testsrc2=size={SIZE}:{rate}:duration={MOVING_SECONDS}",
        f"color=c=0x305070:size={SIZE}:{rate}:duration={OBJECT_SECONDS}",
        f"color=c=orange:size=200x200:{rate}:duration={OBJECT_SECONDS}",
    ]
    inputs = [part for source in sources for part in ("-f", "lavfi", "-i", source)]
    joined = "[2][3]overlay=x='60+t*450':y=260:shortest=1[o];[0][1][o]concat=n=3:v=1[v]"
    _ffmpeg(*inputs, "-filter_complex", joined, "-map", "[v]", *(coding or CODING), str(path))
    return path


def _frames(video: Path) -> list[bytes]:
    jpegs = _ffmpeg("-i", str(video), "-c:v", "mjpeg", "-q:v", "4", "-f", "image2pipe", "-")
    return [b"\xff\xd8" + part for part in jpegs.split(b"\xff\xd8")[1:]]


def _page_of_text() -> Image.Image:
    page = Image.new("RGB", (1280, 720), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    for number in range(LINES):
        line = f"{number + 1:2d}  The invoice of lot {4711 + number * 37} is due on day {number + 1}, net {number + 5}.20 EUR"
        draw.text((40, 20 + number * 24), line, fill="black", font=font)
    return page


def _ffmpeg(*arguments: str) -> bytes:
    command = ["ffmpeg", "-nostdin", "-v", "error", "-y", *arguments]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
