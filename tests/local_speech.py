"""Synthesised speech for tests, from the local synthesiser, at any rate; cached by text."""

import functools

from sessions.live.resampling import StreamResampler
from workers.settings import AwsSettings, WorkerSettings
from workers.text_to_speech.contract import VoiceOptions
from workers.text_to_speech.local import LocalSynthesiser

SETTINGS = WorkerSettings(
    redis_url="redis://127.0.0.1:1/0",
    language_model="workers.language_model.local.LocalResponder",
    text_to_speech="workers.text_to_speech.local.LocalSynthesiser",
    aws=AwsSettings(region="us-east-1"),
)


@functools.cache
def speech(text: str, rate_hz: int, voice: str = "Matthew") -> bytes:
    chunks = list(LocalSynthesiser(SETTINGS).synthesize(text, VoiceOptions(voice, "neural", "en-US")))
    resampler = StreamResampler(chunks[0].sample_rate_hz, rate_hz)
    return resampler.process(b"".join(chunk.pcm for chunk in chunks)) + resampler.flush()
