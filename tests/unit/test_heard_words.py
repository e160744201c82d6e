"""Words heard are words whose sound was played to its end: from Polly's bytes to the next request's text; pure."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.live.history import History
from sessions.live.items import Content, MessageItem
from sessions.live.pacing import PlayOut
from sessions.live.spoken_text import HEARD_TOLERANCE_MS, SpokenText
from sessions.live.word_cutting import cut_at_marks
from workers.errors import ProviderUnavailableError
from workers.language_model.contract import TextPart
from workers.sentences import speakable
from workers.streams.codec import output_fields, output_from_fields
from workers.streams.messages import WordMarks
from workers.text_to_speech.contract import WordMark
from workers.text_to_speech.polly_marks import read_word_marks
from workers.text_to_speech.text_places import marks_in

RATE_HZ = 16_000
CUTS = 50
SENTENCES = ("The quick brown fox jumps over it.", "A lazy dog slept, of course.", "Nobody minded at all that day.")


def marks_of(text: str, gaps_ms: list[float]) -> tuple[WordMark, ...]:
    """A mark for each word, each as long as told: not in proportion to its letters."""
    marks, at, start_ms = [], 0, 0.0
    for word, gap_ms in zip(text.split(), gaps_ms, strict=True):
        at = text.index(word, at)
        marks.append(WordMark(start_ms, at, at + len(word.rstrip(".,"))))
        at, start_ms = at + len(word), start_ms + gap_ms
    return tuple(marks)


class Talk:
    """A reply of three sentences, all sent, every word's end known; and the history that holds it whole."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.spoken, self.play_out, self.history = SpokenText(), PlayOut(max_lead_ms=1e9), History()
        self.ends: list[tuple[float, str]] = []
        for index, text in enumerate(SENTENCES):
            self._say(index, text)
        item = MessageItem("a", "assistant", (Content("output_audio", self.spoken.text),))
        self.history.add(item)

    def _say(self, index: int, text: str) -> None:
        gaps_ms = [float(self.random.randrange(80, 900, 10)) for _ in text.split()]
        sentence = self.spoken.add(index, text, " " if index else "")
        assert sentence is not None
        sentence.start_ms = self.play_out.sent_ms
        sentence.mark(marks_of(text, gaps_ms))
        sentence.take(bytes(int(sum(gaps_ms) * RATE_HZ / 1_000) * 2), RATE_HZ, RATE_HZ)
        sentence.finish(RATE_HZ)
        sentence.is_sent = True
        for number, word in enumerate(text.split()):
            is_last = number + 1 == len(gaps_ms)
            end_ms = self.play_out.sent_ms + sum(gaps_ms[: number + 1]) - (HEARD_TOLERANCE_MS if is_last else 0)
            self.ends.append((end_ms, word))
        self.play_out.sent(sum(gaps_ms), 0)

    def words_heard(self, heard_ms: float) -> list[str]:
        return [word for end_ms, word in self.ends if end_ms <= heard_ms]

    def words_for_model(self, now_ms: float) -> list[str]:
        self.history.cut_to("a", self.spoken.heard_text(self.play_out.heard_ms(now_ms)))
        texts = [part.text for sent in self.history.for_model(9) for part in sent.parts if isinstance(part, TextPart)]
        return " ".join(texts).split()


@pytest.mark.parametrize("seed", range(CUTS))
def test_with_progress_reports_the_model_remembers_exactly_the_heard_words(seed: int) -> None:
    talk = Talk(seed)
    played_ms = talk.random.uniform(0, talk.play_out.sent_ms)
    talk.play_out.reported(played_ms, now_ms=played_ms + 300)
    assert talk.words_for_model(now_ms=played_ms + 350) == talk.words_heard(played_ms)


@pytest.mark.parametrize("seed", range(CUTS))
def test_without_reports_the_model_remembers_the_heard_words_within_one(seed: int) -> None:
    """The client begins to play up to 80 ms after we have sent."""
    talk = Talk(seed)
    now_ms = talk.random.uniform(0, talk.play_out.sent_ms)
    heard = talk.words_heard(now_ms - talk.random.uniform(0, 80))
    remembered = talk.words_for_model(now_ms)
    assert remembered[: len(heard)] == heard
    assert len(remembered) - len(heard) <= 1


def test_a_sentence_without_marks_is_cut_by_its_share_of_time() -> None:
    talk = Talk(1)
    for sentence in talk.spoken.sentences:
        sentence.marks = ()
    half_ms = talk.spoken.sentences[0].made_ms / 2
    assert talk.spoken.heard_text(half_ms) == "The quick brown"


def test_marks_that_come_after_the_sound_was_sent_still_count() -> None:
    spoken = SpokenText()
    sentence = spoken.add(0, "One two.", "")
    assert sentence is not None
    sentence.start_ms = 0.0
    sentence.take(bytes(RATE_HZ * 2), RATE_HZ, RATE_HZ)
    sentence.finish(RATE_HZ)
    sentence.is_sent = True
    assert spoken.heard_text(600) == "One"
    spoken.take_marks(WordMarks("s", 1, "r", 0, (WordMark(0, 0, 3), WordMark(700, 4, 7))))
    assert spoken.heard_text(600) == ""
    assert spoken.heard_text(700) == "One"


def test_the_last_word_of_a_sentence_still_being_made_was_not_heard() -> None:
    assert cut_at_marks("One two", (WordMark(0, 0, 3), WordMark(100, 4, 7)), 9_000, float("inf")) == "One"


@pytest.mark.parametrize(
    ("text", "first", "second", "heard"),
    [
        ("Hello, world", (0, 5), (7, 12), "Hello,"),
        ('Hello "world"', (0, 5), (7, 12), "Hello"),
        ("你好，我很好", (0, 2), (3, 6), "你好，"),
        ("**Wait** a bit", (2, 6), (9, 10), "**Wait**"),
        ("Hi 😀 there", (0, 2), (5, 10), "Hi"),
        ("at https://www.example.org/menu", (0, 2), (15, 26), "at"),
        ("there, “Café” costs", (0, 5), (14, 19), "there, “Café”"),
    ],
)
def test_a_heard_word_keeps_what_closes_it_and_not_what_opens_the_next(
    text: str, first: tuple[int, int], second: tuple[int, int], heard: str
) -> None:
    assert cut_at_marks(text, (WordMark(0, *first), WordMark(500, *second)), 500, 1_000) == heard


def test_word_marks_go_over_the_stream_as_they_are() -> None:
    entry = WordMarks("s", 1, "r", 2, (WordMark(12.5, 0, 3),))
    fields = {name: value for name, value in output_fields(entry).items() if isinstance(value, bytes)}
    assert output_from_fields(fields) == entry


# --- from Polly's bytes to places in the sentence as sent ---------------------------------------------------------------


def lines(text: str) -> bytes:
    marks = []
    for number, word in enumerate(text.split()):
        start = len(text[: text.index(word)].encode())
        mark = {"time": number * 100, "type": "word", "start": start, "end": start + len(word.encode()), "value": word}
        marks.append(json.dumps(mark))
    return "\n".join(marks).encode()


def test_pollys_bytes_become_characters() -> None:
    text = "Héllo 你好 there"
    assert [text[mark.start : mark.end] for mark in read_word_marks(lines(text), text)] == ["Héllo", "你好", "there"]


@pytest.mark.parametrize(
    "body", [b"<html>", b'{"type": "word"}', b'{"type":"word","time":"x","start":0,"end":1}', b"[]"]
)
def test_marks_that_cannot_be_read_are_a_typed_fault(body: bytes) -> None:
    with pytest.raises(ProviderUnavailableError):
        read_word_marks(body, "text")


@pytest.mark.parametrize(
    "sent",
    [
        "This is **very** important.",
        "See [the docs](https://docs.example.org/the/docs) or ask the docs.",
        "Go to https://www.example.org/a/b?c=d and read it.",
        "<b>Bold</b> words, 😀 and `code`.",
        "# A title\n- one thing\n- one thing more",
        "他说 **你好** 😀，然后走了。",
    ],
)
def test_every_word_of_the_cleaned_text_is_found_again_in_the_sentence_as_sent(sent: str) -> None:
    spoken = speakable(sent)
    words = [word for word in spoken.split() if any(map(str.isalnum, word))]
    at, marks = 0, []
    for word in words:
        at = spoken.index(word, at)
        marks.append(WordMark(0.0, at, at + len(word)))
        at += len(word)
    placed = marks_in(sent, spoken, tuple(marks))
    found = [sent[mark.start : mark.end] for mark in placed]
    assert len(found) == len(words)
    assert [mark.start for mark in placed] == sorted(mark.start for mark in placed)
    for word, there in zip(words, found, strict=True):
        assert [c for c in word if c.isalnum()] == [c for c in there if c.isalnum()]


@given(st.text(max_size=60))
def test_any_text_gives_places_inside_the_sentence_in_order(sent: str) -> None:
    spoken = speakable(sent)
    marks = tuple(WordMark(float(at), at, at + 1) for at in range(len(spoken)))
    placed = marks_in(sent, spoken, marks)
    assert all(0 <= mark.start < mark.end <= len(sent) for mark in placed)
    assert [mark.start for mark in placed] == sorted(mark.start for mark in placed)
