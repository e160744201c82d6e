"""Decides what one request shows the model of all that the session has seen, and has its mosaic made beforehand."""

from dataclasses import replace
from typing import Protocol

from sessions.live.config import SessionConfig
from sessions.live.history import History, Remembered
from sessions.live.ids import new_id
from sessions.live.watching.album import Album, Page
from sessions.live.watching.look import Look, compose, tokens_of, usable_mosaic
from sessions.live.watching.mosaics import Mosaics
from sessions.live.watching.rings import Rings
from sessions.live.watching.speech_clock import SpeechClock
from sessions.live.watching.uploads import Uploads
from sessions.live.work_desk import WorkDesk
from workers.language_model.contract import FrameSource
from workers.language_model.model_table import model_facts
from workers.streams.messages import Address
from workers.vision.budget import BudgetStep
from workers.vision.choice import Choice, SeenFrame, choose

WHOLE_UPLOAD_TURNS = 3
"""So long the newest item's own pictures stay whole; then they are remembered as everything else is."""


class LookingHost(Protocol):
    @property
    def config(self) -> SessionConfig: ...

    @property
    def session_id(self) -> str: ...

    def address_of(self, work_id: str) -> Address: ...

    def now_ms(self) -> float: ...


class Looking:
    """Owned by the session's eyes."""

    def __init__(self, desk: WorkDesk, history: History, host: LookingHost) -> None:
        self._history = history
        self._host = host
        self.rings = Rings()
        self.album = Album()
        self.clock = SpeechClock()
        self.mosaics = Mosaics(desk, host.address_of, lambda: new_id("mosaic"))
        self._uploads_seen: dict[str, int] = {}
        self._hidden_uploads: set[str] = set()
        self._last_choice: tuple[object, Choice] | None = None

    # --- beforehand ---------------------------------------------------------------------------------------------------

    def prepare(self, flying: SeenFrame | None, step: BudgetStep) -> None:
        """Have the mosaic made that a turn ending now would want."""
        if self._host.config.vision.frames == "look":
            return
        choice = self._choice(self._candidates(flying), step)
        model_id = self._host.config.model.model
        self.mosaics.ask(choice.cells, model_id, self.clock.first_captured_at_ms, self._host.now_ms())

    def warm(self, flying: SeenFrame | None, step: BudgetStep) -> None:
        """A frame has come while the turn is about to end: what it changes is reckoned now, not when it has ended."""
        if self.clock.is_paused and self._host.config.vision.frames == "turn":
            self._choice(self._candidates(flying), step)

    # --- at the turn --------------------------------------------------------------------------------------------------

    def look(
        self, flying: SeenFrame | None, uploads: Uploads, step: BudgetStep, in_view: frozenset[FrameSource]
    ) -> Look:
        """What a request that leaves now shows. Items whose uploads are shown no more are named in it."""
        config = self._host.config
        model_id, settings = config.model.model, config.vision
        self.album.forget_turns(self._history.item_ids)
        hidden = self._remember_old_uploads(uploads, step)
        if settings.frames == "look":
            candidates: tuple[SeenFrame, ...] = ()
        else:
            candidates = self._candidates(flying)
        choice = self._choice(candidates, step)
        pages = self._pages(step)
        look = compose(
            candidates, choice, usable_mosaic(choice, self.mosaics.ready), pages, self.album.closed, model_id
        )
        whole = self._whole_uploads(uploads, hidden)
        tokens = look.tokens + sum(tokens_of(model_id, frame) for frame in whole)
        remembered = Remembered(look.remembered.by_item, hidden)
        started_at_ms = self.clock.first_captured_at_ms
        return replace(
            look,
            tokens=tokens,
            remembered=remembered,
            clock_started_at_ms=started_at_ms,
            in_view=tuple(sorted(in_view)),
        )

    def used(self, look: Look, in_view: frozenset[FrameSource]) -> None:
        """The request has left: its frames belong to the user's newest message from now on."""
        self.clock.turn_ended()
        self.rings.forget_turn(in_view)
        for item_id in self._uploads_seen:
            self._uploads_seen[item_id] += 1
        if look.shown:
            newest = self.rings.newest_of(in_view)
            self.album.add(look.shown, self._history.last_user_item_id or "", self.mosaics.ready, newest)

    def looked(self, frame_id: str) -> SeenFrame | None:
        """The model's own tool has shown it this frame."""
        frame = self.rings.find(frame_id)
        if frame is not None:
            self.album.add((frame,), self._history.last_user_item_id or "", self.mosaics.ready)
        return frame

    # --- inside -------------------------------------------------------------------------------------------------------

    def _candidates(self, flying: SeenFrame | None) -> tuple[SeenFrame, ...]:
        """Of this turn and of the album's open page; a scene that is still in view counts once, at its newest time."""
        frames = {frame.frame_id: frame for frame in self.album.open_frames if self._keeps_mosaics}
        frames |= {frame.frame_id: frame for frame in self.rings.frames()}
        if flying is not None:
            frames[flying.frame_id] = flying
        return tuple(sorted(frames.values(), key=lambda frame: frame.captured_at_ms))

    @property
    def _keeps_mosaics(self) -> bool:
        return self._host.config.vision.history_mosaics > 0

    def _choice(self, candidates: tuple[SeenFrame, ...], step: BudgetStep) -> Choice:
        config = self._host.config
        facts = model_facts(config.model.model)
        room = min(config.vision.frames_per_turn, facts.max_pictures - len(self._pages(step)))
        speech = self.clock.window(self._host.now_ms())
        newest = self.rings.sources | {frame.source for frame in candidates if not frame.signature}
        key = (candidates, step, room, speech, newest, config.model.model)
        if self._last_choice is None or self._last_choice[0] != key:
            choice = choose(candidates, model_id=config.model.model, step=step, max_pictures=room, speech=speech)
            self._last_choice = key, _with_gone_as_cells(choice, newest)
        return self._last_choice[1]

    def _pages(self, step: BudgetStep) -> tuple[Page, ...]:
        """Closed pages cost as much as the open one, so they are the first to go when the budget runs low."""
        return self.album.shown(self._host.config.vision.history_mosaics) if step in ("full", "slower") else ()

    def _remember_old_uploads(self, uploads: Uploads, step: BudgetStep) -> frozenset[str]:
        """Pictures of older items join the album; those of the newest stay whole for a few turns.

        Items that came with a talk from elsewhere are strange to us: only the newest of them is still shown.
        """
        items = [item_id for item_id in uploads.items() if self._history.find(item_id) is not None]
        for item_id in items:
            self._uploads_seen.setdefault(item_id, 0)
        is_old = {item_id for item_id in items[:-1] if self._uploads_seen[item_id]}
        is_old |= {item_id for item_id in items if self._uploads_seen[item_id] >= WHOLE_UPLOAD_TURNS}
        for item_id in sorted(is_old, key=items.index):
            self.album.add(uploads.frames_of(item_id), item_id, self.mosaics.ready)
            uploads.forget(item_id)
            del self._uploads_seen[item_id]
            self._hidden_uploads.add(item_id)
        with_pictures = self._history.items_with_pictures
        strange = [item_id for item_id in with_pictures[:-1] if item_id not in self._uploads_seen]
        self._hidden_uploads = (self._hidden_uploads | set(strange)) & self._history.item_ids
        if step == "none":
            return frozenset({*self._hidden_uploads, *items})
        return frozenset(self._hidden_uploads)

    def _whole_uploads(self, uploads: Uploads, hidden: frozenset[str]) -> list[SeenFrame]:
        shown = (item_id for item_id in uploads.items() if item_id not in hidden)
        return [frame for item_id in shown for frame in uploads.frames_of(item_id)]


def _with_gone_as_cells(choice: Choice, in_view: frozenset[FrameSource]) -> Choice:
    """What is newest of a source that is gone, or was uploaded in an earlier turn, belongs to what was seen before."""
    gone = tuple(frame for frame in choice.pictures if frame.source not in in_view)
    if not gone:
        return choice
    pictures = tuple(frame for frame in choice.pictures if frame.source in in_view)
    cells = tuple(sorted((*choice.cells, *gone), key=lambda frame: frame.captured_at_ms))
    return replace(choice, pictures=pictures, cells=cells, singles=(*choice.singles, *gone))
