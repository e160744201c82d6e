"""Words of a text by their times or their share of its time: pure functions on strings."""

import re
from collections.abc import Sequence

from workers.text_to_speech.contract import WordMark

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\s぀-ヿ㐀-鿿가-힯]+")

# What stands before the next word and belongs to it or to none; what closes the last word stays.
_BEGUN = re.compile(r"\s\S*\Z")
_OPENING = re.compile(r"(?:\s\W*|[“‘（(《「『【\[{]+)\Z")


def cut_words(text: str, share: float) -> str:
    """The leading words that fit into `share` (0 to 1) of the text's length; a Chinese character counts as a word."""
    if share >= 1.0:
        return text
    allowed = len(text) * max(share, 0.0)
    end = 0
    for match in _WORD.finditer(text):
        if match.end() > allowed:
            break
        end = match.end()
    return text[:end]


def cut_at_marks(text: str, marks: Sequence[WordMark], heard_ms: float, ends_ms: float) -> str:
    """The words whose sound had ended at `heard_ms`: with the next word's beginning, the last one's at `ends_ms`."""
    ends = [mark.start_ms for mark in marks[1:]] + [ends_ms]
    heard = [mark for mark, end_ms in zip(marks, ends, strict=True) if end_ms <= heard_ms]
    if not heard:
        return ""
    next_start = marks[len(heard)].start if len(heard) < len(marks) else len(text)
    end = heard[-1].end
    return _OPENING.sub("", text[:end] + _BEGUN.sub("", text[end:next_start]))
