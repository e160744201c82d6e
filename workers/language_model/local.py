"""The local mind: a small rule-based stand-in that streams like a model and says what it is; no network."""

import re
import time
from collections.abc import Iterator
from typing import Final

from workers.language_model.contract import (
    ModelEvent,
    ModelFinished,
    ModelRequest,
    ModelUsage,
    PicturePart,
    TextDelta,
    TextPart,
    ToolResultPart,
    ToolUse,
)
from workers.language_model.local_rules import choose_answer
from workers.settings import WorkerSettings

_WORD: Final = re.compile(r"\s*[\u3400-\u9fff，。！？；：“”]{1,2}|\s*[^\s\u3400-\u9fff，。！？；：“”]+|\s+")
_WIDE: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_WORD_SECONDS: Final = 0.008
_PICTURE_TOKENS: Final = 1_000


class LocalResponder:
    """Holds no state: all that it knows of a talk is in the request."""

    def __init__(self, settings: WorkerSettings) -> None:
        pass

    def stream(self, request: ModelRequest) -> Iterator[ModelEvent]:
        answer = choose_answer(request)
        read_tokens = _count_input(request)
        if isinstance(answer, ToolUse):
            yield answer
            yield ModelFinished("tool_use", ModelUsage(read_tokens, 16))
            return
        written = 0
        for word in _WORD.findall(answer):
            word_tokens = _tokens(word)
            if written + word_tokens > request.options.max_tokens:
                yield ModelFinished("max_tokens", ModelUsage(read_tokens, written))
                return
            written += word_tokens
            yield TextDelta(word)
            time.sleep(_WORD_SECONDS)
        yield ModelFinished("end_turn", ModelUsage(read_tokens, written))


def _tokens(text: str) -> int:
    """An estimate: a token for each wide character, one for every four others."""
    wide = len(_WIDE.findall(text))
    return wide + -(-(len(text) - wide) // 4)


def _count_input(request: ModelRequest) -> int:
    total = _tokens(request.system)
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, TextPart):
                total += _tokens(part.text)
            elif isinstance(part, ToolResultPart):
                total += _tokens(part.content)
            elif isinstance(part, PicturePart):
                total += _PICTURE_TOKENS
    return total
