"""One sentence spoken in a worker: chunks, engine and cost told, word times beside, fixed phrases kept; a scripted mouth."""

from collections.abc import Iterator

import gevent
import pytest
import redis

from workers.errors import ProviderUnavailableError, ReplyCancelled
from workers.speaking import Speaking
from workers.streams.messages import Address, OutputEntry, SpeechFinished, SpeechMade, SpeechRequest, WordMarks
from workers.streams.redis_clients import command_client
from workers.text_to_speech import phrase_cache
from workers.text_to_speech.contract import SpeechChunk, Urgency, VoiceOptions, WordMark
from workers.text_to_speech.phrase_cache import PhraseCache

RATE_HZ = 16_000
RUTH = VoiceOptions("Ruth", "generative", "en-US")


class Mouth:
    """100 ms of sound and one word mark a word, 100 ms apart."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Urgency]] = []
        self.timed: list[str] = []
        self.ended_early = False
        self.marks_fault: BaseException | None = None

    def synthesize(
        self, text: str, voice: VoiceOptions, urgency: Urgency = Urgency.LATER_SENTENCE
    ) -> Iterator[SpeechChunk]:
        self.asked.append((text, urgency))
        try:
            for number, _ in enumerate(text.split()):
                yield SpeechChunk(bytes([1, 0]) * (RATE_HZ // 10), RATE_HZ, "neural", 0 if number else len(text))
        except (GeneratorExit, ReplyCancelled):
            self.ended_early = True
            raise

    def word_marks(self, text: str, voice: VoiceOptions) -> tuple[WordMark, ...]:
        self.timed.append(text)
        if self.marks_fault is not None:
            raise self.marks_fault
        marks, at = [], 0
        for number, word in enumerate(text.split()):
            at = text.index(word, at)
            marks.append(WordMark(number * 100.0, at, at + len(word)))
            at += len(word)
        return tuple(marks)


class Scene:
    def __init__(self, client: "redis.Redis") -> None:
        self.mouth, self.phrases = Mouth(), PhraseCache(client)
        self.told: list[OutputEntry] = []

    def say(self, text: str, *, index: int = 0, is_fixed: bool = False, voice: VoiceOptions = RUTH) -> None:
        self.told = []
        request = SpeechRequest(Address("s", 1, "r", "out"), index, text, voice, is_fixed)
        Speaking(request, self.mouth, self.phrases, self.told.append, has_word_marks=True).speak()

    def finished(self) -> SpeechFinished:
        (ended,) = [entry for entry in self.told if isinstance(entry, SpeechFinished)]
        return ended

    def words(self, text: str) -> list[tuple[float, str]]:
        marks = [word for entry in self.told if isinstance(entry, WordMarks) for word in entry.words]
        return [(mark.start_ms, text[mark.start : mark.end]) for mark in marks]

    def pcm(self) -> bytes:
        return b"".join(entry.pcm for entry in self.told if isinstance(entry, SpeechMade))


@pytest.fixture
def scene(redis_url: str) -> Iterator[Scene]:
    with command_client(redis_url) as client:
        yield Scene(client)


def test_the_end_tells_which_engine_spoke_and_what_is_billed(scene: Scene) -> None:
    scene.say("One two three.")
    ended = scene.finished()
    assert (ended.chunk_count, ended.engine, ended.billed_characters) == (3, "neural", len("One two three."))


@pytest.mark.parametrize(("index", "urgency"), [(0, Urgency.FIRST_SENTENCE), (3, Urgency.LATER_SENTENCE)])
def test_the_first_sentence_of_a_reply_is_the_most_urgent(scene: Scene, index: int, urgency: Urgency) -> None:
    scene.say("One.", index=index)
    assert scene.mouth.asked == [("One.", urgency)]


def test_word_times_name_places_of_the_sentence_as_sent(scene: Scene) -> None:
    sent = "**Café** is [open](https://x.example/open) today."
    scene.say(sent)
    assert scene.words(sent) == [(0.0, "Café"), (100.0, "is"), (200.0, "open"), (300.0, "today.")]


def test_the_times_of_a_later_piece_count_from_the_sentences_first_sample(scene: Scene) -> None:
    text = "word " * 250 + "end."
    scene.say(text)
    assert len(scene.mouth.asked) == 2
    assert scene.words(text)[-1] == (25_000.0, "end.")


def test_word_times_never_hold_up_the_end_of_the_speech(scene: Scene) -> None:
    scene.say("One two.")
    kinds = [type(entry).__name__ for entry in scene.told]
    assert kinds.index("SpeechFinished") < kinds.index("WordMarks")


@pytest.mark.parametrize("fault", [ProviderUnavailableError("no"), ValueError("unforeseen")])
def test_a_fault_of_the_word_times_disturbs_no_speech(scene: Scene, fault: BaseException) -> None:
    scene.mouth.marks_fault = fault
    scene.say("One two.")
    assert (scene.finished().chunk_count, scene.words("One two.")) == (2, [])


def test_word_times_can_be_switched_off(scene: Scene) -> None:
    request = SpeechRequest(Address("s", 1, "r", "out"), 0, "One.", RUTH)
    Speaking(request, scene.mouth, scene.phrases, scene.told.append, has_word_marks=False).speak()
    assert scene.mouth.timed == []


def test_a_cancelled_sentence_asks_for_nothing_more(scene: Scene) -> None:
    told: list[OutputEntry] = []

    def cancelled_at_the_second_chunk(entry: OutputEntry) -> None:
        told.append(entry)
        if len(told) == 2:
            raise ReplyCancelled

    request = SpeechRequest(Address("s", 1, "r", "out"), 0, "One two three.", RUTH)
    with pytest.raises(ReplyCancelled):
        Speaking(request, scene.mouth, scene.phrases, cancelled_at_the_second_chunk, has_word_marks=True).speak()
    gevent.sleep(0)
    assert scene.mouth.ended_early
    assert (len(told), scene.mouth.timed) == (2, [])


def test_a_blank_sentence_makes_no_call_and_ends(scene: Scene) -> None:
    scene.say("**😀**")
    assert (scene.mouth.asked, scene.finished().chunk_count) == ([], 0)


# --- fixed phrases ------------------------------------------------------------------------------------------------------


def test_a_fixed_phrase_is_made_once_with_its_word_times(scene: Scene) -> None:
    scene.say("Hello there.", is_fixed=True)
    first, words = scene.pcm(), scene.words("Hello there.")
    scene.say("Hello there.", is_fixed=True)
    assert (scene.pcm(), scene.words("Hello there.")) == (first, words)
    assert len(scene.mouth.asked) == len(scene.mouth.timed) == 1
    assert (scene.finished().engine, scene.finished().billed_characters) == ("neural", 0)


def test_only_phrases_marked_as_fixed_are_kept(scene: Scene) -> None:
    scene.say("Hello there.")
    scene.say("Hello there.", is_fixed=True)
    assert len(scene.mouth.asked) == 2


def test_another_voice_says_it_anew(scene: Scene) -> None:
    for voice in (RUTH, VoiceOptions("Amy", "generative", "en-GB"), VoiceOptions("Ruth", "neural", "en-US")):
        scene.say("Hello there.", is_fixed=True, voice=voice)
    assert len(scene.mouth.asked) == 3


def test_kept_phrases_are_bounded_in_number_size_and_age(
    scene: Scene, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phrase_cache, "MAX_PHRASES", 2)
    for text in ("One.", "Two.", "Three.", "word " * 400):
        scene.say(text, is_fixed=True)
    with redis.Redis.from_url(redis_url) as client:
        kept = list(client.scan_iter("nova:phrase:*"))
        ages = [client.ttl(key) for key in kept]
    assert len(kept) == 2
    assert all(0 < age <= phrase_cache.LIFE_SECONDS for age in ages)
    asked = len(scene.mouth.asked)
    scene.say("Three.", is_fixed=True)
    assert len(scene.mouth.asked) == asked


def test_a_phrase_that_broke_off_is_not_kept(scene: Scene) -> None:
    def broken(text: str, voice: VoiceOptions, urgency: Urgency = Urgency.LATER_SENTENCE) -> Iterator[SpeechChunk]:
        yield SpeechChunk(b"\0\0", RATE_HZ)
        raise ProviderUnavailableError("cut")

    whole, scene.mouth.synthesize = scene.mouth.synthesize, broken  # type: ignore[method-assign]
    with pytest.raises(ProviderUnavailableError):
        scene.say("Hello there.", is_fixed=True)
    scene.mouth.synthesize = whole  # type: ignore[method-assign]
    scene.say("Hello there.", is_fixed=True)
    assert len(scene.pcm()) == 2 * RATE_HZ // 10 * 2


def test_without_redis_a_fixed_phrase_is_simply_spoken() -> None:
    with command_client("redis://127.0.0.1:1/0") as nowhere:
        scene = Scene(nowhere)
        scene.say("Hello there.", is_fixed=True)
    assert scene.finished().chunk_count == 2
