"""Makes text fit for Polly: no control characters, short pieces, cut where a speaker breathes; pure."""

import re
import unicodedata

MAX_CHARACTERS = 1000

_SENTENCE_ENDS = ".?!。？！\n"
_CLAUSE_ENDS = ",;:，；：、"
_SPACES = re.compile(r"\s")
_ZERO_WIDTH_JOINER = "\u200d"
_REGIONAL_INDICATORS = range(0x1F1E6, 0x1F200)
_SKIN_TONES = range(0x1F3FB, 0x1F400)


def speakable_pieces(text: str, max_characters: int = MAX_CHARACTERS) -> list[str]:
    """Pieces in order, none blank; together they are `text` without control characters."""
    return [piece for piece in split_text(without_control_characters(text), max_characters) if piece.strip()]


def without_control_characters(text: str) -> str:
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
    for ends in (_SENTENCE_ENDS, _CLAUSE_ENDS):
        cut = max((text.rfind(end, 0, limit) for end in ends), default=-1) + 1
        if cut:
            return cut
    spaces = [match.end() for match in _SPACES.finditer(text, 0, limit)]
    return spaces[-1] if spaces else _grapheme_start(text, limit)


def _grapheme_start(text: str, limit: int) -> int:
    """The last place up to `limit` where no visible character is torn; `limit` itself when there is none."""
    for cut in range(limit, 0, -1):
        if not _continues(text, cut):
            return cut
    return limit


def _continues(text: str, cut: int) -> bool:
    before, after = text[cut - 1], text[cut]
    if _ZERO_WIDTH_JOINER in (before, after) or ord(after) in _SKIN_TONES:
        return True
    if ord(before) in _REGIONAL_INDICATORS and ord(after) in _REGIONAL_INDICATORS:
        return _flags_before(text, cut) % 2 == 1
    return unicodedata.category(after).startswith("M")


def _flags_before(text: str, cut: int) -> int:
    count = 0
    while count < cut and ord(text[cut - 1 - count]) in _REGIONAL_INDICATORS:
        count += 1
    return count
