"""What was shown to the model in turns before: pages of scenes; the open page goes on, closed ones end as notes. Pure."""

from dataclasses import dataclass, replace

from workers.vision.choice import SeenFrame

PAGE_SCENES = 12
"""A mosaic of more would make its cells too small to be read."""
IDLE_TURNS = 4
"""A page that has got nothing new for so many turns is closed: what it shows is seldom asked for any more."""
MAX_CLOSED_PAGES = 40
"""As many as a long history has turns; an older page has left the model's view with its turn."""


@dataclass(frozen=True, slots=True)
class Mosaic:
    """A picture that a worker has made of several frames, oldest first."""

    mosaic_id: str
    frames: tuple[SeenFrame, ...]
    width_px: int
    height_px: int

    @property
    def frame_ids(self) -> frozenset[str]:
        return frozenset(frame.frame_id for frame in self.frames)


@dataclass(frozen=True, slots=True)
class Page:
    """A closed page belongs to the turn (`item_id`) that it was last shown in. `note` is the model's own line about it.

    `picture` shows it: a mosaic, or its only frame.
    """

    page_id: int
    item_id: str
    frames: tuple[SeenFrame, ...]
    picture: Mosaic | SeenFrame | None = None
    note: str = ""
    is_note_asked: bool = False

    @property
    def begins_at_ms(self) -> int:
        return self.frames[0].captured_at_ms

    @property
    def ends_at_ms(self) -> int:
        return self.frames[-1].captured_at_ms


class Album:
    """One per session. `shown_pages`: how many pages, the open one included, are shown as mosaics."""

    def __init__(self) -> None:
        self._next_page_id = 1
        self._open: tuple[SeenFrame, ...] = ()
        self._open_item_id = ""
        self._idle_turns = 0
        self._closed: list[Page] = []

    @property
    def open_frames(self) -> tuple[SeenFrame, ...]:
        return self._open

    @property
    def closed(self) -> tuple[Page, ...]:
        return tuple(self._closed)

    def add(
        self, frames: tuple[SeenFrame, ...], item_id: str, mosaic: Mosaic | None, in_view: tuple[SeenFrame, ...] = ()
    ) -> None:
        """Frames that a request has just shown. A page that they would overfill is closed with its last `mosaic`."""
        known = {frame.frame_id for frame in self._open}
        new = tuple(frame for frame in frames if frame.frame_id not in known)
        self._idle_turns = 0 if new else self._idle_turns + 1
        is_idle = self._idle_turns >= IDLE_TURNS and len(self._open) > len(in_view)
        if self._open and (is_idle or len(self._open) + len(new) > PAGE_SCENES):
            self._close(mosaic)
            frames = new = in_view if is_idle else new
        self._open = (*self._renewed(frames), *new)[-PAGE_SCENES:]
        self._open_item_id = item_id

    def shown(self, shown_pages: int) -> tuple[Page, ...]:
        """The closed pages whose mosaics still go with a request."""
        count = max(0, shown_pages - 1)
        pages = [page for page in self._closed if page.picture is not None]
        return tuple(pages[-count:]) if count else ()

    def page_to_note(self, shown_pages: int) -> Page | None:
        """The oldest page that is shown no more and has a mosaic nobody has described yet."""
        shown = {page.page_id for page in self.shown(shown_pages)}
        return next(
            (p for p in self._closed if p.picture is not None and not p.is_note_asked and p.page_id not in shown), None
        )

    def note_asked(self, page_id: int) -> None:
        self._change(page_id, is_note_asked=True)

    def noted(self, page_id: int, note: str) -> None:
        self._change(page_id, note=note)

    def forget_turns(self, is_known: frozenset[str]) -> None:
        """Pages of turns that have left the history say nothing to anybody."""
        self._closed = [page for page in self._closed if page.item_id in is_known]

    def _renewed(self, frames: tuple[SeenFrame, ...]) -> tuple[SeenFrame, ...]:
        newer = {frame.frame_id: frame for frame in frames}
        return tuple(newer.get(frame.frame_id, frame) for frame in self._open)

    def _close(self, mosaic: Mosaic | None) -> None:
        self._closed.append(Page(self._next_page_id, self._open_item_id, self._open, _picture_of(self._open, mosaic)))
        self._next_page_id += 1
        self._open, self._idle_turns = (), 0
        del self._closed[:-MAX_CLOSED_PAGES]

    def _change(self, page_id: int, *, note: str | None = None, is_note_asked: bool | None = None) -> None:
        for at, page in enumerate(self._closed):
            if page.page_id == page_id:
                asked = page.is_note_asked if is_note_asked is None else is_note_asked
                self._closed[at] = replace(page, note=page.note if note is None else note, is_note_asked=asked)


def _picture_of(frames: tuple[SeenFrame, ...], mosaic: Mosaic | None) -> Mosaic | SeenFrame | None:
    """None when no mosaic of these frames was ever ready."""
    if len(frames) == 1:
        return frames[0]
    ids = {frame.frame_id for frame in frames}
    return mosaic if mosaic is not None and mosaic.frame_ids & ids else None
