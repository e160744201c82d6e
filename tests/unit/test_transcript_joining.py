"""Joining transcripts: any odd results in any order give one clock, finals that are only ever appended, and no fault."""

import json
import random
from dataclasses import replace
from typing import Any

import pytest

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.contract import Transcript, Word
from sessions.speech_to_text.transcribe_events import transcripts_of
from sessions.speech_to_text.transcript_joining import CUT_WORD_MS, TranscriptJoiner
from workers.errors import ProviderUnavailableError

HEADERS = {":message-type": "event", ":event-type": "TranscriptEvent"}
SEQUENCES = 10_000

_CONTENTS = ("one", "two", "three", ",", ".", "", "你好", None)


def _time(chance: random.Random) -> float | None:
    return chance.choice((None, 0.0, round(chance.uniform(-5, 40), 2), round(chance.uniform(0, 9), 2)))


def _item(chance: random.Random, content: str | None) -> dict[str, Any]:
    item = {"Content": content, "StartTime": _time(chance), "EndTime": _time(chance)}
    item |= {"Type": chance.choice(("pronunciation", "punctuation")), "Stable": chance.random() < 0.5}
    return {name: value for name, value in item.items() if chance.random() < 0.9}


def _alternatives(chance: random.Random) -> list[dict[str, Any]] | None:
    kind = chance.randrange(8)
    if kind == 0:
        return chance.choice((None, []))
    contents = [chance.choice(_CONTENTS) for _ in range(chance.randrange(5))]
    items = [_item(chance, content) for content in contents]
    if kind == 1:
        return [{"Transcript": chance.choice(_CONTENTS), "Items": items}]
    return [{"Transcript": " ".join(content or "" for content in contents), "Items": items}]


def _result(chance: random.Random) -> dict[str, Any]:
    result = {"ResultId": chance.choice(("a", "b", "c", None)), "IsPartial": chance.random() < 0.5}
    return {**result, "Alternatives": _alternatives(chance), "StartTime": _time(chance), "EndTime": _time(chance)}


def _steps(chance: random.Random) -> list[Any]:
    kinds = (_result, _result, _result, lambda _: "breaks", lambda _: "rotates")
    return [chance.choice(kinds)(chance) for _ in range(chance.randrange(9))]


class _Client:
    """Keeps what it is told as the session does, and minds the promises."""

    def __init__(self) -> None:
        self.finals: list[Transcript] = []
        self._ended: set[str] = set()

    def take(self, heard: Transcript) -> None:
        assert heard.segment_id not in self._ended, "nothing follows a final"
        assert 0 <= heard.start_ms <= heard.end_ms <= 60_000
        assert heard.text.startswith(heard.stable_text)
        if heard.is_final:
            assert heard.text
            assert not self.finals or self.finals[-1].end_ms <= heard.start_ms, "one clock"
            self._ended.add(heard.segment_id)
            self.finals.append(heard)


def test_tr_06_ten_thousand_sequences_of_odd_results_raise_nothing_and_only_append_finals() -> None:
    for seed in range(SEQUENCES):
        _run(_steps(random.Random(seed)))


def _run(steps: list[Any]) -> None:
    joiner, client = TranscriptJoiner(), _Client()
    stream, base_ms, sent_ms = joiner.begin(), 0.0, 0.0
    for step in steps:
        sent_ms += 1_000
        if step == "breaks":
            for kept in joiner.keep_unrepeatable(stream, sent_ms - 500):
                client.take(kept)
            stream, base_ms = joiner.begin(), float(joiner.final_until_ms)
        elif step == "rotates":
            joiner.cut_off(stream, round(sent_ms))
            successor = joiner.begin()
            joiner.take_over(successor)
            stream, base_ms = successor, float(joiner.final_until_ms)
        else:
            payload = json.dumps({"Transcript": {"Results": [step]}}).encode()
            for heard in transcripts_of(HEADERS, payload, AudioClock(16_000)):
                joined = joiner.take(stream, heard, base_ms, sent_ms)
                if joined is not None:
                    client.take(joined)


def said(text: str, *, final: bool = True, start_ms: int = 0, segment_id: str = "s", word_ms: int = 200) -> Transcript:
    words, end = [], 0
    for number, word in enumerate(text.split()):
        end = text.index(word, end) + len(word)
        words.append(Word(start_ms + number * word_ms, start_ms + (number + 1) * word_ms, end))
    return Transcript(segment_id, text, final, text, start_ms, words[-1].end_ms, tuple(words))


def test_words_the_stream_before_has_said_are_cut_from_what_its_successor_says() -> None:
    joiner = TranscriptJoiner()
    joiner.take(joiner.begin(), said("one two"), 0, 5_000)
    again = joiner.take(joiner.begin(), said("two, three four", start_ms=0), 200, 5_000)
    assert again is not None
    assert (again.text, again.start_ms, again.end_ms) == ("three four", 400, 800)
    assert [again.text[: word.text_end] for word in again.words] == ["three", "three four"]


def test_what_was_said_before_and_nothing_else_is_nothing_new() -> None:
    joiner = TranscriptJoiner()
    joiner.take(joiner.begin(), said("one two"), 0, 5_000)
    assert joiner.take(joiner.begin(), said("two"), 200, 5_000) is None


def test_a_word_at_the_cut_is_left_to_the_next_stream_which_heard_it_whole() -> None:
    joiner = TranscriptJoiner()
    old, new = joiner.begin(), joiner.begin()
    joiner.cut_off(old, 900)
    last = joiner.take(old, said("one two three wha"), 0, 900)
    joiner.take_over(new)
    first = joiner.take(new, said("one two three what"), 0, 2_000)
    assert last is not None
    assert first is not None
    assert 900 - CUT_WORD_MS == 600
    assert f"{last.text} {first.text}" == "one two three what"


def test_a_repeated_final_is_not_said_again_but_a_later_segment_of_the_same_id_is() -> None:
    joiner = TranscriptJoiner()
    stream = joiner.begin()
    first = joiner.take(stream, said("one"), 0, 5_000)
    assert joiner.take(stream, said("one"), 0, 5_000) is None
    later = joiner.take(stream, said("two", start_ms=400), 0, 5_000)
    assert first is not None
    assert later is not None
    assert first.segment_id != later.segment_id


def test_a_provider_that_knows_no_words_is_judged_by_whole_segments() -> None:
    joiner = TranscriptJoiner()
    joiner.take(joiner.begin(), replace(said("one two"), words=()), 0, 5_000)
    stream = joiner.begin()
    assert joiner.take(stream, replace(said("two"), words=()), 200, 5_000) is None
    assert joiner.take(stream, replace(said("three", start_ms=300), words=()), 200, 5_000) is not None


def test_a_result_beyond_the_sound_that_was_sent_ends_where_the_sound_ends() -> None:
    joiner = TranscriptJoiner()
    heard = joiner.take(joiner.begin(), said("one", start_ms=90_000), 0, 1_000)
    assert heard is not None
    assert (heard.end_ms, joiner.final_until_ms) == (1_000, 1_000)


@pytest.mark.parametrize("result", [5, "x", {"Alternatives": [5]}, {"Alternatives": [{"Transcript": "x", "Items": 3}]}])
def test_a_result_that_is_none_is_a_fault_of_the_service(result: Any) -> None:
    with pytest.raises(ProviderUnavailableError):
        transcripts_of(HEADERS, json.dumps({"Transcript": {"Results": [result]}}).encode(), AudioClock(16_000))
