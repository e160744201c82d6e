"""The rows PO-01 to PO-09 of the catalogue of faults: Polly at its worst, and what must hold."""

import itertools
import random
import re
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, cast

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions.graphs.library import load_graph
from sessions.live.spoken_text import SpokenText
from tests.aws_emulator.process import EmulatorProcess
from tests.contracts.emulated_aws import aws_settings, emulated_aws, web_settings, worker_settings
from tests.unit.reply_scene import Scene
from workers import aws_clients
from workers.errors import BadInputError, ProviderTimeoutError, ProviderUnavailableError, ReplyCancelled
from workers.sentences import speakable
from workers.settings import CallLimit
from workers.text_to_speech import aws_polly
from workers.text_to_speech.aws_polly import AwsPolly
from workers.text_to_speech.contract import SpeechChunk, Urgency, VoiceOptions
from workers.text_to_speech.polly_text import MAX_CHARACTERS, speakable_pieces, split_text

RUTH = VoiceOptions("Ruth", "generative", "en-US")
RATE_HZ = 16_000
FRAME_BYTES = RATE_HZ // 50 * 2  # 20 ms
FAMILY, FLAG = "👨‍👩‍👧", "🇩🇪"


@pytest.fixture(scope="module")
def running_aws() -> Iterator[EmulatorProcess]:
    with emulated_aws() as aws:
        yield aws


@pytest.fixture
def aws(running_aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch) -> EmulatorProcess:
    running_aws.reset()
    monkeypatch.setattr(aws_clients, "RETRY_BASE_SECONDS", 0.01)
    return running_aws


@pytest.fixture
def polly(aws: EmulatorProcess) -> AwsPolly:
    return AwsPolly(worker_settings(aws_settings(aws)))


def speak(polly: AwsPolly, text: str = "It is fine.", voice: VoiceOptions = RUTH) -> list[SpeechChunk]:
    return list(polly.synthesize(text, voice))


def pcm(chunks: list[SpeechChunk]) -> bytes:
    return b"".join(chunk.pcm for chunk in chunks)


# --- PO-01 --------------------------------------------------------------------------------------------------------------


def test_po_01_throttled_speech_loses_no_sentence(aws: EmulatorProcess, redis_url: str) -> None:
    """Two workers that believe in 8 calls a second, an account that has 4, and eight sentences at once."""
    aws.script(settings={"polly_requests_per_second": 4}, defaults={"polly": {"ms_per_character": 1}})
    limits = {"generative": CallLimit(8, 26)}
    own = replace(worker_settings(aws_settings(aws)), redis_url=redis_url, polly_limits=limits)
    workers = [AwsPolly(own), AwsPolly(own)]
    spoken: dict[int, bytes] = {}

    def say(index: int) -> None:
        spoken[index] = pcm(speak(workers[index % 2], f"Sentence number {index}."))

    threads = [threading.Thread(target=say, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(index for index, sound in spoken.items() if sound) == list(range(8))
    refused = aws.journal(service="polly", outcome="refused")
    assert len(refused) < 8, "the refusals taught the limiter nothing"


# --- PO-02 --------------------------------------------------------------------------------------------------------------


def is_torn(before: str, after: str) -> bool:
    """An oracle of its own: the rules of Unicode's text segmentation that a cut can break."""
    joins = unicodedata.category(after)[0] == "M" or after == "\u200d" or 0x1F3FB <= ord(after) <= 0x1F3FF
    return joins or before == "\u200d" or before + after == "\r\n"


LONG_TEXT = st.lists(
    st.one_of(st.text(max_size=30), st.sampled_from(["One two. ", "yes, ", "3.14", "你好，", FAMILY, FLAG, "e\u0301"])),
    max_size=120,
).map(lambda parts: "".join(parts) * 3)


@settings(deadline=None, max_examples=60)
@given(LONG_TEXT)
@example("." + "\u0301" * 20 + "x" * 990 + ".\u0301 end")
@example("a" * 999 + FAMILY + "b" * 2_000)
@example(FLAG * 1_200)
def test_po_02_a_long_text_is_cut_into_whole_characters_and_nothing_is_lost(text: str) -> None:
    pieces = split_text(text)
    assert "".join(pieces) == text
    assert all(0 < len(piece) <= MAX_CHARACTERS for piece in pieces)
    assert [pair for pair in itertools.pairwise(pieces) if is_torn(pair[0][-1], pair[1][0])] == []
    assert all(sum(0x1F1E6 <= ord(c) <= 0x1F1FF for c in piece) % 2 == 0 for piece in pieces if FLAG * 300 in text)


@pytest.mark.parametrize("number", ["3.14159", "1,000,000", "10:30", "example.org"])
def test_po_02_no_number_or_name_is_cut_at_its_marks(number: str) -> None:
    assert number in " ".join(split_text(f"one two three {number} and more", 22)).split()


# --- PO-03 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tts", "field", "reason"),
    [
        ({"voice": "Zhiyu", "engine": "generative", "lang_code": "cmn-CN"}, "engine", "only neural, standard"),
        ({"voice": "Ruth", "lang_code": "cmn-CN"}, "lang_code", "speaks en-US, not cmn-CN"),
    ],
)
def test_po_03_a_voice_that_cannot_is_refused_when_the_graph_is_loaded(
    aws: EmulatorProcess, tts: dict[str, str], field: str, reason: str
) -> None:
    with pytest.raises(BadInputError, match=reason) as caught:
        load_graph("voice").session_config({"tts": tts}, web_settings(aws_settings(aws)))
    assert caught.value.field == f"properties.tts.{field}"


def test_po_03_an_unknown_voice_is_let_through_with_a_line_in_the_log(aws: EmulatorProcess) -> None:
    overrides = {"tts": {"voice": "Novel", "engine": "neural"}}
    with structlog.testing.capture_logs() as lines:
        config = load_graph("voice").session_config(overrides, web_settings(aws_settings(aws)))
    assert config.voice.voice == "Novel"
    assert [line["voice"] for line in lines if line["event"] == "voice_unknown"] == ["Novel"]


def test_po_03_a_voice_alone_brings_its_language(aws: EmulatorProcess) -> None:
    config = load_graph("voice").session_config({"tts": {"voice": "Zhiyu"}}, web_settings(aws_settings(aws)))
    assert (config.voice.language, config.listening_language) == ("cmn-CN", "zh-CN")


def test_po_03_the_fall_back_is_one_call_and_named(aws: EmulatorProcess, polly: AwsPolly) -> None:
    """Zayd is known to have the neural engine alone below the long-form one."""
    spoken = speak(polly, voice=VoiceOptions("Zayd", "long-form", "arb"))
    assert {chunk.engine for chunk in spoken} == {"neural"}
    assert len(aws.journal(service="polly")) == 2


# --- PO-04 --------------------------------------------------------------------------------------------------------------

NASTY = ["a < b & c > d", "]]> </speak>", "<speak>hi</speak>", "one\x00two\x1b[0m", "&amp; &#0;", "\ufeffx\u202ey"]


@pytest.mark.parametrize("text", NASTY)
def test_po_04_no_text_can_break_the_request(aws: EmulatorProcess, polly: AwsPolly, text: str) -> None:
    assert pcm(speak(polly, text))
    asked = aws.wait_for_calls(1, service="polly", open=False)
    assert {(call["parameters"]["TextType"], call["status"]) for call in asked} == {("text", 200)}
    assert not re.search(r"[\x00-\x08\x0b\x1b]", asked[0]["parameters"]["Text"])


@pytest.mark.parametrize("text", ["", " \n\t", "👍🏽", "🇩🇪 👨‍👩‍👧", "...", "\x00", "—"])
def test_po_04_what_has_no_words_makes_no_call(aws: EmulatorProcess, polly: AwsPolly, text: str) -> None:
    assert speak(polly, text) == []
    assert polly.word_marks(text, RUTH) == ()
    assert aws.journal() == []


@given(st.text(max_size=80))
def test_po_04_no_piece_is_blank_or_holds_a_control_character(text: str) -> None:
    for piece in speakable_pieces(speakable(text)):
        assert piece.strip()
        assert not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in piece)


# --- PO-05 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_po_05_speech_cut_half_way_is_whole_after_its_second_attempt(
    aws: EmulatorProcess, polly: AwsPolly, seed: int
) -> None:
    text, whole_bytes = "Twenty characters ok", 20 * 60 * RATE_HZ // 1_000 * 2
    at_bytes = random.Random(seed).randrange(1, whole_bytes)
    aws.script(polly=[{"pace": 40, "fault": {"at_bytes": at_bytes, "kind": "reset" if seed % 2 else "cut"}}])
    reply = SpokenText()
    sentence = reply.add(0, text, "")
    assert sentence is not None
    for _ in range(2):
        try:
            for chunk in polly.synthesize(text, RUTH):
                assert len(chunk.pcm) % 2 == 0
                sentence.take(chunk.pcm, RATE_HZ, RATE_HZ)
            break
        except (ProviderUnavailableError, ProviderTimeoutError):
            sentence.start_over()
    sentence.finish(RATE_HZ)
    assert abs(sum(map(len, sentence.chunks)) - whole_bytes) <= FRAME_BYTES


# --- PO-06 --------------------------------------------------------------------------------------------------------------


def test_po_06_first_bytes_that_do_not_come_are_awaited_twice_and_then_never(
    aws: EmulatorProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws_polly, "FIRST_BYTE_LIMIT_SECONDS", 0.3)
    aws.script(polly=[{"times": 9, "first_byte_ms": 60_000}])
    with pytest.raises(ProviderTimeoutError) as caught:
        speak(AwsPolly(worker_settings(aws_settings(aws))))
    assert not caught.value.retriable, "the sentence stays text"
    assert len(aws.journal(service="polly")) == 2


def test_po_06_the_limit_of_the_first_byte_is_four_seconds() -> None:
    assert aws_polly.FIRST_BYTE_LIMIT_SECONDS == 4.0


# --- PO-07 --------------------------------------------------------------------------------------------------------------


def test_po_07_sentences_that_finish_in_any_order_are_heard_in_theirs() -> None:
    """200 runs; each sentence's chunks come in order, between those of the others in any way."""
    for seed in range(200):
        scene, rng = Scene(), random.Random(seed)
        texts = [f"This is sentence {number}." for number in range(5)]
        for number, text in enumerate(texts):
            scene.writes(number, text)
        scene.has_written()
        left = dict.fromkeys(range(5), 3)
        while left:
            asked = [at for at in (0, *(each.sentence_index for each in scene.desk.speeches)) if at in left]
            number = rng.choice(asked)
            scene.speaks(number, first=3 - left[number])
            left[number] -= 1
            if not left[number]:
                del left[number]
                scene.has_spoken(number)
        assert scene.host.text() == " ".join(texts)
        assert [ended.status for ended in scene.host.ended] == ["completed"]


# --- PO-08 --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [{"duration_ms": 0}, {"content_type": "text/html"}])
def test_po_08_an_answer_without_sound_is_a_typed_fault(
    aws: EmulatorProcess, polly: AwsPolly, answer: dict[str, Any]
) -> None:
    aws.script(polly=[{"times": 9, **answer}])
    with pytest.raises(ProviderUnavailableError):
        speak(polly)


@pytest.mark.parametrize("answer", [{"content_type": "text/html"}, {"error": {"type": "ServiceFailureException"}}])
def test_po_08_word_marks_that_fail_are_a_typed_fault_after_one_call(
    aws: EmulatorProcess, polly: AwsPolly, answer: dict[str, Any]
) -> None:
    aws.script(polly_marks=[{"times": 9, **answer}])
    with pytest.raises(ProviderUnavailableError):
        polly.word_marks("Hello there.", RUTH)
    assert len(aws.journal(service="polly_marks")) == 1


def test_word_marks_keep_the_pace_of_the_sound(aws: EmulatorProcess, polly: AwsPolly) -> None:
    text = "Café is\x00 open."
    speak(polly, text)
    marks = polly.word_marks(text, RUTH)
    assert [text[mark.start : mark.end] for mark in marks] == ["Café", "is", "open"]
    assert [mark.start_ms for mark in marks] == [0, 5 * 60, 8 * 60]


# --- PO-09 --------------------------------------------------------------------------------------------------------------


def test_po_09_who_is_interrupted_while_waiting_for_a_place_makes_no_call(
    aws: EmulatorProcess, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that is cancelled gets ReplyCancelled where it waits."""

    def interrupted(_: float) -> None:
        raise ReplyCancelled

    limits = {"generative": CallLimit(100, 1)}
    polly = AwsPolly(replace(worker_settings(aws_settings(aws)), redis_url=redis_url, polly_limits=limits))
    aws.script(polly=[{"pace": 1, "duration_ms": 60_000}])
    with closing(cast(Any, polly.synthesize("One.", RUTH, Urgency.FIRST_SENTENCE))) as running:
        next(running)
        with monkeypatch.context() as patch:
            patch.setattr("workers.text_to_speech.polly_limiter.time.sleep", interrupted)
            with pytest.raises(ReplyCancelled):
                speak(polly, "Never.")
    assert len(aws.journal(service="polly")) == 1
    assert pcm(speak(polly, "Two.")), "neither call has kept its place"


def test_po_09_billed_characters_are_recorded_even_when_the_speech_was_interrupted(
    aws: EmulatorProcess, polly: AwsPolly
) -> None:
    with structlog.testing.capture_logs() as lines, closing(cast(Any, polly.synthesize("It is fine.", RUTH))) as speech:
        assert next(speech).billed_characters == len("It is fine.")
    billed = [(line["characters"], line["engine"]) for line in lines if line["event"] == "polly_billed"]
    assert billed == [(len("It is fine."), "generative")]
