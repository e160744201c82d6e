"""One sentence spoken: its chunks as they come, its word times beside them, fixed phrases from where they are kept."""

from collections.abc import Callable, Generator
from contextlib import closing
from time import monotonic

from workers.sentences import speakable
from workers.streams.messages import OutputEntry, SpeechFinished, SpeechMade, SpeechRequest, WordMarks
from workers.text_to_speech.contract import SpeechChunk, TextToSpeech, Urgency, WordMark, WordTimer
from workers.text_to_speech.phrase_cache import KeptPhrase, PhraseCache, phrase_key
from workers.text_to_speech.polly_text import split_text
from workers.text_to_speech.text_places import marks_in
from workers.word_timing import WordTiming

BYTES_PER_SAMPLE = 2


class Speaking:
    """Made for one request; `speak` once. Whatever ends it early ends the outside calls too."""

    def __init__(
        self,
        request: SpeechRequest,
        mouth: TextToSpeech,
        phrases: PhraseCache,
        emit: Callable[[OutputEntry], None],
        *,
        has_word_marks: bool,
    ) -> None:
        self._request = request
        self._mouth = mouth
        self._phrases = phrases
        self._emit = emit
        self._text = speakable(request.text)
        timer = mouth if has_word_marks and isinstance(mouth, WordTimer) else None
        self._timing = WordTiming(timer, request.voice, self._tell_words)
        self._words: list[WordMark] = []
        self._sound = bytearray()
        self._made_ms = 0.0
        self._chunk_count = 0
        self._billed_characters = 0
        self._last = SpeechChunk(b"", 0)

    def speak(self) -> None:
        """The end of the sound is told before its word times are waited for: they never hold anything up."""
        started_at, first_byte_ms = monotonic(), 0.0
        key = phrase_key(self._mouth, self._text, self._request.voice) if self._request.is_fixed else None
        kept = self._phrases.find(key) if key is not None else None
        with self._timing, closing(self._kept_chunks(kept) if kept else self._made_chunks()) as chunks:
            for chunk in chunks:
                first_byte_ms = first_byte_ms or (monotonic() - started_at) * 1_000
                self._tell_chunk(chunk)
            self._tell_end(first_byte_ms)
            self._timing.wait()
        if key is not None and kept is None and (self._words or not self._timing.is_on):
            self._phrases.keep(key, self._whole_phrase())

    def _kept_chunks(self, kept: KeptPhrase) -> Generator[SpeechChunk]:
        for number, chunk in enumerate(kept.chunks()):
            yield chunk
            if number == 0 and kept.words:
                self._tell_words(kept.words, 0.0, 0, 0)

    def _made_chunks(self) -> Generator[SpeechChunk]:
        """Texts too long for one outside call are cut here, so that each call's word times have a known start."""
        at = 0
        for piece in split_text(self._text):
            has_sound, start_ms = False, self._made_ms
            with closing(self._mouth.synthesize(piece, self._request.voice, self._urgency)) as chunks:  # type: ignore[type-var]
                for chunk in chunks:
                    yield chunk
                    if not has_sound:
                        self._timing.begin(piece, start_ms, at)
                        has_sound = True
            at += len(piece)

    @property
    def _urgency(self) -> Urgency:
        return Urgency.FIRST_SENTENCE if self._request.sentence_index == 0 else Urgency.LATER_SENTENCE

    @property
    def _ids(self) -> tuple[str, int, str]:
        address = self._request.address
        return address.session_id, address.generation, address.reply_id

    def _tell_chunk(self, chunk: SpeechChunk) -> None:
        index, rate_hz = self._request.sentence_index, chunk.sample_rate_hz
        self._emit(SpeechMade(*self._ids, index, self._chunk_count, rate_hz, chunk.pcm))
        self._chunk_count += 1
        self._made_ms += len(chunk.pcm) / BYTES_PER_SAMPLE / rate_hz * 1_000
        self._billed_characters += chunk.billed_characters
        self._last = chunk
        if self._request.is_fixed:
            self._sound += chunk.pcm

    def _tell_words(self, words: tuple[WordMark, ...], start_ms: float, at: int, billed_characters: int) -> None:
        """`words` of a piece that begins at character `at` of the cleaned text and at `start_ms` of its sound."""
        moved = tuple(WordMark(start_ms + word.start_ms, at + word.start, at + word.end) for word in words)
        self._words += moved
        placed = marks_in(self._request.text, self._text, moved)
        if placed or billed_characters:
            self._emit(WordMarks(*self._ids, self._request.sentence_index, placed, billed_characters))

    def _tell_end(self, first_byte_ms: float) -> None:
        index, engine, billed = self._request.sentence_index, self._last.engine, self._billed_characters
        ended = SpeechFinished(*self._ids, index, self._chunk_count, len(self._text), first_byte_ms, engine, billed)
        self._emit(ended)

    def _whole_phrase(self) -> KeptPhrase:
        return KeptPhrase(bytes(self._sound), self._last.sample_rate_hz, self._last.engine, tuple(self._words))
