"""The reference's rule for pictures (two a second, twenty buffered, six sent, four merged), as facts about it say."""

from dataclasses import dataclass, field

from tests.benchmarks.vision_cameras import Camera
from workers.language_model.model_table import picture_tokens

FRAMES_PER_SECOND = 2
BUFFERED, SENT, MERGED = 20, 6, 4
REMEMBERED_TURNS = 5
FRAME_SIZE = (640, 360)
MERGED_SIZES = {1: (512, 512), 2: (512, 256), 3: (512, 512), 4: (512, 512)}


@dataclass
class ReferenceTalk:
    """With its memory on, each of the last turns carries one merged picture of four of its frames."""

    tokens: int = 0
    scenes: set[int] = field(default_factory=set)
    has_newest: bool = True


def reference_talk(camera: Camera, model: str, *, turns: int, turn_seconds: int, has_memory: bool) -> ReferenceTalk:
    talk, remembered = ReferenceTalk(), 0
    for turn in range(turns):
        start = turn * turn_seconds
        seconds = [start + number / FRAMES_PER_SECOND for number in range(turn_seconds * FRAMES_PER_SECOND)]
        buffered = seconds[-BUFFERED:]
        sent = _strided(buffered, SENT)
        merged_size = MERGED_SIZES[min(MERGED, len(sent))]
        talk.tokens += len(sent) * picture_tokens(model, *FRAME_SIZE)
        talk.tokens += min(remembered, REMEMBERED_TURNS) * picture_tokens(model, *merged_size)
        talk.scenes |= {camera.scene(second) for second in sent}
        talk.has_newest = talk.has_newest and buffered[-1] in sent
        remembered += has_memory
    return talk


def _strided(frames: list[float], count: int) -> list[float]:
    """All when there are few; else every n-th from the first on, which leaves the newest out."""
    return frames if len(frames) <= count else frames[:: len(frames) // count][:count]
