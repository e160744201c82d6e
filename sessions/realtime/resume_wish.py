"""What a client that comes back says it has had, read from the address of its socket, and whether that can be continued."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["whole", "bad_resume", "unknown_epoch", "trimmed", "ahead"]
NAME_CHARACTERS = 64
MAX_SEQ = 2**53


@dataclass(frozen=True, slots=True)
class ResumeWish:
    """`seq` is the last event that came, `told_seq` the last that was no sound, `sound_ms` how much of the newest item's
    sound has come (None: it does not say), and `sound_item` which item that is. A number that is none is -1."""

    epoch: str
    seq: int
    told_seq: int
    sound_item: str = ""
    sound_ms: float | None = None


def read_wish(query: Mapping[str, list[str]]) -> ResumeWish | None:
    """None when the client does not want to resume. Never raises, whatever the query holds."""
    if "epoch" not in query:
        return None
    seq = _number(query, "seq")
    told_seq = _number(query, "told") if "told" in query else seq
    sound_ms = _number(query, "sound_ms") if "sound_ms" in query else -1
    return ResumeWish(
        _text(query, "epoch")[:NAME_CHARACTERS],
        seq,
        min(told_seq, seq),
        _text(query, "sound_item")[:NAME_CHARACTERS],
        float(sound_ms) if sound_ms >= 0 else None,
    )


def _text(query: Mapping[str, list[str]], name: str) -> str:
    return (query.get(name) or [""])[0]


def _number(query: Mapping[str, list[str]], name: str) -> int:
    text = _text(query, name)
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        return -1
    return min(int(text), MAX_SEQ)


def judge(wish: ResumeWish, epoch: str, first_seq: int, last_seq: int, *, is_last_known: bool) -> Verdict:
    """`is_last_known`: `last_seq` is the last event that was ever numbered; else its owner died and may have told more.

    What it told after that can only have been sound when the client had no other event; sound is made again.
    """
    if wish.seq < 0 or wish.told_seq < 0:
        return "bad_resume"
    if wish.epoch != epoch:
        return "unknown_epoch"
    if wish.seq > last_seq and (is_last_known or wish.told_seq > last_seq):
        return "bad_resume" if is_last_known else "ahead"
    return "trimmed" if wish.seq < first_seq - 1 else "whole"
