"""Finds the words of a cleaned text again in the text it was made from; pure, and ignorant of how it was cleaned."""

import re
from difflib import SequenceMatcher

from workers.text_to_speech.contract import WordMark

_TOKEN = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+|[^\w\s]|_")


def marks_in(original: str, cleaned: str, marks: tuple[WordMark, ...]) -> tuple[WordMark, ...]:
    """The marks of `cleaned` at their places in `original`; a word that is not there is left out."""
    if original == cleaned:
        return marks
    places = _places(original, cleaned)
    found = (_moved(mark, places) for mark in marks)
    return tuple(mark for mark in found if mark is not None)


def _moved(mark: WordMark, places: dict[int, int]) -> WordMark | None:
    known = [places[at] for at in range(mark.start, mark.end) if at in places]
    return WordMark(mark.start_ms, known[0], known[-1] + 1) if known else None


def _places(original: str, cleaned: str) -> dict[int, int]:
    """Character of `cleaned` -> character of `original`, for every token that both have in the same order."""
    ours, theirs = list(_TOKEN.finditer(cleaned)), list(_TOKEN.finditer(original))
    matcher = SequenceMatcher(None, [token[0] for token in ours], [token[0] for token in theirs], autojunk=False)
    places: dict[int, int] = {}
    for block in matcher.get_matching_blocks():
        for number in range(block.size):
            ours_at, theirs_at = ours[block.a + number].start(), theirs[block.b + number].start()
            places.update((ours_at + step, theirs_at + step) for step in range(len(ours[block.a + number][0])))
    return places
