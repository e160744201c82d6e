"""The sentences of one reply as they leave: joined over tool rounds, kept from running on, its secret word unsaid."""

import re
from collections.abc import Callable
from typing import Final

import structlog

from workers.fixed_lines import FILTERED, TOO_LONG, fixed_line
from workers.sentences import Sentence, SentenceCutter, joint, speakable
from workers.streams.messages import OutputEntry, ReplyRequest, SentenceWritten

logger = structlog.get_logger(__name__)

# Polly's neural voices at their own pace; estimates, a little slow so that the limit holds.
SECONDS_PER_CHARACTER: Final = 0.07
SECONDS_PER_WIDE_CHARACTER: Final = 0.24

_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_CANARY = re.compile(r"^[ \t]*canary:[ \t]*(\S{6,})[ \t]*$", re.IGNORECASE | re.MULTILINE)
_UNHEARD = re.compile(r"[\s\u200b-\u200f\u2060\ufeff*_`\"'“”‘’.,-]+")


def speech_seconds(text: str) -> float:
    """About how long `text` is to be heard."""
    said = speakable(text)
    wide = len(_WIDE.findall(said))
    return wide * SECONDS_PER_WIDE_CHARACTER + (len(said) - wide) * SECONDS_PER_CHARACTER


class ReplySentences:
    """Feed it the model's text; each sentence leaves by `emit`, the first by `emit_first`.

    A line `canary: WORD` in the prompt names a word that proves the prompt is being recited: a sentence that holds it
    is replaced. `is_full` says that the longest speech is reached and its closing line said; nothing leaves after it.
    """

    def __init__(
        self,
        request: ReplyRequest,
        emit: Callable[[OutputEntry], None],
        emit_first: Callable[[SentenceWritten], None],
    ) -> None:
        self.count = 0
        self.is_full = False
        self._emit = emit
        self._emit_first = emit_first
        self._ids = (request.address.session_id, request.address.generation, request.address.reply_id)
        self._language = request.options.language
        self._canaries = [_plain(word) for word in _CANARY.findall(request.system)]
        self._cutter = SentenceCutter()
        self._last = ""
        self._begins_round = True
        self._seconds_left = request.max_speech_seconds
        if self._seconds_left is not None:
            self._seconds_left -= speech_seconds(fixed_line(TOO_LONG, self._language))

    def add(self, text: str) -> None:
        self._write(self._cutter.feed(text))

    def end_round(self) -> None:
        """The model's text is over for now; another may follow after its tools were answered."""
        self._write(self._cutter.flush())
        self._begins_round = True

    def say_filtered(self) -> None:
        """The provider kept the answer back and nothing was said: no reply ends in silence."""
        if not self.count:
            self._leave(Sentence(fixed_line(FILTERED, self._language)))

    def _write(self, sentences: list[Sentence]) -> None:
        for sentence in sentences:
            if self.is_full:
                return
            sentence = self._masked(sentence)
            seconds = speech_seconds(sentence.text)
            if self._seconds_left is not None and seconds > self._seconds_left and self.count:
                self.is_full = True
                logger.info("reply_too_long_to_hear", reply_id=self._ids[2])
                self._leave(Sentence(fixed_line(TOO_LONG, self._language), sentence.separator))
                return
            if self._seconds_left is not None:
                self._seconds_left -= seconds
            self._leave(sentence)

    def _masked(self, sentence: Sentence) -> Sentence:
        plain = _plain(sentence.text) if self._canaries else ""
        if not any(canary in plain for canary in self._canaries):
            return sentence
        logger.warning("reply_canary_unsaid", reply_id=self._ids[2])
        return Sentence(fixed_line(FILTERED, self._language), sentence.separator)

    def _leave(self, sentence: Sentence) -> None:
        separator = sentence.separator
        if self._begins_round:
            separator = (separator or joint(self._last)) if self.count else ""
        self._begins_round = False
        emit = self._emit if self.count else self._emit_first
        emit(SentenceWritten(*self._ids, self.count, sentence.text, separator))
        self._last = sentence.text
        self.count += 1


def _plain(text: str) -> str:
    return _UNHEARD.sub("", text).casefold()
