"""What a reply's `look` tool sees: the newest kept picture of the session, read when the model asks for it."""

from dataclasses import dataclass
from typing import Final

import redis

from workers.language_model.contract import FramePart, FrameSource, ModelPart, StoredMessage
from workers.request_pictures import fill_in
from workers.streams import kept_pictures, keys
from workers.vision.clock import moment

NOTHING_SHOWN: Final = "Nothing is shown: neither a camera nor a screen is on."


@dataclass(frozen=True, slots=True)
class Sight:
    """`told` goes to the model beside the picture, `remembered` into the history, where the picture is not."""

    parts: tuple[ModelPart, ...]
    frame_id: str
    told: str
    remembered: str


class Looking:
    """Made per reply; `clock_started_at_ms` is the moment that the model knows as 0:00."""

    def __init__(
        self, client: "redis.Redis", session_id: str, clock_started_at_ms: int, in_view: tuple[FrameSource, ...]
    ) -> None:
        self._client = client
        self._session_id = session_id
        self._clock_started_at_ms = clock_started_at_ms
        self._in_view = in_view

    def look(self, source: str) -> Sight | None:
        """The newest picture of `source`, or of any in view when that is empty. None: there is none. Raises RedisError."""
        wanted = [each for each in self._in_view if source in ("", each)]
        found = [(kept_pictures.newest(self._client, self._session_id, each), each) for each in wanted]
        shown = [(newest, each) for newest, each in found if newest is not None]
        if not shown:
            return None
        newest, seen_by = max(shown, key=lambda known: known[0].captured_at_ms)
        frame = FramePart(keys.kept_frame(newest.frame_id), seen_by, newest.captured_at_ms)
        stored = (StoredMessage("user", (frame,)),)
        filled = fill_in(stored, self._client, self._clock_started_at_ms, wait_seconds=0)
        if not filled.pictures:
            return None
        at = moment(newest.captured_at_ms, self._clock_started_at_ms or newest.captured_at_ms)
        told = f"The picture beside this is what the {seen_by} shows now, at {at}."
        return Sight(filled.messages[0].parts, newest.frame_id, told, f"Looked at the {seen_by} at {at}.")
