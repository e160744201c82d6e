"""A reply in progress as another web process needs it: what was written, how much of it the client has as sound."""

from dataclasses import dataclass

from sessions.live.items import FunctionCallItem
from sessions.live.spoken_text import SpokenSentence, SpokenText
from sessions.live.turns import Turn
from workers.streams.messages import ReplyWritten


@dataclass(frozen=True, slots=True)
class PortableTurn:
    """Times are milliseconds before the moment of writing: each process has its own clock."""

    item_id: str
    text: str
    started_ago_ms: float
    paused_ago_ms: float | None = None
    ended_ago_ms: float | None = None
    speculations: int = 0
    dropped_speculations: int = 0


@dataclass(frozen=True, slots=True)
class PortableSentence:
    """`start_ms`: its place in the item's sound, once that began; its words may be told before. `made_ms`: how long it
    is, once it is whole."""

    index: int
    text: str
    separator: str
    is_phrase: bool = False
    start_ms: float | None = None
    made_ms: float | None = None
    is_told: bool = False


@dataclass(frozen=True, slots=True)
class PortableReply:
    """The plan is written apart, once: it is large and does not change."""

    reply_id: str
    attempt: int
    asked_ago_ms: float
    has_item: bool
    sent_ms: float
    sentences: tuple[PortableSentence, ...]
    written: ReplyWritten | None = None
    running_calls: tuple[FunctionCallItem, ...] = ()
    client_calls: tuple[FunctionCallItem, ...] = ()
    failure: tuple[str, str] | None = None
    first_audio_ago_ms: float | None = None


def turn_out(turn: Turn | None, now_ms: float) -> PortableTurn | None:
    if turn is None:
        return None

    def ago(at_ms: float) -> float | None:
        return now_ms - at_ms if at_ms else None

    return PortableTurn(
        turn.item_id,
        turn.text,
        now_ms - turn.started_ms,
        ago(turn.paused_ms),
        ago(turn.ended_ms),
        turn.speculations,
        turn.dropped_speculations,
    )


def turn_in(kept: PortableTurn, now_ms: float) -> Turn:
    def at(ago_ms: float | None) -> float:
        return now_ms - ago_ms if ago_ms is not None else 0.0

    return Turn(
        kept.item_id,
        now_ms - kept.started_ago_ms,
        audio_start_ms=0,
        paused_ms=at(kept.paused_ago_ms),
        ended_ms=at(kept.ended_ago_ms),
        text=kept.text,
        speculations=kept.speculations,
        dropped_speculations=kept.dropped_speculations,
    )


def sentences_out(spoken: SpokenText) -> tuple[PortableSentence, ...]:
    return tuple(
        PortableSentence(
            each.index,
            each.text,
            each.separator,
            each.is_phrase,
            each.start_ms,
            each.made_ms if each.is_made else None,
            each.is_told,
        )
        for each in spoken.sentences
    )


def sentences_in(kept: tuple[PortableSentence, ...], heard_ms: float) -> list[SpokenSentence]:
    """`heard_ms` of the item's sound are with the client. What lies before counts as sent; the sentence that goes on
    there is made again and skips what the client has; the others are made from their beginning."""
    sentences: list[SpokenSentence] = []
    for each, following in zip(kept, (*kept[1:], None), strict=False):
        sentence = SpokenSentence(each.index, each.text, each.separator, each.is_phrase, start_ms=each.start_ms)
        sentence.is_told = each.is_told
        ends_ms = _end_of(each, following)
        if each.start_ms is not None and ends_ms is not None and ends_ms <= heard_ms:
            sentence.is_requested = sentence.is_made = sentence.is_sent = True
            sentence.made_ms = ends_ms - each.start_ms
        elif each.start_ms is not None and each.start_ms < heard_ms:
            sentence.go_on_after(heard_ms - each.start_ms)
        sentences.append(sentence)
    return sentences


def _end_of(each: PortableSentence, following: PortableSentence | None) -> float | None:
    if each.start_ms is None:
        return None
    if following is not None and following.start_ms is not None:
        return following.start_ms
    return each.start_ms + each.made_ms if each.made_ms is not None else None
