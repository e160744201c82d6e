"""The word times of one sentence, asked for beside its speech in greenlets of their own; their failure stays theirs."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

import gevent
import structlog

from workers.errors import NovaError
from workers.text_to_speech.contract import VoiceOptions, WordMark, WordTimer

logger = structlog.get_logger(__name__)
WAIT_SECONDS = 5.0
"""For the times of a sentence whose sound has been made: later they would serve nobody."""

OnWords = Callable[[tuple[WordMark, ...], float, int, int], None]
"""on_words(words, start_ms, at, characters): the last says for how long a text they were asked for."""


class WordTiming:
    """`with timing:` ends what is still asked for when the block is left, in whatever way."""

    def __init__(self, timer: WordTimer | None, voice: VoiceOptions, on_words: OnWords) -> None:
        self._timer = timer
        self._voice = voice
        self._on_words = on_words
        self._running: list[gevent.Greenlet] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        gevent.killall(self._running, timeout=1)

    @property
    def is_on(self) -> bool:
        return self._timer is not None

    def begin(self, text: str, start_ms: float, at: int) -> None:
        """After the first sound of `text`, so that its first byte never waits for this."""
        if self._timer is not None:
            self._running.append(gevent.spawn(self._ask, self._timer, text, start_ms, at))

    def wait(self) -> None:
        gevent.joinall(self._running, timeout=WAIT_SECONDS)

    def _ask(self, timer: WordTimer, text: str, start_ms: float, at: int) -> None:
        try:
            self._on_words(timer.word_marks(text, self._voice), start_ms, at, len(text))
        except NovaError as error:
            logger.info("word_marks_missing", code=error.code)
        except Exception:  # process border: a greenlet's fault would otherwise be printed and lost
            logger.exception("word_marks_crashed")
