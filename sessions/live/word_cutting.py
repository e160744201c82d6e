"""Words of a text by their share of its time: pure functions on strings."""

import re

_WORD = re.compile(r"[぀-ヿ㐀-鿿가-힯]|[^\s぀-ヿ㐀-鿿가-힯]+")


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
