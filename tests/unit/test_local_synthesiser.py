"""The local mouth: espeak's voices behind Polly's names, without clipping and without a long lead."""

import gc
import re

import numpy as np
import numpy.typing as npt
import pytest

from tests.local_speech import SETTINGS
from workers.errors import ProviderRefusedError
from workers.text_to_speech.contract import VoiceOptions
from workers.text_to_speech.local import LocalSynthesiser
from workers.text_to_speech.local_voices import POLLY_VOICES, espeak_voice

SENTENCES = {"en-US": "Hello there, my name is Nova.", "cmn-CN": "你好，我是诺娃。", "ja-JP": "こんにちは。"}


def samples(text: str, voice: str, language: str) -> npt.NDArray[np.float64]:
    chunks = LocalSynthesiser(SETTINGS).synthesize(text, VoiceOptions(voice, "neural", language))
    return np.frombuffer(b"".join(chunk.pcm for chunk in chunks), "<i2").astype(float)


@pytest.mark.parametrize("language", SENTENCES)
@pytest.mark.parametrize("voice", ["Ruth", "Matthew", "Zhiyu"])
def test_speech_begins_within_20_ms_and_does_not_clip(voice: str, language: str) -> None:
    heard = samples(SENTENCES[language], voice, language)
    assert np.argmax(np.abs(heard) > 150) <= 0.020 * 22_050
    assert 3_000 < np.abs(heard).max() < 32_000


@pytest.mark.parametrize("voice", POLLY_VOICES)
def test_every_polly_voice_has_a_voice_that_speaks(voice: str) -> None:
    assert len(samples("12", voice, POLLY_VOICES[voice][0])) > 2_000


@pytest.mark.parametrize(
    ("voice", "language", "expected"),
    [
        ("Ruth", "en-US", "en-us+f3"),
        ("Matthew", "en-US", "en-us"),
        ("Amy", "en-US", "en-gb-x-rp+f3"),
        ("Zhiyu", "cmn-CN", "cmn+f3"),
        ("Zhiyu", "zh-CN", "cmn+f3"),
        ("Matthew", "zh-CN", "cmn"),
        ("nobody", "en-US", "en-us+f3"),
        ("Matthew", "", "en-us"),
        ("Ruth", "xx-XX", None),
    ],
)
def test_the_language_chooses_the_accent_and_the_name_the_gender(
    voice: str, language: str, expected: str | None
) -> None:
    assert espeak_voice(voice, language) == expected


def test_a_language_without_a_voice_is_refused_in_plain_words() -> None:
    with pytest.raises(ProviderRefusedError, match="no voice for the language xx-XX"):
        samples("Hello.", "Ruth", "xx-XX")


def test_a_long_text_is_spoken_part_by_part() -> None:
    mouth = LocalSynthesiser(SETTINGS)
    voice = VoiceOptions("Matthew", "neural", "en-US")
    speech = mouth.synthesize("This is one more sentence to say. " * 50, voice)
    assert len(next(speech).pcm) == 22_050 // 10 * 2


def test_the_engine_outlives_the_synthesiser_that_made_it() -> None:
    first = LocalSynthesiser(SETTINGS)
    del first
    gc.collect()
    assert len(samples("Hello again.", "Ruth", "en-US")) > 5_000


def test_words_have_times_inside_the_speech_in_order() -> None:
    text = "Hello there, this is the first part. And this, it seems, is a second one, which is rather longer than that."
    voice = VoiceOptions("Ruth", "neural", "en-US")
    mouth = LocalSynthesiser(SETTINGS)
    marks = mouth.word_marks(text, voice)
    spoken_ms = sum(len(chunk.pcm) / 2 / chunk.sample_rate_hz for chunk in mouth.synthesize(text, voice)) * 1_000
    assert [text[mark.start : mark.end] for mark in marks] == re.findall(r"\w+", text)
    times_ms = [mark.start_ms for mark in marks]
    assert times_ms == sorted(times_ms)
    assert times_ms[0] < 100
    assert spoken_ms / 2 < times_ms[-1] < spoken_ms


def test_words_of_a_language_without_a_voice_are_refused() -> None:
    with pytest.raises(ProviderRefusedError):
        LocalSynthesiser(SETTINGS).word_marks("Habari", VoiceOptions("Nobody", "neural", "sw-KE"))
