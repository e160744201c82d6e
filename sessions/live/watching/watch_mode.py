"""Watch mode: the agent looks by itself, asks the model about what it sees, and hands on what is worth an alert."""

from collections.abc import Callable
from typing import Protocol

from sessions.live.config import SessionConfig
from sessions.live.side_replies import SideAnswer, SideReplies
from sessions.live.watching.guard import Guard
from sessions.live.watching.look import frame_part
from sessions.live.watching.prompts import watch_request
from workers.vision.choice import SeenFrame
from workers.vision.signature import SCENE_CHANGE

Frames = tuple[SeenFrame, ...]


class WatchHost(Protocol):
    """What watch mode needs of the session's eyes."""

    def newest_frames(self) -> Frames:
        """The newest of each source."""
        ...

    @property
    def clock_started_at_ms(self) -> int: ...

    def booked(self, side_id: str, frames: Frames) -> None:
        """A request with these pictures leaves."""
        ...

    def settled(self, side_id: str, answer: SideAnswer | None) -> None: ...

    def alert(self, text: str, frame: SeenFrame) -> None: ...


class WatchMode:
    """One per session whose graph has a question to watch for. Made when the session starts."""

    def __init__(self, guard: Guard, side_replies: SideReplies, host: WatchHost) -> None:
        self._guard = guard
        self._side_replies = side_replies
        self._host = host

    def saw(self, frame: SeenFrame) -> None:
        if frame.change >= SCENE_CHANGE:
            self._guard.scene_changed()

    def look_if_due(self, config: SessionConfig, now_ms: float, is_allowed: Callable[[], bool]) -> None:
        frames = self._host.newest_frames()
        newest = max(frames, key=lambda frame: frame.captured_at_ms, default=None)
        if newest is None or not self._guard.wants_look(_ids(frames), now_ms) or not is_allowed():
            return
        self._guard.looked(_ids(frames), now_ms)
        question, reported = self._guard.settings.question, self._guard.reported
        pictures, clock_started_at_ms = tuple(map(frame_part, frames)), self._host.clock_started_at_ms
        side_id = self._side_replies.ask(
            lambda address: watch_request(address, config, question, reported, pictures, clock_started_at_ms),
            lambda side_id, answer: self._answered(side_id, answer, newest),
        )
        if side_id is None:
            self._guard.failed()
        else:
            self._host.booked(side_id, frames)

    def _answered(self, side_id: str, answer: SideAnswer | None, newest: SeenFrame) -> None:
        self._host.settled(side_id, answer)
        if answer is None:
            self._guard.failed()
            return
        report = self._guard.answered(answer.text)
        if report is not None:
            self._host.alert(report, newest)


def _ids(frames: Frames) -> str:
    return " ".join(sorted(frame.frame_id for frame in frames))
