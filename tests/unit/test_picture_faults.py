"""A picture that a worker refuses: the fault names the client's event that brought it."""

from collections.abc import Callable

from sessions.live.config import VisionSettings
from sessions.live.items import Content, MessageItem
from sessions.live.watching.rings import Rings
from sessions.live.watching.uplink import Uplink
from sessions.live.watching.uploads import Uploads
from tests.unit.reply_scene import Desk
from workers.errors import NovaError, StreamsUnavailableError
from workers.streams.messages import Address, FrameRequest, WorkFailed

PHOTO = MessageItem("i", "user", (Content("input_image"),))
Fault = tuple[str, str | None]


class FrameDesk(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[FrameRequest] = []

    def request_frame(self, request: FrameRequest, image: bytes, on_failure: Callable[[NovaError], None]) -> None:
        self.frames.append(request)
        self.failures.append(on_failure)


class Scene:
    def __init__(self) -> None:
        self.desk = FrameDesk()
        self.faults: list[Fault] = []
        self.numbers = iter(range(1_000))
        self.uploads = Uploads(self.desk, self.address, self.fault)
        self.uplink = Uplink(self.desk, Rings(), self.address, lambda: f"frame_{next(self.numbers)}", self.fault)

    def address(self, work_id: str) -> Address:
        return Address("sess", 1, work_id, "out")

    def fault(self, error: NovaError, event_id: str | None) -> None:
        self.faults.append((error.code, event_id))

    def see(self, now_ms: float, event_id: str | None) -> None:
        self.uplink.see(b"x", "camera", 1, VisionSettings(), "nova-pro", now_ms, event_id)

    def refusal(self, number: int) -> WorkFailed:
        frame_id = self.desk.frames[number].address.reply_id
        return WorkFailed("sess", 1, frame_id, "frame", "image_rejected", False, "no picture")


def test_a_refused_picture_of_an_item_names_its_event() -> None:
    scene = Scene()
    for event_id in ("e1", None, "e3"):
        scene.uploads.add(PHOTO, (b"x",), 1280, 0, event_id)
    for number in (2, 1, 0):
        scene.uploads.failed(scene.refusal(number))
    assert scene.faults == [("image_rejected", "e3"), ("image_rejected", None), ("image_rejected", "e1")]


def test_a_picture_that_could_not_be_handed_over_names_its_event() -> None:
    scene = Scene()
    scene.uploads.add(PHOTO, (b"x",), 1280, 0, "e1")
    scene.see(0, "e2")
    for on_failure in scene.desk.failures:
        on_failure(StreamsUnavailableError("away"))
    assert scene.faults == [("streams_unavailable", "e1"), ("streams_unavailable", "e2")]


def test_a_refused_frame_names_its_event_and_not_that_of_the_frame_behind_it() -> None:
    scene = Scene()
    scene.see(0, "e1")
    scene.see(1_000, "e2")
    scene.uplink.take(scene.refusal(0), 1_100)
    scene.uplink.take(scene.refusal(1), 1_200)
    assert scene.faults == [("image_rejected", "e1"), ("image_rejected", "e2")]


def test_only_the_newest_event_ids_are_remembered() -> None:
    scene = Scene()
    for number in range(65):
        scene.uploads.add(PHOTO, (b"x",), 1280, 0, f"e{number}")
    scene.uploads.failed(scene.refusal(0))
    scene.uploads.failed(scene.refusal(64))
    assert scene.faults == [("image_rejected", None), ("image_rejected", "e64")]
