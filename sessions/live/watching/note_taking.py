"""The model's own line about pictures that leave its view: asked for beside the conversation, once for each closed page."""

from collections.abc import Callable

from sessions.live.config import SessionConfig
from sessions.live.side_replies import SideAnswer, SideReplies
from sessions.live.watching.album import Album, Mosaic
from sessions.live.watching.look import part_of
from sessions.live.watching.prompts import note_request
from workers.vision.choice import SeenFrame

MAX_NOTE_CHARACTERS = 300

Booked = Callable[[str, Mosaic | SeenFrame], None]
"""booked(side_id, picture): a request with this picture leaves."""
Settled = Callable[[str, SideAnswer | None], None]


class NoteTaking:
    """One per session; one note at a time. It is asked for when a reply has ended, so that no turn waits behind it."""

    def __init__(self, album: Album, side_replies: SideReplies, booked: Booked, settled: Settled) -> None:
        self._album = album
        self._side_replies = side_replies
        self._booked = booked
        self._settled = settled
        self._is_asking = False

    def take_note(self, config: SessionConfig, clock_started_at_ms: int) -> None:
        page = self._album.page_to_note(config.vision.history_mosaics)
        if self._is_asking or page is None or page.picture is None:
            return
        picture, page_id = page.picture, page.page_id
        self._is_asking = True
        self._album.note_asked(page_id)
        side_id = self._side_replies.ask(
            lambda address: note_request(address, config, part_of(picture), clock_started_at_ms),
            lambda side_id, answer: self._answered(page_id, side_id, answer),
        )
        if side_id is None:
            self._is_asking = False
        else:
            self._booked(side_id, picture)

    def _answered(self, page_id: int, side_id: str, answer: SideAnswer | None) -> None:
        self._is_asking = False
        if answer is not None and answer.text:
            self._album.noted(page_id, " ".join(answer.text.split())[:MAX_NOTE_CHARACTERS])
        self._settled(side_id, answer)
