"""The eyes: CPU and bytes of a frame, and what a minute of talk costs in picture tokens beside the reference's rule."""

import time
from collections.abc import Callable, Iterator

from tests.benchmarks.report import Table, load_note, percentile
from tests.benchmarks.vision_cameras import jpeg, moving, numbered, page, png, still
from tests.benchmarks.vision_minute import our_talk
from tests.benchmarks.vision_reference import reference_talk
from tests.unit.test_picture_gate_rows import BOMBS
from workers.errors import PictureRejectedError
from workers.language_model.contract import FrameSource
from workers.language_model.model_table import useful_side_px
from workers.vision.compressor import ClientPicture
from workers.vision.mosaic import MosaicPicture, compose
from workers.vision.signature import is_near_identical

MODEL = "us.amazon.nova-lite-v1:0"
REPEATS = 30
TURNS, TURN_SECONDS = 6, 10


def measure() -> Iterator[Table]:
    yield _frames()
    yield _minute()


def _frames() -> Table:
    table = Table(f"a picture in the vision worker {load_note()}", ("CPU ms", "p50", "p95", "KiB out", "goal"))
    camera, text = still().jpeg(0), page()
    png_page = png(text)
    side = useful_side_px(MODEL, "camera", 1_280)
    kept = _kept(camera, side, "camera")
    _add(table, f"1280x720 camera JPEG of {len(camera) // 1_024} KiB, kept for Nova 1 (800x450)", "<= 8",
         lambda: _kept(camera, side, "camera"))  # fmt: skip
    _add(table, "  kept for Nova 2, as it is", "<= 8", lambda: _kept(camera, 1_280, "camera"))
    _add(table, "  as the one before, skipped", "<= 2", lambda: _skipped(camera))
    _add(table, "1280x720 page of small text, PNG in, WebP out", "", lambda: _kept(png_page, 1_280, "screen"))
    _add(table, "  as JPEG it would be", "", lambda: jpeg(text, 80, "4:4:4"))
    for cells in (6, 12):
        _add(table, f"mosaic of {cells}", "", lambda: compose([MosaicPicture(kept, "1:05")] * cells, MODEL).data)  # noqa: B023
    for name, make in BOMBS.items():
        image = make()
        _add(table, f"refused: {name}", "<= 100", lambda: _refused(image))  # noqa: B023
    return table


def _add(table: Table, name: str, goal: str, work: Callable[[], bytes]) -> None:
    data, times = work(), []
    for _ in range(REPEATS):
        before = time.process_time()
        work()
        times.append((time.process_time() - before) * 1_000)
    table.add(name, percentile(times, 50), percentile(times, 95), len(data) / 1_024, goal)


def _kept(image: bytes, side_px: int, source: FrameSource) -> bytes:
    picture = ClientPicture(image)
    assert picture.signature
    return picture.kept(side_px, source).data


def _skipped(image: bytes) -> bytes:
    seen = ClientPicture(image).signature
    assert is_near_identical(seen, seen)
    return b""


def _refused(image: bytes) -> bytes:
    try:
        ClientPicture(image)
    except PictureRejectedError:
        return b""
    raise AssertionError("the picture was taken")


def _minute() -> Table:
    """`its history off`: the reference as it is delivered, with a memory of words alone; ours always remembers."""
    columns = ("camera", "tokens", "reference", "share", "its history off", "share", "scenes", "its", "newest", "its",
               "decoded", "goal")  # fmt: skip
    table = Table(f"pictures in a minute of talk, {TURNS} turns, {MODEL}, history included", columns)
    for name, camera, goal in (
        ("moving", moving(), "<= 0.333"),
        ("still", still(), "<= 0.167"),
        ("ten scenes in the minute", numbered(6), "<= 0.333"),
        ("ten scenes in each turn", numbered(1), "<= 0.333"),
    ):
        ours = our_talk(camera, MODEL, turns=TURNS, turn_seconds=TURN_SECONDS)
        full, bare = (
            reference_talk(camera, MODEL, turns=TURNS, turn_seconds=TURN_SECONDS, has_memory=has_memory)
            for has_memory in (True, False)
        )
        shares = [f"{ours.tokens / theirs.tokens:.3f}" for theirs in (full, bare)]
        newest = ["always" if talk.has_newest else "no" for talk in (ours, full)]
        scenes = len(ours.scenes), len(full.scenes)
        table.add(
            name, ours.tokens, full.tokens, shares[0], bare.tokens, shares[1], *scenes, *newest, ours.decoded, goal
        )
    return table
