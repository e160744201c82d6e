"""Takes `<thinking>...</thinking>` out of a stream of text, wherever the deltas cut it; pure."""

import re

_OPENING = "<thinking>"
_CLOSING = "</thinking>"
_OPENING_PATTERN = re.compile(_OPENING, re.IGNORECASE | re.ASCII)
_CLOSING_PATTERN = re.compile(_CLOSING, re.IGNORECASE | re.ASCII)


class ThinkingFilter:
    """Holds back only what may still become a tag, so ordinary text is never delayed."""

    def __init__(self) -> None:
        self._held = ""
        self._inside = False

    def feed(self, delta: str) -> str:
        """Return what may be heard of the text so far; may be empty."""
        self._held += delta
        heard: list[str] = []
        while self._take_one(heard):
            pass
        return "".join(heard)

    def flush(self) -> str:
        """The text ended: half a tag was text after all, and thoughts that never closed stay unheard."""
        rest = "" if self._inside else self._held
        self._held, self._inside = "", False
        return rest

    def _take_one(self, heard: list[str]) -> bool:
        """Consume up to the next tag; False when no whole tag is left."""
        pattern, tag = (_CLOSING_PATTERN, _CLOSING) if self._inside else (_OPENING_PATTERN, _OPENING)
        match = pattern.search(self._held)
        end = match.start() if match else len(self._held) - _length_of_started_tag(self._held, tag)
        if not self._inside:
            heard.append(self._held[:end])
        self._held = self._held[match.end() :] if match else self._held[end:]
        if match:
            self._inside = not self._inside
        return match is not None


def _length_of_started_tag(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if text[-length:].lower() == tag[:length]:
            return length
    return 0
