"""Cuts a growing text into pieces worth speaking and cleans them for the ear; knows no provider."""

import html
import re
import unicodedata
from dataclasses import dataclass

_ENDS = ".?!…"
_WIDE_ENDS = "。？！"
_PAUSES = ",;"
_WIDE_PAUSES = "，；"
_CLOSERS = "\"'”’)]}』」】）》»*_"
_NEVER_AN_END = re.compile(
    r"mr|mrs|ms|dr|prof|st|vs|mt|gen|sen|rep|gov|lt|col|sgt|capt|rev|hon|approx|cf|e\.g|i\.e|a\.k\.a|ph\.d|viz|dept|est",
    re.IGNORECASE,
)
_END_BEFORE_A_CAPITAL = re.compile(
    r"etc|a\.m|p\.m|nos?|inc|ltd|co|corp|jr|sr|fig|vol|pp|al|ave|blvd|jan|feb|apr|aug|sept?|oct|nov|dec", re.IGNORECASE
)
# After an abbreviation such as "U.S." a capital proves nothing ("U.S. Army"); one of these words does begin a sentence.
_BEGINNER = re.compile(
    r"an?|and|are|but|can|did|do|does|for|he|her|his|how|i|if|in|is|its?|it['’]s|my|no|now|on|or|our|she|so|that|the|"
    r"their|then|there|these|they|this|those|to|we|what|when|where|which|who|why|yes|you|your",
    re.IGNORECASE,
)
_INITIALS = re.compile(r"(?:[A-Za-z]\.)+[A-Za-z]\Z")
_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_NEXT_WORD = re.compile(r"\s+[\"'“‘(]*([\w’']*)")
_LAST_WORD = re.compile(r"[^\s(\[{\"'“‘]*\Z")
_SKIN_TONES = "\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff"
_NUMBERING = re.compile(r"\(?\d{1,3}\Z")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`separator` is the white space that stood before `text`; `text` is never blank."""

    text: str
    separator: str = ""


@dataclass(frozen=True, slots=True)
class CutLengths:
    """How long a clause must be before a comma may end it, in Latin and in wide (CJK) characters.

    The longest are for texts without any mark; speech begins with the first piece, so that one is shorter.
    """

    first_latin: int = 12
    first_wide: int = 6
    latin: int = 25
    wide: int = 10
    first_longest: int = 120
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
            if at - start >= self._longest():
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

    def _longest(self) -> int:
        return self._lengths.longest if self._has_cut else self._lengths.first_longest

    def _cut_long(self, start: int, limit: int) -> int:
        for at in range(limit, start, -1):
            if self._buffer[at].isspace():
                return len(self._buffer[:at].rstrip())
        for at in range(limit, start, -1):
            if not _continues(self._buffer, at):
                return at
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
        return self._after_closer(after) if buffer[after - 1] in _CLOSERS else after

    def _after_full_stop(self, start: int, at: int) -> int:
        before = self._buffer[start:at]
        word = _last_word(before)
        is_initial = len(word) == 1 and word.isalpha() and word != "I" and not _WIDE.match(word)
        if _NEVER_AN_END.fullmatch(word) or is_initial or _NUMBERING.fullmatch(before):
            return _NO_CUT
        is_ambiguous = _END_BEFORE_A_CAPITAL.fullmatch(word) is not None
        if not is_ambiguous and _INITIALS.fullmatch(word) is None:
            return at + 1
        following = _NEXT_WORD.match(self._buffer, at + 1)
        if following is None or following.end() == len(self._buffer):
            return _UNDECIDED
        next_word = following[1]
        begins = not next_word[:1].islower() and not next_word[:1].isdigit() if is_ambiguous else _begins(next_word)
        return at + 1 if begins else _NO_CUT

    def _after_closer(self, after: int) -> int:
        """“Really?” he asked: a small letter after the quotation goes on with the sentence."""
        following = self._buffer[after:].lstrip()[:1]
        if not following:
            return _UNDECIDED
        return _NO_CUT if following.islower() else after

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


def joint(before: str) -> str:
    """What stands between `before` and a text that follows it; nothing after white space or a wide character."""
    last = before[-1:]
    is_closed = not last or last.isspace() or last in _WIDE_ENDS + _WIDE_PAUSES + "”’」』）》" or _WIDE.match(last)
    return "" if is_closed else " "


def _begins(word: str) -> bool:
    return word[:1].isupper() and _BEGINNER.fullmatch(word) is not None


def _continues(text: str, at: int) -> bool:
    """Whether a visible character would be torn at `at`."""
    return "\u200d" in text[at - 1 : at + 1] or unicodedata.category(text[at])[0] == "M" or text[at] in _SKIN_TONES


def _skip(text: str, at: int, characters: str) -> int:
    while at < len(text) and text[at] in characters:
        at += 1
    return at


def _last_word(text: str) -> str:
    found = _LAST_WORD.search(text)
    return found.group() if found else ""


_FENCE = re.compile(r"^[ \t]*(?:```|~~~).*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]\n]*)\]\((?:[^)\s]*)\)")
_COMMENT = re.compile(r"<!--.*?-->|<!\[CDATA\[|\]\]>|<[?!][A-Za-z][^<>]{0,200}>", re.DOTALL)
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,200}>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,8});")
_BULLET = re.compile(r"(?<=\s)[•‣◦▪]\s+")
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
# Control characters, marks of direction, what is no character, private ones: neither read nor accepted by a synthesiser.
_UNSPEAKABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff0-\uffff"
    "\ue000-\uf8ff\ud800-\udfff\U000f0000-\U0010ffff]"
)
_SPACE = re.compile(r"\s+")


def speakable(text: str) -> str:
    """The text without mark-up, addresses' tails and pictograms; empty when nothing is left to be said."""
    text = _UNSPEAKABLE.sub("", text)
    text = _FENCE.sub(" ", text)
    text = _LINK.sub(r"\1", text)
    text = _ADDRESS.sub(r"\1", text)
    text = _ENTITY.sub(_unescaped, _TAG.sub(" ", _COMMENT.sub(" ", text)))
    text = _BULLET.sub("", _LINE_MARK.sub("", text))
    text = _CELL.sub(", ", _EMPHASIS.sub("", text))
    text = _SPACE.sub(" ", _PICTOGRAM.sub(" ", text))
    text = _SPACE_BEFORE_A_MARK.sub("", text).strip(" ,")
    return text if any(character.isalnum() for character in text) else ""


def _unescaped(entity: "re.Match[str]") -> str:
    return _UNSPEAKABLE.sub("", html.unescape(entity.group()))
