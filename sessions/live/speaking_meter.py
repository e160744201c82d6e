"""What a session's speech costs: characters that were spoken, that were cut off, and that only word times were asked for."""

from dataclasses import dataclass, replace
from decimal import Decimal

from sessions.live.thinking_meter import FORGOTTEN_MS, reply_of
from sessions.live.usage import AWS, FREE, Providers, Usage, speaking_cost
from workers.prices import PriceTable
from workers.sentences import speakable
from workers.streams.messages import (
    OutputEntry,
    ReplyRequest,
    SentenceWritten,
    SpeechFinished,
    SpeechMade,
    SpeechRequest,
    TaskBeat,
    WordMarks,
    WorkFailed,
)

END_WAIT_MS = 3_000
OPENING = 0
KEPT_DROPS = 100


@dataclass(slots=True)
class _Sentence:
    characters: int
    engine: str
    asked_ms: float
    has_run: bool = False
    has_failed: bool = False
    called_off_ms: float | None = None
    is_settled: bool = False


@dataclass(slots=True)
class _Bill:
    """All sentences of one reply by one engine."""

    usage: Usage
    changed_ms: float
    told_usd: Decimal = FREE
    is_told: bool = False


class SpeakingMeter:
    """A reply's sentences are added up by engine; `collect` tells what has changed, with the new sums."""

    def __init__(self, prices: PriceTable, providers: Providers) -> None:
        self._prices = prices
        self._provider = providers.text_to_speech
        self._sentences: dict[tuple[str, int], _Sentence] = {}
        self._openings: dict[str, str] = {}
        self._dropped: dict[str, None] = {}
        self._bills: dict[tuple[str, str], _Bill] = {}

    def asked_reply(self, request: ReplyRequest) -> None:
        if request.opening_voice is not None:
            self._openings[request.address.reply_id] = request.opening_voice.engine

    def asked(self, request: SpeechRequest, now_ms: float) -> None:
        place = request.address.reply_id, request.sentence_index
        self._sentences[place] = _Sentence(len(speakable(request.text)), request.voice.engine, now_ms)

    def called_off(self, work_id: str, now_ms: float) -> None:
        self._openings.pop(work_id, None)
        self._dropped[reply_of(work_id)] = None
        while len(self._dropped) > KEPT_DROPS:
            del self._dropped[next(iter(self._dropped))]
        for (owner, _), sentence in self._sentences.items():
            if owner == work_id and sentence.called_off_ms is None:
                sentence.called_off_ms = now_ms

    def take(self, entry: OutputEntry, now_ms: float, at_ms: int) -> None:
        match entry:
            case SentenceWritten(sentence_index=0) if entry.reply_id in self._openings:
                engine = self._openings.pop(entry.reply_id)
                self._sentences[entry.reply_id, OPENING] = _Sentence(len(speakable(entry.text)), engine, now_ms)
            case TaskBeat() | SpeechMade():
                sentence = self._sentences.get((entry.reply_id, entry.sentence_index))
                if sentence is not None:
                    sentence.has_run = True
            case SpeechFinished():
                self._finished(entry, now_ms, at_ms)
            case WordMarks() if entry.billed_characters:
                sentence = self._sentences.get((entry.reply_id, entry.sentence_index))
                engine = sentence.engine if sentence is not None else ""
                self._add(entry.reply_id, engine, now_ms, at_ms, marks=entry.billed_characters)
            case WorkFailed(stage="speech"):
                sentence = self._sentences.get((entry.reply_id, entry.sentence_index))
                if sentence is not None:
                    sentence.has_failed = True

    def running_usd(self) -> Decimal:
        running = [each for each in self._sentences.values() if each.has_run and not each.is_settled]
        untold = sum((bill.usage.cost_usd - bill.told_usd for bill in self._bills.values() if not bill.is_told), FREE)
        return untold + sum((self._cost(each.engine, each.characters) for each in running), FREE)

    def collect(self, now_ms: float, at_ms: int, started: set[str], *, is_last: bool = False) -> list[Usage]:
        """As ThinkingMeter's."""
        for place, sentence in list(self._sentences.items()):
            if sentence.is_settled:
                if now_ms - sentence.asked_ms > FORGOTTEN_MS:
                    del self._sentences[place]
            elif self._is_over(sentence, now_ms, is_last):
                sentence.is_settled = True
                if sentence.has_run:
                    self._add(place[0], sentence.engine, now_ms, at_ms, sentence.characters, is_estimated=True)
        return self._changed_bills(now_ms, started, is_last)

    @staticmethod
    def _is_over(sentence: _Sentence, now_ms: float, is_last: bool) -> bool:
        is_lost = sentence.called_off_ms is not None and now_ms - sentence.called_off_ms >= END_WAIT_MS
        return is_last or is_lost or sentence.has_failed

    def _changed_bills(self, now_ms: float, started: set[str], is_last: bool) -> list[Usage]:
        found = []
        for key, bill in list(self._bills.items()):
            reply_id = bill.usage.reply_id
            is_real = reply_id in started
            if not bill.is_told and (is_real or is_last or reply_id in self._dropped):
                bill.usage = replace(bill.usage, purpose="talk" if is_real else "speculation")
                bill.is_told, bill.told_usd = True, bill.usage.cost_usd
                found.append(bill.usage)
            elif bill.is_told and now_ms - bill.changed_ms > FORGOTTEN_MS:
                del self._bills[key]
        return found

    def _finished(self, entry: SpeechFinished, now_ms: float, at_ms: int) -> None:
        """A sentence that was thought lost and paid for is not paid twice."""
        sentence = self._sentences.get((entry.reply_id, entry.sentence_index))
        characters = entry.billed_characters if self._provider == AWS else entry.characters
        engine = entry.engine or (sentence.engine if sentence is not None else "")
        if sentence is not None:
            if sentence.is_settled:
                return
            sentence.is_settled, sentence.engine = True, engine
        if characters:
            self._add(entry.reply_id, engine, now_ms, at_ms, characters)

    def _add(
        self,
        work_id: str,
        engine: str,
        now_ms: float,
        at_ms: int,
        characters: int = 0,
        marks: int = 0,
        *,
        is_estimated: bool = False,
    ) -> None:
        reply_id = reply_of(work_id)
        bill = self._bills.get((reply_id, engine))
        old = bill.usage if bill is not None else self._empty(reply_id, engine, at_ms)
        characters, marks = old.characters + characters, old.word_mark_characters + marks
        cost = self._cost(engine, characters + marks)
        usage = replace(
            old,
            characters=characters,
            word_mark_characters=marks,
            cost_usd=cost,
            estimated_usd=cost,
            is_estimated=old.is_estimated or is_estimated,
        )
        self._bills[reply_id, engine] = _Bill(usage, now_ms, bill.told_usd if bill is not None else FREE)

    def _empty(self, reply_id: str, engine: str, at_ms: int) -> Usage:
        return Usage(
            usage_id=f"{reply_id}:speaking:{engine}",
            at_ms=at_ms,
            service="text_to_speech",
            provider=self._provider,
            model=engine,
            reply_id=reply_id,
            price_version=self._prices.version,
        )

    def _cost(self, engine: str, characters: int) -> Decimal:
        return speaking_cost(self._prices, self._provider, engine, characters)
