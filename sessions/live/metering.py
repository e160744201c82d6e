"""All that a session uses of the services, in one place: what is running, what it has cost, and what is new to be recorded."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

from sessions.live.hearing_meter import HearingMeter
from sessions.live.speaking_meter import SpeakingMeter
from sessions.live.thinking_meter import ThinkingMeter
from sessions.live.usage import FREE, Providers, Usage
from sessions.live.work_desk import OnFailure, WorkDesk
from workers.prices import PriceTable
from workers.streams.messages import InterruptEntry, OutputEntry, ReplyRequest, SpeechRequest, TranscriptEntry

STARTED_REPLIES = 200


class Meter:
    """One per live session, on the event loop only. Sees the requests on their way out and the answers on their way in.

    `on_reply_asked` is called with each request after it has left.
    """

    def __init__(
        self,
        prices: PriceTable,
        providers: Providers,
        now_ms: Callable[[], float],
        epoch_ms: Callable[[], int],
        on_reply_asked: Callable[[ReplyRequest], None],
    ) -> None:
        self._now_ms = now_ms
        self._epoch_ms = epoch_ms
        self._on_reply_asked = on_reply_asked
        self.hearing = HearingMeter(prices, providers)
        self._thinking = ThinkingMeter(prices, providers)
        self._speaking = SpeakingMeter(prices, providers)
        self._started: dict[str, None] = {}
        self._costs: dict[str, Decimal] = {}
        self._settled_usd = FREE

    def desk(self, desk: WorkDesk) -> WorkDesk:
        return cast("WorkDesk", _MeteredDesk(desk, self))

    @property
    def total_usd(self) -> Decimal:
        """With what is running, as far as it is certain to be paid."""
        running = self._thinking.running_usd() + self._speaking.running_usd()
        return self._settled_usd + running + self.hearing.total_usd

    def reply_started(self, reply_id: str) -> None:
        """The client was told of it; one that it was never told of was a speculation."""
        self._started[reply_id] = None
        if len(self._started) > STARTED_REPLIES:
            del self._started[next(iter(self._started))]

    def reply_asked(self, request: ReplyRequest) -> None:
        self._thinking.asked(request, self._now_ms())
        self._speaking.asked_reply(request)
        self._on_reply_asked(request)

    def speech_asked(self, request: SpeechRequest) -> None:
        self._speaking.asked(request, self._now_ms())

    def called_off(self, work_id: str) -> None:
        self._thinking.called_off(work_id, self._now_ms())
        self._speaking.called_off(work_id, self._now_ms())

    def take(self, entry: OutputEntry) -> None:
        self._thinking.take(entry)
        self._speaking.take(entry, self._now_ms(), self._epoch_ms())

    def collect(self, *, is_last: bool = False) -> list[Usage]:
        """What has become known since the last call."""
        now_ms, at_ms, started = self._now_ms(), self._epoch_ms(), set(self._started)
        found = self._thinking.collect(now_ms, at_ms, started, is_last=is_last)
        found += self._speaking.collect(now_ms, at_ms, started, is_last=is_last)
        for usage in found:
            self._settled_usd += usage.cost_usd - self._costs.get(usage.usage_id, FREE)
            self._costs[usage.usage_id] = usage.cost_usd
        while len(self._costs) > STARTED_REPLIES:
            del self._costs[next(iter(self._costs))]
        return found + self.hearing.collect(now_ms, at_ms, is_last=is_last)


class _MeteredDesk:
    """A work desk that tells the meter what leaves; whatever it does not name itself is the desk's."""

    def __init__(self, desk: WorkDesk, meter: Meter) -> None:
        self._desk = desk
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    def request_reply(
        self, request: ReplyRequest, words: TranscriptEntry | None, on_failure: OnFailure, is_prepared: bool = False
    ) -> None:
        self._desk.request_reply(request, words, on_failure, is_prepared)
        self._meter.reply_asked(request)

    def request_speech(self, request: SpeechRequest, on_failure: OnFailure) -> None:
        self._desk.request_speech(request, on_failure)
        self._meter.speech_asked(request)

    def interrupt(self, entry: InterruptEntry) -> None:
        self._desk.interrupt(entry)
        self._meter.called_off(entry.reply_id)
