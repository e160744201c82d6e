"""Has the proof's question spoken by Amazon Polly: the image holds no voice of its own, and the account has one."""

from typing import Any, Final

import botocore.exceptions

from sessions.management.proving_question import QUESTION_ENGINE, Question
from sessions.management.talking_sound import Recording
from workers.aws_clients import error_code, make_client, provider_errors
from workers.errors import ProviderUnavailableError
from workers.settings import AwsSettings
from workers.text_to_speech.polly_voices import next_engine

RATE_HZ: Final = 16_000
READ_LIMIT_SECONDS: Final = 10.0
_SERVICE: Final = "Polly"


def spoken(question: Question, aws: AwsSettings) -> Recording:
    """One call, outside the limiter of the system, which does not run yet. Raises a NovaError."""
    client = make_client(
        "polly", aws, endpoint_url=aws.polly_endpoint_url, max_streams=1, read_limit_seconds=READ_LIMIT_SECONDS
    )
    with provider_errors(_SERVICE):
        pcm: bytes = _ask(client, question)["AudioStream"].read()
    if not pcm:
        raise ProviderUnavailableError("Polly sent no sound for the question")
    return Recording(pcm, RATE_HZ)


def _ask(client: Any, question: Question) -> Any:
    engine = QUESTION_ENGINE
    while True:
        try:
            return client.synthesize_speech(
                Text=question.text,
                TextType="text",
                VoiceId=question.voice,
                Engine=engine,
                OutputFormat="pcm",
                SampleRate=str(RATE_HZ),
            )
        except botocore.exceptions.ClientError as error:
            following = next_engine(question.voice, engine)
            if error_code(error) != "EngineNotSupportedException" or following is None:
                raise
            engine = following
