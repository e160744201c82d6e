"""A minute of talk with the eyes open: sampler, compressor and choice on virtual time, without Redis."""

from dataclasses import dataclass, field, replace

from tests.benchmarks.vision_cameras import Camera
from workers.language_model.model_table import useful_side_px
from workers.vision.choice import Choice, SeenFrame, Window, choose
from workers.vision.compressor import ClientPicture
from workers.vision.mosaic_layout import MAX_CELLS
from workers.vision.sampler import Sampler, SamplerBounds
from workers.vision.signature import change_between, is_near_identical

CAMERA_FRAMES_PER_SECOND = 30
SPOKEN_SECONDS = 4
PICTURES_A_TURN = 4


@dataclass
class Talk:
    """What all requests carried together."""

    tokens: int = 0
    scenes: set[int] = field(default_factory=set)
    has_newest: bool = True
    decoded: int = 0
    kept: int = 0


def our_talk(camera: Camera, model: str, *, turns: int, turn_seconds: int) -> Talk:
    eyes = _Eyes(camera, model)
    for turn in range(turns):
        end = (turn + 1) * turn_seconds
        spoken = end - SPOKEN_SECONDS
        eyes.watch(turn * turn_seconds, spoken)
        eyes.sampler.turn_began()
        eyes.watch(spoken, end)
        eyes.sampler.turn_ended()
        eyes.ask(Window(spoken * 1_000, end * 1_000))
    return eyes.talk


class _Eyes:
    """`page`: the frames that earlier turns showed, of which the next mosaic is drawn again."""

    def __init__(self, camera: Camera, model: str) -> None:
        self.talk = Talk()
        self.sampler = Sampler(SamplerBounds())
        self._camera = camera
        self._model = model
        self._ring: list[SeenFrame] = []
        self._page: tuple[SeenFrame, ...] = ()

    def watch(self, from_second: float, to_second: float) -> None:
        for number in range(round((to_second - from_second) * CAMERA_FRAMES_PER_SECOND)):
            second = from_second + number / CAMERA_FRAMES_PER_SECOND
            if self.sampler.wants(second * 1_000):
                self.sampler.took(second * 1_000)
                self._take(second)

    def ask(self, window: Window) -> Choice:
        frames = [*self._page, *self._ring]
        choice = choose(frames, model_id=self._model, step="full", max_pictures=PICTURES_A_TURN, speech=window)
        shown = (*choice.cells, *choice.pictures)
        self.talk.tokens += choice.tokens_with_mosaic
        self.talk.scenes |= {self._camera.scene(frame.captured_at_ms / 1_000) for frame in shown}
        newest = self._ring[-1].frame_id
        self.talk.has_newest = self.talk.has_newest and newest in {frame.frame_id for frame in choice.pictures}
        self._page, self._ring = shown[-MAX_CELLS:], self._ring[-1:]
        return choice

    def _take(self, second: float) -> None:
        picture, at_ms = ClientPicture(self._camera.jpeg(second)), round(second * 1_000)
        before = self._ring[-1].signature if self._ring else ""
        change = change_between(before, picture.signature)
        self.talk.decoded += 1
        if is_near_identical(before, picture.signature):
            self._ring[-1] = replace(self._ring[-1], captured_at_ms=at_ms)
        else:
            self._keep(picture, at_ms, change)
        self.sampler.saw(change)

    def _keep(self, picture: ClientPicture, at_ms: int, change: float) -> None:
        kept = picture.kept(useful_side_px(self._model, "camera", 1_280), "camera")
        size = kept.width_px, kept.height_px, len(kept.data)
        self._ring.append(SeenFrame(f"f{at_ms}", "camera", at_ms, picture.signature, change, *size))
        self.talk.kept += 1
