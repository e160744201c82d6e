"""A session's eyes with everything real but the workers, the clock and the client: tests show, tell time, and ask."""

from collections.abc import Callable
from typing import Any

from sessions.live import facts
from sessions.live.config import SessionConfig, VisionSettings, WatchSettings
from sessions.live.history import History
from sessions.live.items import Content, MessageItem
from sessions.live.watching.eyes import Eyes
from sessions.live.watching.look import Look
from tests.unit.realtime_double import session_config
from tests.unit.reply_scene import Desk
from workers.errors import NovaError
from workers.language_model.contract import FramePart, FrameSource, ModelOptions
from workers.streams.messages import (
    Address,
    FrameKept,
    FrameRequest,
    FrameSkipped,
    MosaicKept,
    MosaicRequest,
    OutputEntry,
    ReplyWritten,
    SentenceWritten,
)
from workers.vision.signature import SCENE_CHANGE, signature_of

IDS = ("sess", 1)
EPOCH_MS = 1_790_000_000_000
SIZE = (896, 504)


class SeeingDesk(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[FrameRequest] = []
        self.mosaics: list[MosaicRequest] = []

    def request_frame(self, request: FrameRequest, image: bytes, on_failure: Callable[[NovaError], None]) -> None:
        self.frames.append(request)

    def request_mosaic(self, request: MosaicRequest, on_failure: Callable[[NovaError], None]) -> None:
        self.mosaics.append(request)


def view(number: int) -> str:
    """The signature of a scene that looks like no other number's."""
    return signature_of(16, 9, bytes([number * 40 % 256]) * (32 * 18))


class World:
    """Time goes on with `wait`; the worker answers at once unless told otherwise."""

    def __init__(self, model: str = "amazon.nova-lite-v1:0", watch: WatchSettings | None = None, **vision: Any) -> None:
        self.desk, self.history = SeeingDesk(), History()
        self.config: SessionConfig = session_config(
            model=ModelOptions(model), vision=VisionSettings(**vision), watch=watch
        )
        self.session_id = IDS[0]
        self.time_ms = 1_000.0
        self.told: list[facts.Fact] = []
        self.faults: list[str] = []
        self.said: list[str] = []
        self.eyes = Eyes(self.desk, self.history, self)
        self.eyes.start()
        self._turns = 0
        self._before: dict[FrameSource, str] = {}

    # --- EyesHost -----------------------------------------------------------------------------------------------------

    def address_of(self, work_id: str) -> Address:
        return Address(*IDS, work_id, "out")

    def now_ms(self) -> float:
        return self.time_ms

    def epoch_ms(self) -> int:
        return EPOCH_MS + round(self.time_ms)

    def deliver(self, fact: facts.Fact) -> None:
        self.told.append(fact)

    def tell_fault(self, error: NovaError, event_id: str | None = None) -> None:
        self.faults.append(error.code)

    def say(self, text: str) -> None:
        self.said.append(text)

    # --- what happens -------------------------------------------------------------------------------------------------

    def wait(self, passed_ms: float) -> None:
        self.time_ms += passed_ms
        self.eyes.check()

    def show(self, number: int, source: FrameSource = "camera", *, after_ms: float = 600.0) -> bool:
        """A frame of scene `number`. Returns whether a worker got it."""
        self.time_ms += after_ms
        count = len(self.desk.frames)
        self.eyes.see(b"jpeg", source, self.epoch_ms(), None)
        if len(self.desk.frames) == count:
            return False
        self.answer(number)
        return True

    def answer(self, number: int, change: float | None = None) -> None:
        """The worker's answer about the frame it got last."""
        request = self.desk.frames[-1]
        ids, frame_id = IDS, request.address.reply_id
        same = request.previous_signature == view(number)
        if same:
            known = request.previous_frame_id or ""
            self.take(FrameSkipped(*ids, frame_id, request.source, request.captured_at_ms, known, 0.0))
        else:
            changed = SCENE_CHANGE if change is None else change
            at_ms = request.captured_at_ms
            self.take(FrameKept(*ids, frame_id, request.source, at_ms, *SIZE, 40_000, view(number), changed))

    def make_mosaic(self) -> MosaicRequest:
        """The worker has made the mosaic that was asked for last."""
        request = self.desk.mosaics[-1]
        frame_ids = tuple(cell.frame_id for cell in request.cells)
        self.take(MosaicKept(*IDS, request.address.reply_id, 900, 450, 50_000, frame_ids))
        return request

    def take(self, entry: OutputEntry) -> None:
        assert self.eyes.take(entry)

    def speak(self) -> None:
        """From the first sound to the pause after the last; the worker makes what is asked for meanwhile."""
        self.eyes.voice_began()
        count = len(self.desk.mosaics)
        self.eyes.voice_paused()
        if len(self.desk.mosaics) > count:
            self.make_mosaic()

    def turn(self, *, settles: bool = True) -> Look:
        """A turn of the user that is answered now; what its request shows."""
        self._turns += 1
        number = self._turns
        self.history.add(MessageItem(f"item_{number}", "user", (Content("input_audio", "What do you see?"),)))
        look = self.eyes.look()
        self.eyes.expect(f"resp_{number}", look, 100)
        self.eyes.use(f"resp_{number}", look)
        self.history.add(MessageItem(f"answer_{number}", "assistant", (Content("output_audio", "I see."),)))
        if settles:
            self.settle(number, look.tokens + 100)
        return look

    def settle(self, number: int, input_tokens: int) -> facts.TokenUsage:
        count = len(self.desk.mosaics)
        usage = self.eyes.settle(f"resp_{number}", facts.TokenUsage(input_tokens, 10))
        if len(self.desk.mosaics) > count:
            self.make_mosaic()
        return usage

    def write(self, text: str) -> None:
        """The model's answer to what the agent asked it for itself last."""
        reply_id = self.desk.replies[-1].address.reply_id
        self.take(SentenceWritten(*IDS, reply_id, 0, text))
        self.take(ReplyWritten(*IDS, reply_id, 1, "end_turn", 1_000, 10))

    # --- what was seen of it ------------------------------------------------------------------------------------------

    def vision(self) -> list[facts.VisionChanged]:
        return [fact for fact in self.told if isinstance(fact, facts.VisionChanged)]

    def notices(self) -> list[str]:
        return [fact.code for fact in self.told if isinstance(fact, facts.Noticed)]

    def alerts(self) -> list[str]:
        return [fact.text for fact in self.told if isinstance(fact, facts.AlertRaised)]


def shape(parts: tuple[FramePart, ...]) -> list[int]:
    """1 for a picture by itself, the number of cells for a mosaic."""
    return [len(part.cells) or 1 for part in parts]
