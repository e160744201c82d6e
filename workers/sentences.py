"""Cuts a growing text into pieces worth speaking and cleans them for the ear; knows no provider."""

import re
from dataclasses import dataclass

_ENDS = ".?!…"
_WIDE_ENDS = "。？！"
_PAUSES = ",;"
_WIDE_PAUSES = "，；"
_CLOSERS = "\"'”’)]}』」】）》»*_"
_NEVER_AN_END = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "vs", "e.g", "i.e", "mt", "gen", "capt", "rev", "approx", "cf")
)
_END_BEFORE_A_CAPITAL = frozenset(
    ("etc", "a.m", "p.m", "u.s", "u.k", "no", "inc", "ltd", "co", "corp", "jr", "sr", "fig", "vol")
)
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_LAST_WORD = re.compile(r"[^\s(\[{\"'“‘]*\Z")
_NUMBERING = re.compile(r"\(?\d{1,3}\Z")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`separator` is the white space that stood before `text`; `text` is never blank."""

    text: str
    separator: str = ""


@dataclass(frozen=True, slots=True)
class CutLengths:
    """How long a clause must be before a comma may end it, in Latin and in wide (CJK) characters."""

    first_latin: int = 12
    first_wide: int = 6
    latin: int = 25
    wide: int = 10
    longest: int = 400


class SentenceCutter:
    """Feed it a text piece by piece. All separators and texts joined, plus `rest`, are exactly what was fed.

    How the text was divided does not change the result: a cut waits for the character that decides it.
    """

    def __init__(self, lengths: CutLengths | None = None) -> None:
        self._lengths = lengths or CutLengths()
        self._buffer = ""
        self._scanned = 0
        self._has_cut = False

    @property
    def rest(self) -> str:
        """What was fed and not given out yet; after `flush` nothing but white space."""
        return self._buffer

    def feed(self, delta: str) -> list[Sentence]:
        self._buffer += delta
        sentences = []
        while (end := self._next_cut()) is not None:
            sentences.append(self._take(end))
        return sentences

    def flush(self) -> list[Sentence]:
        """No more text comes: give out what is left."""
        end = len(self._buffer.rstrip())
        return [self._take(end)] if end else []

    def _take(self, end: int) -> Sentence:
        whole, self._buffer = self._buffer[:end], self._buffer[end:]
        self._scanned = 0
        self._has_cut = True
        text = whole.lstrip()
        return Sentence(text, whole[: len(whole) - len(text)])

    def _next_cut(self) -> int | None:
        buffer = self._buffer
        start = len(buffer) - len(buffer.lstrip())
        for at in range(max(start, self._scanned), len(buffer)):
            if at - start >= self._lengths.longest:
                return self._cut_long(start, at)
            if buffer[at] == "\n":
                return len(buffer[:at].rstrip())
            end = self._cut_at(start, at)
            if end == _UNDECIDED:
                self._scanned = at
                return None
            if end != _NO_CUT:
                return end
        self._scanned = max(start, len(buffer))
        return None

    def _cut_long(self, start: int, limit: int) -> int:
        for at in range(limit, start, -1):
            if self._buffer[at].isspace():
                return len(self._buffer[:at].rstrip())
        return limit

    def _cut_at(self, start: int, at: int) -> int:
        character = self._buffer[at]
        if character in _ENDS or character in _WIDE_ENDS:
            return self._end_of_sentence(start, at)
        if character in _PAUSES or character in _WIDE_PAUSES:
            return self._end_of_clause(start, at)
        return _NO_CUT

    def _end_of_sentence(self, start: int, at: int) -> int:
        buffer = self._buffer
        after = _skip(buffer, at, _ENDS + _WIDE_ENDS)
        is_wide = any(mark in _WIDE_ENDS for mark in buffer[at:after])
        after = _skip(buffer, after, _CLOSERS)
        if after == len(buffer):
            return _UNDECIDED
        if is_wide or _WIDE.match(buffer, after):
            return after
        if not buffer[after].isspace():
            return _NO_CUT
        if buffer[at] == "." and buffer[at + 1].isspace():
            return self._after_full_stop(start, at)
        return after

    def _after_full_stop(self, start: int, at: int) -> int:
        before = self._buffer[start:at]
        word = _last_word(before)
        is_initial = len(word) == 1 and word.isalpha() and word != "I" and not _WIDE.match(word)
        if word.lower() in _NEVER_AN_END or is_initial or _NUMBERING.fullmatch(before):
            return _NO_CUT
        if word.lower() not in _END_BEFORE_A_CAPITAL:
            return at + 1
        following = self._buffer[at + 1 :].lstrip()[:1]
        if not following:
            return _UNDECIDED
        return _NO_CUT if following.islower() or following.isdigit() else at + 1

    def _end_of_clause(self, start: int, at: int) -> int:
        buffer = self._buffer
        after = _skip(buffer, at + 1, _CLOSERS)
        if after == len(buffer):
            return _UNDECIDED
        is_pause = buffer[at] in _WIDE_PAUSES or buffer[after].isspace()
        return after if is_pause and self._is_long_enough(buffer[start:at]) else _NO_CUT

    def _is_long_enough(self, clause: str) -> bool:
        lengths = self._lengths
        latin, wide = lengths.first_latin, lengths.first_wide
        if self._has_cut:
            latin, wide = lengths.latin, lengths.wide
        wide_count = len(_WIDE.findall(clause))
        return (len(clause) - wide_count) / latin + wide_count / wide >= 1


_NO_CUT = -1
_UNDECIDED = -2


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _last_word(text: str) -> str:
    found = _LAST_WORD.search(text)
    return found.group() if found else ""


_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^)\s]*)\)")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_LINE_MARK = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+•][ \t]+|-{3,}[ \t]*$|\|?[ \t:|-]+\|[ \t:|-]*$)", re.MULTILINE
)
_EMPHASIS = re.compile(r"(?<!\s)\*+|\*+(?!\s)|~~|`+|(?<!\w)_+|_+(?!\w)")
_CELL = re.compile(r"\s*\|[\s|]*")
_SPACE_BEFORE_A_MARK = re.compile(r" +(?=[,.!?;:，。！？；：])")
_ADDRESS = re.compile(r"https?://(?:www\.)?([^\s/?#)\]]+)[^\s)\]]*")
_PICTOGRAM = re.compile(
    "[\U0001f000-\U0001faff\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\ufe0e\ufe0f\u200d\u20e3\U000e0020-\U000e007f]"
)
_SPACE = re.compile(r"\s+")


def speakable(text: str) -> str:
    """The text without mark-up, addresses' tails and pictograms; empty when nothing is left to be said."""
    text = _FENCE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub(r"\1", text)
    text = _TAG.sub(" ", text)
    text = _LINE_MARK.sub("", text)
    text = _CELL.sub(", ", _EMPHASIS.sub("", text))
    text = _SPACE.sub(" ", _PICTOGRAM.sub(" ", text))
    text = _SPACE_BEFORE_A_MARK.sub("", text).strip(" ,")
    return text if any(character.isalnum() for character in text) else ""
