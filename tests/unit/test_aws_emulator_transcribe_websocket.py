"""The emulator's Transcribe websocket, driven by a client that knows only AWS's published protocol."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import numpy as np
import pytest
from amazon_transcribe.auth import Credentials as SdkCredentials
from amazon_transcribe.eventstream import EventSigner
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.aws_emulator.event_stream import EventStreamError, Message, decode_one, encode
from tests.aws_emulator.server import AwsEmulator

PATH = "/stream-transcription-websocket"
ENGLISH = {"language-code": "en-US", "media-encoding": "pcm", "sample-rate": "16000"}
CHUNK_MS = 50
WAIT_SECONDS = 5


@pytest.fixture
async def aws() -> AsyncIterator[AwsEmulator]:
    emulator = AwsEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


def presigned_url(aws: AwsEmulator, query: dict[str, str], secret: str | None = None, key: str | None = None) -> str:
    env = aws.env()
    host = urlsplit(env["AWS_ENDPOINT_URL_TRANSCRIBE_STREAMING"]).netloc
    request = AWSRequest("GET", f"https://{host}{PATH}?{urlencode(query)}")
    credentials = Credentials(key or env["AWS_ACCESS_KEY_ID"], secret or env["AWS_SECRET_ACCESS_KEY"])
    SigV4QueryAuth(credentials, "transcribe", env["AWS_REGION"], expires=300).add_auth(request)
    return str(request.url).replace("https://", "wss://", 1)


def dial(aws: AwsEmulator, query: dict[str, str] = ENGLISH, **signing: str) -> connect:
    context = ssl.create_default_context(cafile=aws.env()["AWS_CA_BUNDLE"])
    return connect(presigned_url(aws, query, **signing), ssl=context, compression=None, open_timeout=WAIT_SECONDS)


def audio_event(chunk: bytes) -> bytes:
    headers = {
        ":content-type": "application/octet-stream",
        ":event-type": "AudioEvent",
        ":message-type": "event",
    }
    return encode(headers, chunk)


def tone(milliseconds: int, rate_hz: int = 16_000) -> bytes:
    times = np.arange(rate_hz * milliseconds // 1000) / rate_hz
    return (np.sin(2 * np.pi * 300 * times) * 8_000).astype("<i2").tobytes()


def silence(milliseconds: int, rate_hz: int = 16_000) -> bytes:
    return bytes(rate_hz * milliseconds // 1000 * 2)


async def send(socket: ClientConnection, sound: bytes, rate_hz: int = 16_000) -> None:
    """Faster than real time, as a client does that catches up."""
    step = rate_hz * CHUNK_MS // 1000 * 2
    for at in range(0, len(sound), step):
        await socket.send(audio_event(sound[at : at + step]))


async def receive(socket: ClientConnection) -> Message:
    data = await asyncio.wait_for(socket.recv(), WAIT_SECONDS)
    assert isinstance(data, bytes)
    return decode_one(data)


async def receive_until_closed(socket: ClientConnection) -> list[Message]:
    messages = []
    while True:
        try:
            messages.append(await receive(socket))
        except ConnectionClosed:
            return messages


def results(messages: list[Message]) -> list[dict[str, Any]]:
    return [result for m in messages for result in json.loads(m.payload)["Transcript"]["Results"]]


def texts(messages: list[Message], is_partial: bool) -> list[str]:
    return [
        str(result["Alternatives"][0]["Transcript"])
        for result in results(messages)
        if result["IsPartial"] is is_partial
    ]


async def hear(aws: AwsEmulator, sound: bytes, query: dict[str, str] = ENGLISH) -> list[Message]:
    async with dial(aws, query) as socket:
        await send(socket, sound, int(query["sample-rate"]))
        await socket.send(audio_event(b""))
        return await receive_until_closed(socket)


async def exception_of(aws: AwsEmulator, query: dict[str, str], **signing: str) -> tuple[str, str]:
    async with dial(aws, query, **signing) as socket:
        message = (await receive_until_closed(socket))[-1]
    return str(message.headers[":exception-type"]), json.loads(message.payload)["Message"]


async def test_successive_utterances_take_successive_texts(aws: AwsEmulator) -> None:
    aws.script(texts=["First question.", "Second question."])
    sound = (tone(400) + silence(900)) * 2
    assert texts(await hear(aws, sound), is_partial=False) == ["First question.", "Second question."]


async def test_partials_grow_towards_the_final_text(aws: AwsEmulator) -> None:
    aws.script(texts=["one two three four"], defaults={"transcribe": {"ms_per_word": 100}})
    shown = texts(await hear(aws, tone(350) + silence(900)), is_partial=True)
    assert shown == ["one", "one two", "one two three"]


async def test_the_last_item_of_a_partial_is_unstable_when_stabilization_is_on(aws: AwsEmulator) -> None:
    aws.script(texts=["one two three"], defaults={"transcribe": {"ms_per_word": 100}})
    query = ENGLISH | {"enable-partial-results-stabilization": "true", "partial-results-stability": "high"}
    found = results(await hear(aws, tone(250) + silence(900), query))
    assert [item["Stable"] for item in found[1]["Alternatives"][0]["Items"]] == [True, False]


async def test_a_fully_stable_partial_precedes_the_final_when_asked_for(aws: AwsEmulator) -> None:
    aws.script(texts=["one two"], defaults={"transcribe": {"stable_ms": 100}})
    query = ENGLISH | {"enable-partial-results-stabilization": "true"}
    found = results(await hear(aws, tone(300) + silence(900), query))
    assert found[-2]["IsPartial"] is True
    assert [item["Stable"] for item in found[-2]["Alternatives"][0]["Items"]] == [True, True]


async def test_silence_makes_no_utterance(aws: AwsEmulator) -> None:
    assert results(await hear(aws, silence(2_000))) == []


async def test_chinese_is_the_default_text_of_a_chinese_stream(aws: AwsEmulator) -> None:
    finals = texts(await hear(aws, tone(400) + silence(900), ENGLISH | {"language-code": "zh-CN"}), False)
    assert finals == ["你好，今天的天气怎么样？"]


async def test_a_final_comes_by_the_clock_when_the_client_stops_sending(aws: AwsEmulator) -> None:
    aws.script(texts=["Hello."], defaults={"transcribe": {"final_ms": 100}})
    async with dial(aws) as socket:
        await send(socket, tone(300) + silence(150))
        finals: list[str] = []
        while not finals:
            finals = texts([await receive(socket)], is_partial=False)
    (utterance,) = next(iter(aws.journal)).facts["utterances"]
    waited_ms = utterance["final_sent_ms"] - utterance["speech_ended_ms"]
    assert finals == ["Hello."]
    assert waited_ms >= 100


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
async def test_the_journal_keeps_the_audio_bit_exact(aws: AwsEmulator, rate_hz: int) -> None:
    sound = tone(310, rate_hz) + silence(100, rate_hz)
    await hear(aws, sound, ENGLISH | {"sample-rate": str(rate_hz)})
    (call,) = aws.journal
    assert bytes(call.audio) == sound
    assert (call.outcome, call.facts["audio_bytes"]) == ("completed", len(sound))


async def test_a_client_that_leaves_without_an_end_is_journaled_as_early(aws: AwsEmulator) -> None:
    async with dial(aws) as socket:
        await send(socket, tone(100))
        await receive(socket)
    (call,) = aws.journal
    async with asyncio.timeout(WAIT_SECONDS):
        while call.is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the socket's end reaches the emulator in its own time
    assert call.outcome == "client_closed"


async def test_no_audio_for_the_idle_time_ends_the_stream_with_the_services_words(aws: AwsEmulator) -> None:
    aws.script(settings={"transcribe_idle_seconds": 0.2})
    async with dial(aws) as socket:
        await send(socket, silence(100))
        message = (await receive_until_closed(socket))[-1]
    assert message.headers[":exception-type"] == "BadRequestException"
    said = "Your request timed out because no new audio was received for 0.2 seconds."
    assert json.loads(message.payload) == {"Message": said}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"language-code": "xx-XX"}, "'languageCode'"),
        ({"language-code": ""}, "exactly one of LanguageCode"),
        ({"sample-rate": "7999"}, "'mediaSampleRateHertz'"),
        ({"sample-rate": "48001"}, "'mediaSampleRateHertz'"),
        ({"media-encoding": "mp3"}, "'mediaEncoding'"),
        ({"session-id": "mine"}, "'sessionId'"),
        ({"partial-results-stability": "high"}, "stabilization"),
    ],
)
async def test_a_wrong_parameter_is_refused_by_name(aws: AwsEmulator, changes: dict[str, str], said: str) -> None:
    kind, message = await exception_of(aws, ENGLISH | changes)
    assert kind == "BadRequestException"
    assert said in message


@pytest.mark.parametrize(
    ("chunk", "said"), [(bytes(3), "whole number of samples"), (bytes(32_002), "maximum of 1 second")]
)
async def test_a_wrong_chunk_ends_the_stream(aws: AwsEmulator, chunk: bytes, said: str) -> None:
    async with dial(aws) as socket:
        await socket.send(audio_event(chunk))
        message = (await receive_until_closed(socket))[-1]
    assert message.headers[":exception-type"] == "BadRequestException"
    assert said in json.loads(message.payload)["Message"]


async def test_a_frame_with_a_wrong_checksum_ends_the_stream(aws: AwsEmulator) -> None:
    frame = audio_event(silence(50))
    async with dial(aws) as socket:
        await socket.send(frame[:-1] + bytes([frame[-1] ^ 1]))
        message = (await receive_until_closed(socket))[-1]
    assert "checksum" in json.loads(message.payload)["Message"]


async def send_signed(aws: AwsEmulator, secret: str) -> list[Message]:
    """As the SDKs that sign each frame on the websocket too: the URL's signature is the first one's prior."""
    url = presigned_url(aws, ENGLISH)
    prior = bytes.fromhex(dict(parse_qsl(urlsplit(url).query))["X-Amz-Signature"])
    context = ssl.create_default_context(cafile=aws.env()["AWS_CA_BUNDLE"])
    signer = EventSigner("transcribe", aws.env()["AWS_REGION"])
    key = SdkCredentials(aws.env()["AWS_ACCESS_KEY_ID"], secret)
    async with connect(url, ssl=context) as socket:
        for inner in (audio_event(tone(400)), audio_event(silence(900)), b""):
            headers: dict[str, Any] = signer.sign(inner, prior, key)
            prior = headers[":chunk-signature"]
            await socket.send(encode(headers, inner))
        return await receive_until_closed(socket)


async def test_signed_frames_are_heard_too(aws: AwsEmulator) -> None:
    aws.script(texts=["Signed."])
    messages = await send_signed(aws, aws.env()["AWS_SECRET_ACCESS_KEY"])
    assert texts(messages, is_partial=False) == ["Signed."]


async def test_a_wrongly_signed_frame_ends_the_stream(aws: AwsEmulator) -> None:
    messages = await send_signed(aws, "not the secret")
    assert messages[-1].headers[":exception-type"] == "InvalidSignatureException"


async def test_a_wrong_secret_is_told_in_a_frame(aws: AwsEmulator) -> None:
    kind, message = await exception_of(aws, ENGLISH, secret="not the secret")
    assert kind == "UnrecognizedClientException"
    assert "does not match" in message


async def test_an_unknown_key_is_told_in_a_frame(aws: AwsEmulator) -> None:
    kind, message = await exception_of(aws, ENGLISH, key="EMULATOR-STRANGER")
    assert (kind, message) == (
        "UnrecognizedClientException",
        "The security token included in the request is invalid.",
    )


async def test_a_changed_parameter_breaks_the_signature(aws: AwsEmulator) -> None:
    url = presigned_url(aws, ENGLISH).replace("en-US", "en-GB")
    context = ssl.create_default_context(cafile=aws.env()["AWS_CA_BUNDLE"])
    async with connect(url, ssl=context) as socket:
        messages = await receive_until_closed(socket)
    assert messages[-1].headers[":exception-type"] == "UnrecognizedClientException"


async def test_an_expired_key_is_refused_before_the_upgrade(aws: AwsEmulator) -> None:
    aws.script(settings={"expired_keys": [aws.env()["AWS_ACCESS_KEY_ID"]]})
    with pytest.raises(InvalidStatus) as refused:
        async with dial(aws):
            pass
    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["x-amzn-ErrorType"] == "ExpiredTokenException"


async def test_one_stream_more_than_the_quota_is_refused(aws: AwsEmulator) -> None:
    aws.script(settings={"transcribe_streams": 1})
    async with dial(aws):
        kind, _ = await exception_of(aws, ENGLISH)
    assert kind == "LimitExceededException"


async def test_a_closed_stream_gives_its_place_back(aws: AwsEmulator) -> None:
    aws.script(settings={"transcribe_streams": 1}, texts=["Again."])
    await hear(aws, silence(100))
    assert texts(await hear(aws, tone(300) + silence(900)), is_partial=False) == ["Again."]


async def test_a_second_stream_of_a_session_ends_the_first_with_a_conflict(aws: AwsEmulator) -> None:
    query = ENGLISH | {"session-id": "01234567-89ab-cdef-0123-456789abcdef"}
    async with dial(aws, query) as first, dial(aws, query):
        message = (await receive_until_closed(first))[-1]
    assert message.headers[":exception-type"] == "ConflictException"


async def test_scripted_results_come_at_their_place_in_the_audio(aws: AwsEmulator) -> None:
    scripted = [
        {
            "at_audio_ms": 100,
            "text": "Hel",
            "is_partial": True,
            "items": [{"content": "Hel", "stable": False}],
        },
        {"at_audio_ms": 200, "text": "Hello", "is_partial": False},
    ]
    aws.script(transcribe=[{"results": scripted}])
    async with dial(aws) as socket:
        await send(socket, silence(100))
        first = results([await receive(socket), await receive(socket)])
        await send(socket, silence(100))
        second = results([await receive(socket)])
    assert [(r["IsPartial"], r["Alternatives"][0]["Transcript"]) for r in first + second] == [
        (True, "Hel"),
        (False, "Hello"),
    ]
    assert first[0]["Alternatives"][0]["Items"][0]["Stable"] is False


async def test_a_scripted_exception_comes_at_its_place_in_the_audio(aws: AwsEmulator) -> None:
    fault = {"at_audio_ms": 150, "kind": "exception", "exception": "ServiceUnavailableException"}
    aws.script(transcribe=[{"faults": [fault]}])
    async with dial(aws) as socket:
        await send(socket, silence(150))
        messages = await receive_until_closed(socket)
    assert messages[-1].headers[":exception-type"] == "ServiceUnavailableException"
    assert next(iter(aws.journal)).outcome == "fault"


@pytest.mark.parametrize("kind", ["reset", "cut"])
async def test_a_cut_connection_ends_without_a_close_frame(aws: AwsEmulator, kind: str) -> None:
    aws.script(transcribe=[{"faults": [{"at_audio_ms": 50, "kind": kind}]}])
    async with dial(aws) as socket:
        await send(socket, silence(50))
        await receive_until_closed(socket)
    assert socket.close_code == 1006


async def test_a_clean_end_closes_the_websocket_without_an_exception(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"faults": [{"at_audio_ms": 50, "kind": "end"}]}])
    async with dial(aws) as socket:
        await send(socket, silence(50))
        await receive_until_closed(socket)
    assert socket.close_code == 1000


async def test_a_bad_checksum_reaches_the_client(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"faults": [{"kind": "bad_crc"}]}])
    async with dial(aws) as socket:
        with pytest.raises(EventStreamError, match="checksum"):
            await receive(socket)


async def test_a_silenced_stream_takes_audio_and_says_nothing(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"faults": [{"kind": "silence"}]}])
    assert results(await hear(aws, tone(400) + silence(900))) == []


async def test_a_slow_handshake_still_opens(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"handshake_ms": 200}])
    loop = asyncio.get_running_loop()
    started = loop.time()
    async with dial(aws):
        assert loop.time() - started >= 0.2


async def test_a_plan_is_chosen_by_what_the_stream_asks_for(aws: AwsEmulator) -> None:
    aws.script(transcribe=[{"match": {"language_code": "zh"}, "texts": ["好"]}, {"texts": ["Good."]}])
    english = texts(await hear(aws, tone(300) + silence(900)), is_partial=False)
    chinese = texts(await hear(aws, tone(300) + silence(900), ENGLISH | {"language-code": "zh-CN"}), False)
    assert (english, chinese) == (["Good."], ["好"])
