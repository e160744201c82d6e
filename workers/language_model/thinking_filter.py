"""Takes `<thinking>...</thinking>` out of a stream of text, wherever the deltas cut it; pure."""

import re

_TAG = re.compile(r"<\s?(?P<closing>/?)\s?thinking\s?(?P<empty>/?)>", re.IGNORECASE | re.ASCII)


def _prefixes(word: str) -> str:
    """A pattern for any beginning of `word`, the empty one included."""
    pattern = ""
    for letter in reversed(word):
        pattern = f"(?:{letter}{pattern})?"
    return pattern


_STARTED_TAG = re.compile(rf"<\s?/?\s?(?:{_prefixes('thinking')}|thinking\s?/?)\Z", re.IGNORECASE | re.ASCII)


class ThinkingFilter:
    """Holds back only what may still become a tag, so ordinary text is never delayed.

    Thoughts within thoughts are counted, and a closing tag that closes nothing is dropped.
    """

    def __init__(self) -> None:
        self._held = ""
        self._depth = 0

    def feed(self, delta: str) -> str:
        """Return what may be heard of the text so far; may be empty."""
        self._held += delta
        heard: list[str] = []
        while (tag := _TAG.search(self._held)) is not None:
            self._hear(heard, tag.start())
            self._enter_or_leave(tag)
            self._held = self._held[tag.end() - tag.start() :]
        started = _STARTED_TAG.search(self._held)
        self._hear(heard, started.start() if started else len(self._held))
        return "".join(heard)

    def flush(self) -> str:
        """The text ended: half a tag was text after all, and thoughts that never closed stay unheard."""
        rest = "" if self._depth else self._held
        self._held, self._depth = "", 0
        return rest

    def _hear(self, heard: list[str], end: int) -> None:
        if not self._depth:
            heard.append(self._held[:end])
        self._held = self._held[end:]

    def _enter_or_leave(self, tag: "re.Match[str]") -> None:
        if tag["closing"]:
            self._depth = max(0, self._depth - 1)
        elif not tag["empty"]:
            self._depth += 1
