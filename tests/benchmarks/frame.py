"""CPU of one 1280x720 frame in the vision worker's pure functions."""

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.benchmarks.report import Table, load_note, spread_table
from workers.vision.compressor import compress, signature

FRAMES = 60
SIDE_PX = 1280


def measure() -> Table:
    jpeg, large = _scene(1280, 720), _scene(1920, 1080)
    table = spread_table(f"a frame, CPU {load_note()}")
    table.add_spread("1280x720 JPEG, signature and compress", _cpu_ms(lambda: _both(jpeg)), "<= 8")
    table.add_spread("  signature", _cpu_ms(lambda: signature(jpeg)))
    table.add_spread("  compress", _cpu_ms(lambda: compress(jpeg, max_side_px=SIDE_PX, purpose="camera")))
    table.add_spread("1920x1080 JPEG, shrunk to 1280", _cpu_ms(lambda: _both(large)))
    return table


def _both(image: bytes) -> None:
    signature(image)
    compress(image, max_side_px=SIDE_PX, purpose="camera")


def _cpu_ms(work: Callable[[], object]) -> list[float]:
    work()
    times = []
    for _ in range(FRAMES):
        before = time.process_time()
        work()
        times.append((time.process_time() - before) * 1_000)
    return times


def _scene(width: int, height: int) -> bytes:
    """Soft shapes with grain, about as hard to code as a camera's picture."""
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 255, (18, 32, 3), dtype=np.uint8))
    soft = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC), dtype=np.int16)
    grained = np.clip(soft + random.normal(0, 4, soft.shape), 0, 255).astype(np.uint8)
    written = io.BytesIO()
    Image.fromarray(grained).save(written, "JPEG", quality=80)
    return written.getvalue()
