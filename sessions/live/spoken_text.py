"""The sentences of one reply as they become speech: what is asked for, what has come, what was sent, what was heard."""

from collections import deque
from dataclasses import dataclass, field

from sessions.live.resampling import StreamResampler
from sessions.live.word_cutting import cut_at_marks, cut_words
from workers.streams.messages import WordMarks
from workers.text_to_speech.contract import WordMark

BYTES_PER_SAMPLE = 2
HEARD_TOLERANCE_MS = 60.0
SENTENCES_AHEAD = 2
MS_PER_CHARACTER = 60.0
FIRST_PHRASE = 1_000
"""Phrases are numbered from here on the streams, out of the way of the model's sentences."""
LAST_SPACED = 0x2E7F


@dataclass(slots=True)
class SpokenSentence:
    """`skip_bytes`: what an earlier attempt had already delivered, at the synthesiser's rate.
    `skip_ms`: the same where an earlier process had delivered it, until the rate is known.
    `is_phrase`: not the model's words but the agent's own, while these are late or instead of them.
    `awaited_since_ms`: its turn to sound has come and its sound has not."""

    index: int
    text: str
    separator: str
    is_phrase: bool = False
    attempt: int = 0
    next_chunk: int = 0
    received_bytes: int = 0
    skip_bytes: int = 0
    skip_ms: float = 0.0
    made_ms: float = 0.0
    start_ms: float | None = None
    awaited_since_ms: float | None = None
    is_told: bool = False
    is_requested: bool = False
    is_made: bool = False
    is_sent: bool = False
    chunks: deque[bytes] = field(default_factory=deque)
    resampler: StreamResampler | None = None
    marks: tuple[WordMark, ...] = ()

    @property
    def expected_ms(self) -> float:
        """How long the sentence will be: known once it is made, before that at least what its letters suggest."""
        if self.is_made:
            return max(self.made_ms, 1.0)
        return max(self.made_ms, len(self.text) * MS_PER_CHARACTER)

    def take(self, pcm: bytes, from_hz: int, to_hz: int) -> None:
        """One chunk in order, brought to the client's rate."""
        self.next_chunk += 1
        self._learn_rate(from_hz)
        skipped = min(self.skip_bytes, len(pcm))
        self.skip_bytes -= skipped
        pcm = pcm[skipped:]
        self.received_bytes += len(pcm)
        if self.resampler is None:
            self.resampler = StreamResampler(from_hz, to_hz)
        self._queue(self.resampler.process(pcm), to_hz)

    def finish(self, to_hz: int) -> None:
        self.is_made = True
        if self.resampler is not None:
            self._queue(self.resampler.flush(), to_hz)
            self.resampler = None

    def mark(self, words: tuple[WordMark, ...]) -> None:
        """Times of some of its words; those of a second attempt take the place of the first's."""
        by_place = {word.start: word for word in (*self.marks, *words)}
        self.marks = tuple(sorted(by_place.values(), key=lambda word: (word.start_ms, word.start)))

    def text_until(self, spent_ms: float) -> str:
        """The words that had sounded to their ends: by their times when these are known, else by their share."""
        if not self.marks:
            return cut_words(self.text, spent_ms / self.expected_ms)
        ends_ms = self.made_ms - HEARD_TOLERANCE_MS if self.is_made else float("inf")
        return cut_at_marks(self.text, self.marks, spent_ms, ends_ms)

    def go_on_after(self, heard_ms: float) -> None:
        """It is made once more; the client has this much of it."""
        self.skip_ms = self.made_ms = heard_ms

    def _learn_rate(self, from_hz: int) -> None:
        if self.skip_ms:
            skipped = int(self.skip_ms * from_hz / 1_000) * BYTES_PER_SAMPLE
            self.skip_ms, self.skip_bytes, self.received_bytes = 0.0, self.skip_bytes + skipped, skipped

    def start_over(self) -> None:
        """Before another attempt: its first bytes are those that have come already."""
        self.attempt += 1
        self.next_chunk = 0
        self.skip_bytes = self.received_bytes
        self.is_requested = False

    def _queue(self, pcm: bytes, rate_hz: int) -> None:
        if pcm:
            self.chunks.append(pcm)
            self.made_ms += len(pcm) / BYTES_PER_SAMPLE / rate_hz * 1_000


class SpokenText:
    """Ordered sentences of one reply. At most two sentences are asked for ahead of the one that is being sent."""

    def __init__(self) -> None:
        self.sentences: list[SpokenSentence] = []
        self.written_count = 0
        self._current = 0

    def add(self, index: int, text: str, separator: str) -> SpokenSentence | None:
        """None for one that came twice."""
        if index != self.written_count:
            return None
        self.written_count += 1
        return self._append(SpokenSentence(index, text, separator or self._space_before(text)))

    def add_phrase(self, text: str) -> SpokenSentence:
        index = FIRST_PHRASE + len(self.sentences) - self.written_count
        return self._append(SpokenSentence(index, text, " " if self.sentences else "", is_phrase=True))

    def take_up(self, sentences: list[SpokenSentence]) -> None:
        """Go on where another process stopped."""
        self.sentences = sentences
        self.written_count = sum(not sentence.is_phrase for sentence in sentences)

    def find(self, index: int) -> SpokenSentence | None:
        return next((sentence for sentence in self.sentences if sentence.index == index), None)

    def _append(self, sentence: SpokenSentence) -> SpokenSentence:
        self.sentences.append(sentence)
        return sentence

    def _space_before(self, text: str) -> str:
        """Between the agent's phrase and what follows it; Chinese and Japanese have none."""
        before = self.sentences[-1] if self.sentences else None
        return " " if before is not None and before.is_phrase and ord(text[0]) <= LAST_SPACED else ""

    @property
    def current(self) -> SpokenSentence | None:
        """The sentence whose audio goes out next; None when all that is written has been sent."""
        while self._current < len(self.sentences) and self.sentences[self._current].is_sent:
            self._current += 1
        return self.sentences[self._current] if self._current < len(self.sentences) else None

    def to_request(self) -> list[SpokenSentence]:
        if self.current is None:
            return []
        allowed = self.sentences[self._current : self._current + 1 + SENTENCES_AHEAD]
        return [sentence for sentence in allowed if not sentence.is_requested]

    @property
    def text(self) -> str:
        return "".join(sentence.separator + sentence.text for sentence in self.sentences)

    @property
    def generated_text(self) -> str:
        """The model's words alone."""
        return "".join(each.separator + each.text for each in self.sentences if not each.is_phrase)

    @property
    def synthesised_text(self) -> str:
        """What sound has come of; a sentence that stayed mute is not in it."""
        parts = ((each, each.text if each.is_made else each.text_until(each.made_ms)) for each in self.sentences)
        return "".join(each.separator + text for each, text in parts if each.made_ms and text).strip()

    def take_marks(self, entry: WordMarks) -> None:
        sentence = self.find(entry.sentence_index)
        if sentence is not None:
            sentence.mark(entry.words)

    def heard_text(self, heard_ms: float) -> str:
        """Whole sentences up to `heard_ms`, and of the one that was cut the words that had sounded to their ends.

        A sentence is whole when at most HEARD_TOLERANCE_MS of it were not played.
        """
        heard = ""
        for sentence in self.sentences:
            if sentence.start_ms is None or sentence.start_ms >= heard_ms:
                break
            spent_ms = heard_ms - sentence.start_ms
            if sentence.is_sent and spent_ms >= sentence.made_ms - HEARD_TOLERANCE_MS:
                heard += sentence.separator + sentence.text
                continue
            cut = sentence.text_until(spent_ms)
            heard += sentence.separator + cut if cut else ""
            break
        return heard.strip()
