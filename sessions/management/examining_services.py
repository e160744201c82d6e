"""One small call to each of the three services by the providers of the settings: access, model and credentials proved."""

import asyncio
from collections.abc import Callable
from typing import Final

from sessions.management.examining import Finding
from sessions.settings import WebSettings
from sessions.speech_to_text.contract import ListeningOptions, SpeechToText
from workers.errors import NovaError
from workers.language_model.contract import LanguageModel, ModelMessage, ModelOptions, ModelRequest, TextPart
from workers.plugins import load_provider
from workers.settings import WorkerSettings
from workers.text_to_speech.contract import TextToSpeech, Urgency, VoiceOptions

RATE_HZ: Final = 16_000
SOUND: Final = bytes(RATE_HZ // 5 * 2)
HEARING_LIMIT_SECONDS: Final = 15.0
MENDS: Final = {
    "aws_credentials": "set AWS_PROFILE, keys, or give the pod its role",
    "stt_credentials": "set AWS_PROFILE, keys, or give the pod its role",
    "llm_unavailable": "open the model in Bedrock's catalogue, or set NOVA_MODEL_ID and AWS_REGION to one you have",
    "first_token_late": "look at the network and AWS_REGION",
    "provider_throttled": "ask for a higher quota, or try again in a minute",
    "provider_unavailable": "look at the network and AWS_REGION",
    "provider_timeout": "look at the network and AWS_REGION",
    "provider_refused": "look at the rights of the credentials (helm/eks/iam has what is needed), region and names",
}


def examine_model(nova: WebSettings) -> Finding:
    def ask() -> str:
        model = load_provider(nova.language_model, LanguageModel, _for_workers(nova))
        words = (ModelMessage("user", (TextPart("Say yes."),)),)
        for _ in model.stream(ModelRequest("", words, ModelOptions(nova.model_id, max_tokens=5))):
            pass
        return f"{nova.model_id} answers by {_named(nova.language_model)}"

    return _found("language model", ask)


def examine_voice(nova: WebSettings) -> Finding:
    def ask() -> str:
        mouth = load_provider(nova.text_to_speech, TextToSpeech, _for_workers(nova))
        voice = VoiceOptions(nova.voice, nova.engine, nova.language)
        sound = b"".join(chunk.pcm for chunk in mouth.synthesize("Yes.", voice, Urgency.FIRST_SENTENCE))
        return f"{nova.voice} ({nova.engine}) speaks by {_named(nova.text_to_speech)}, {len(sound)} bytes"

    return _found("text to speech", ask)


def examine_hearing(nova: WebSettings) -> Finding:
    def ask() -> str:
        asyncio.run(asyncio.wait_for(_listen(nova), HEARING_LIMIT_SECONDS))
        return f"{nova.language} is heard by {_named(nova.speech_to_text)}"

    return _found("speech to text", ask)


async def _listen(nova: WebSettings) -> None:
    """A fifth of a second of silence; the service bills 15 s for it."""
    ear = load_provider(nova.speech_to_text, SpeechToText, nova)
    try:
        stream = await ear.open(ListeningOptions(nova.language, RATE_HZ, "doctor"))
        try:
            await stream.send(SOUND)
            await stream.finish()
            async for _ in stream.transcripts():
                pass
        finally:
            await stream.close()
    finally:
        await ear.close()


def _named(provider: str) -> str:
    return provider.rpartition(".")[2]


def _found(what: str, ask: Callable[[], str]) -> Finding:
    try:
        return Finding(what, "good", ask())
    except TimeoutError:
        return Finding(what, "bad", "no answer in time", MENDS["provider_timeout"])
    except NovaError as error:
        return Finding(what, "bad", error.text, MENDS.get(error.code, f"see the code {error.code} in the log"))


def _for_workers(nova: WebSettings) -> WorkerSettings:
    return WorkerSettings(
        redis_url=nova.redis_url,
        language_model=nova.language_model,
        text_to_speech=nova.text_to_speech,
        aws=nova.aws,
        polly_limits=nova.polly_limits,
    )
