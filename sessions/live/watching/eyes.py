"""The eyes of one session: frames, their choice, what is remembered of them, what they cost, and watch mode. Never decodes."""

from typing import Protocol

import structlog

from sessions.live import facts
from sessions.live.config import SessionConfig
from sessions.live.history import History, Remembered
from sessions.live.ids import new_id
from sessions.live.items import Content, Item, MessageItem
from sessions.live.side_replies import SideAnswer, SideReplies
from sessions.live.watching.album import Mosaic
from sessions.live.watching.guard import Guard
from sessions.live.watching.look import Look
from sessions.live.watching.looking import Looking
from sessions.live.watching.note_taking import NoteTaking
from sessions.live.watching.spending import Spending
from sessions.live.watching.uplink import Uplink
from sessions.live.watching.uploads import Uploads
from sessions.live.watching.vision_news import VisionNews
from sessions.live.watching.watch_mode import WatchMode
from sessions.live.work_desk import WorkDesk
from workers.errors import BadInputError, NovaError
from workers.language_model.contract import FrameSource
from workers.language_model.model_table import model_facts, useful_side_px
from workers.streams.messages import (
    Address,
    FrameKept,
    FrameSkipped,
    MosaicKept,
    OutputEntry,
    ToolReturned,
    WorkFailed,
)
from workers.vision.budget import BudgetStep
from workers.vision.choice import SeenFrame

logger = structlog.get_logger(__name__)


class EyesHost(Protocol):
    """What the eyes need of their session."""

    @property
    def config(self) -> SessionConfig: ...

    @property
    def session_id(self) -> str: ...

    def address_of(self, work_id: str) -> Address: ...

    def now_ms(self) -> float: ...

    def epoch_ms(self) -> int: ...

    def deliver(self, fact: facts.Fact) -> None: ...

    def tell_fault(self, error: NovaError, event_id: str | None = None) -> None: ...

    def say(self, text: str) -> None: ...


class Eyes:
    """One per session; event loop only. `start` when the agent wakes, `close` ends all that was asked for."""

    def __init__(self, desk: WorkDesk, history: History, host: EyesHost) -> None:
        self._history = history
        self._host = host
        self._news = VisionNews(host.deliver)
        self._side_replies = SideReplies(desk, host.address_of, host.now_ms)
        self._looking = Looking(desk, history, host)
        self._uplink = Uplink(desk, self._looking.rings, host.address_of, lambda: new_id("frame"), host.tell_fault)
        self._uploads = Uploads(desk, host.address_of, host.tell_fault)
        self._notes = NoteTaking(self._looking.album, self._side_replies, self._note_booked, self.settled)
        self._spending = Spending(host.config, host.now_ms, self._step_changed)
        self._watch: WatchMode | None = None
        self._is_closed = False

    # --- life ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        config = self._host.config
        self._spending = Spending(config, self._host.now_ms, self._step_changed)
        if config.vision.enabled and not self._sees:
            text = f"the model {config.model.model} takes no pictures: none are sent, and none are needed"
            self._host.deliver(facts.Noticed("model_sees_nothing", text))
        if config.watch is not None and self._sees:
            self._watch = WatchMode(Guard(config.watch), self._side_replies, self)
        self._tell_intervals()

    def close(self) -> None:
        """What is on its way is called off. The pictures stay for a while: the client may come back to the session."""
        self._is_closed = True
        self._side_replies.close()

    def check(self) -> None:
        """Called four times a second."""
        self._side_replies.check()
        self._pace()
        if self._watch is not None:
            self._watch.look_if_due(self._host.config, self._host.now_ms(), lambda: self._spending.step != "none")

    @property
    def interval_ms(self) -> int:
        """How often the client is to send frames; 0: never."""
        if not self._sees or self._spending.step == "none":
            return 0
        return self._news.interval_ms or self._host.config.vision.frame_interval_ms

    @property
    def _in_view(self) -> frozenset[FrameSource]:
        return self._uplink.in_view(self._host.now_ms())

    @property
    def _sees(self) -> bool:
        config = self._host.config
        return config.vision.enabled and model_facts(config.model.model).sees

    # --- pictures in --------------------------------------------------------------------------------------------------

    def see(self, image: bytes, source: FrameSource, captured_at_ms: int, event_id: str | None) -> None:
        """Raises BadInputError where pictures are not looked at."""
        host, config = self._host, self._host.config
        if not config.vision.enabled:
            raise BadInputError("this graph takes no pictures", code="vision_disabled")
        if not self._sees:
            raise BadInputError(f"the model {config.model.model} takes no pictures", code="model_sees_nothing")
        if self._spending.step == "none":
            return
        self._looking.clock.noticed(captured_at_ms, host.now_ms())
        model_id = config.model.model
        self._uplink.see(image, source, captured_at_ms, config.vision, model_id, host.now_ms(), event_id)

    def add_pictures(self, item: MessageItem, images: tuple[bytes, ...], event_id: str | None) -> MessageItem:
        """The item with its pictures on their way to the worker; a model without eyes is not troubled with them."""
        config, now_ms = self._host.config, self._host.epoch_ms()
        if not model_facts(config.model.model).sees:
            text = f"the model {config.model.model} takes no pictures: it reads the words alone"
            self._host.deliver(facts.Noticed("model_sees_nothing", text))
            return item
        side_px = useful_side_px(config.model.model, "upload", config.vision.max_side_px)
        self._looking.clock.noticed(now_ms, self._host.now_ms())
        return self._uploads.add(item, images, side_px, now_ms, event_id)

    def voice_began(self) -> None:
        self._looking.clock.speech_began(self._host.now_ms())
        self._uplink.turn_began()
        self._tell_intervals()

    def voice_paused(self) -> None:
        """Perhaps the turn is over: what it will need of older frames is asked for now, so that it is ready then."""
        self._looking.clock.speech_ended(self._host.now_ms())
        if self._sees:
            self._looking.prepare(self._uplink.flying(), self._spending.step)

    # --- entries of workers -------------------------------------------------------------------------------------------

    def take(self, entry: OutputEntry) -> bool:
        """False for an entry that is not about pictures of this session."""
        if isinstance(entry, ToolReturned) and entry.frame_id:
            self._looked_by_tool(entry)
            return False
        if self._side_replies.owns(entry.reply_id):
            self._side_replies.take(entry)
            return True
        if isinstance(entry, MosaicKept | WorkFailed) and self._looking.mosaics.owns(entry.reply_id):
            self._looking.mosaics.take(entry, self._host.now_ms())
            return True
        if isinstance(entry, FrameKept | FrameSkipped | WorkFailed) and self._uplink.owns(entry.reply_id):
            self._take_frame(entry)
            return True
        return self._take_upload(entry)

    def _take_frame(self, entry: FrameKept | FrameSkipped | WorkFailed) -> None:
        seen = self._uplink.take(entry, self._host.now_ms())
        self._tell_intervals()
        self._looking.warm(self._uplink.flying(), self._spending.step)
        if seen is not None and self._watch is not None:
            self._watch.saw(seen)
            self.check()

    def _take_upload(self, entry: OutputEntry) -> bool:
        if isinstance(entry, FrameKept) and self._uploads.owns(entry.reply_id):
            self._uploads.kept(entry)
        elif isinstance(entry, WorkFailed) and entry.stage == "frame":
            self._uploads.failed(entry)
        else:
            return isinstance(entry, FrameKept | FrameSkipped | MosaicKept)
        return True

    # --- what a request shows -----------------------------------------------------------------------------------------

    def look(self) -> Look:
        """What a reply that is asked for now is to show the model. Never waits."""
        if not self._sees:
            return Look(remembered=Remembered(without_pictures=frozenset(self._uploads.items())))
        return self._looking.look(self._uplink.flying(), self._uploads, self._spending.step, self._in_view)

    def expect(self, reply_id: str, look: Look, text_tokens: int) -> None:
        """A request with this look leaves, and is paid for whether it is used or not."""
        self._spending.expect(reply_id, look.tokens, text_tokens)

    def use(self, reply_id: str, look: Look) -> None:
        """The reply with this look is the one that answers. The turn's frames are old from now on."""
        self._uplink.turn_ended()
        self._looking.used(look, self._in_view)
        if look.told:
            frames = [f"{told.captured_at_ms} {told.source} {told.place}: {told.reason}" for told in look.told]
            names = {"session_id": self._host.session_id, "reply_id": reply_id}
            logger.info("pictures_chosen", **names, step=self._spending.step, tokens=look.tokens, frames=frames)
            cost = self._spending.usd(look.tokens)
            self._news.used(reply_id, look.told, look.tokens, cost, is_estimate=True)

    def settle(self, reply_id: str, usage: facts.TokenUsage) -> facts.TokenUsage:
        """The bill of a reply has come: what of it were pictures. What it showed is made ready for the next turn."""
        settled = self._spending.settle(reply_id, usage)
        self._pace()
        if self._sees and not self._is_closed:
            self._looking.prepare(self._uplink.flying(), self._spending.step)
            self._notes.take_note(self._host.config, self.clock_started_at_ms)
        if settled is None:
            return usage
        cost = self._spending.usd(settled.image_tokens)
        self._news.used(reply_id, (), settled.image_tokens, cost, is_estimate=not usage.input_tokens)
        return settled

    def _looked_by_tool(self, entry: ToolReturned) -> None:
        """The model has called its `look` tool: the frame counts as used by that reply."""
        frame = self._looking.looked(entry.frame_id)
        if frame is None:
            return
        tokens = self._spending.add(f"{entry.reply_id}.{entry.tool_use_id}", frame)
        told = facts.FrameTold(frame.captured_at_ms, frame.source, "picture", "looked")
        reply_id = entry.reply_id.partition(".")[0]
        self._news.used(reply_id, (told,), tokens, self._spending.usd(tokens), is_estimate=True)

    # --- WatchHost and notes ------------------------------------------------------------------------------------------

    def newest_frames(self) -> tuple[SeenFrame, ...]:
        return self._looking.rings.newest_of(self._in_view)

    @property
    def clock_started_at_ms(self) -> int:
        return self._looking.clock.first_captured_at_ms

    def booked(self, side_id: str, frames: tuple[SeenFrame, ...]) -> None:
        self._spending.book(side_id, frames)

    def settled(self, side_id: str, answer: SideAnswer | None) -> None:
        usage = (
            facts.TokenUsage(answer.input_tokens, answer.output_tokens) if answer is not None else facts.TokenUsage()
        )
        self._spending.settle(side_id, usage)
        self._pace()

    def alert(self, text: str, frame: SeenFrame) -> None:
        """Clients of the standard see the item; the others the event too."""
        watch = self._host.config.watch
        if watch is None or self._is_closed:
            return
        self._host.deliver(facts.AlertRaised(new_id("alert"), text, watch.question, frame.source, frame.captured_at_ms))
        if watch.speaks:
            self._host.say(text)
        else:
            self._keep_report(MessageItem(new_id("item"), "assistant", (Content("output_text", text),)))

    def _keep_report(self, item: Item) -> None:
        previous = self._history.add(item)
        self._host.deliver(facts.ItemAdded(item, previous))
        self._host.deliver(facts.ItemFinished(item, previous))

    def _note_booked(self, side_id: str, picture: Mosaic | SeenFrame) -> None:
        self._spending.book(side_id, (picture,))

    # --- the budget and the client ------------------------------------------------------------------------------------

    def _pace(self) -> None:
        """The budget's step may have changed with time as well as with a bill."""
        self._uplink.slow_down(self._spending.plan().interval_factor)
        self._tell_intervals()

    def _step_changed(self, step: BudgetStep) -> None:
        self._news.step(step)

    def _tell_intervals(self) -> None:
        usual_ms, now_ms = self._host.config.vision.frame_interval_ms, self._host.now_ms()
        if not self._sees or self._spending.step == "none":
            self._news.intervals(0, {}, now_ms)
        else:
            self._news.intervals(usual_ms, self._uplink.intervals_ms(now_ms), now_ms)
