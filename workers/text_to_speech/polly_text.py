"""Makes text fit for Polly: no control characters, short pieces, cut where a speaker breathes; pure."""

import re
import unicodedata

MAX_CHARACTERS = 1000

_CLOSERS = "\"'”’)\\]}』」】）》»"
# Best places first. A Latin mark ends something only before white space: 3.14, 1,000 and 10:30 stay whole.
_PLACES = (
    re.compile(rf"\n+|[。？！]+[{_CLOSERS}]*|[.?!…]+[{_CLOSERS}]*(?=\s)"),
    re.compile(rf"[，；：、]+[{_CLOSERS}]*|[,;:]+[{_CLOSERS}]*(?=\s)"),
    re.compile(r"\s+"),
)
_ZERO_WIDTH_JOINER = "\u200d"
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_TAGS = range(0xE0020, 0xE0080)


def speakable_pieces(text: str, max_characters: int = MAX_CHARACTERS) -> list[str]:
    """Pieces in order, each with something to say; together they are `text` without control characters."""
    return [piece for piece in split_text(without_control_characters(text), max_characters) if has_words(piece)]


def has_words(text: str) -> bool:
    """A letter, a digit, or a sign that has a name (+, €); Polly answers the rest with no sound."""
    return any(unicodedata.category(character)[0] in "LN" or _is_named_sign(character) for character in text)


def _is_named_sign(character: str) -> bool:
    return unicodedata.category(character) in ("Sc", "Sm") or character in "%&@#"


def without_control_characters(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(character for character in text if character in "\n\t" or not _is_unspeakable(character))


def split_text(text: str, max_characters: int = MAX_CHARACTERS) -> list[str]:
    """Joined, the pieces equal `text`; cut at a sentence end, else a clause end, a space, a grapheme."""
    pieces = []
    rest = text
    while len(rest) > max_characters:
        cut = _cut_position(rest, max_characters)
        pieces.append(rest[:cut])
        rest = rest[cut:]
    if rest:
        pieces.append(rest)
    return pieces


def _is_unspeakable(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Cn", "Co")


def _cut_position(text: str, limit: int) -> int:
    for place in _PLACES:
        cuts = (match.end() for match in place.finditer(text, 0, limit + 1))
        found = max((cut for cut in cuts if cut <= limit and not _continues(text, cut)), default=0)
        if found:
            return found
    return _grapheme_start(text, limit)


def _grapheme_start(text: str, limit: int) -> int:
    """The last place up to `limit` where no visible character is torn; `limit` itself when there is none."""
    for cut in range(limit, 0, -1):
        if not _continues(text, cut):
            return cut
    return limit


def _continues(text: str, cut: int) -> bool:
    """Whether the characters around `cut` are one visible character; `cut` is inside the text."""
    before, after = text[cut - 1], text[cut]
    if _ZERO_WIDTH_JOINER in (before, after) or ord(after) in _SKIN_TONES or before + after == "\r\n":
        return True
    if ord(before) in _REGIONAL_INDICATORS and ord(after) in _REGIONAL_INDICATORS:
        return _flags_before(text, cut) % 2 == 1
    return unicodedata.category(after).startswith("M") or ord(after) in _TAGS or _is_one_syllable(before, after)


def _is_one_syllable(before: str, after: str) -> bool:
    """Korean written in parts: a vowel or final joins what stands before it."""
    leads, follows = range(0x1100, 0x1160), range(0x1160, 0x1200)
    return ord(after) in follows and (ord(before) in leads or ord(before) in follows or "가" <= before <= "힣")


def _flags_before(text: str, cut: int) -> int:
    count = 0
    while count < cut and ord(text[cut - 1 - count]) in _REGIONAL_INDICATORS:
        count += 1
    return count
