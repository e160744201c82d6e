"""The pure parts of the Transcribe provider: audio cut bit-exactly, frames, results, errors, times, signatures."""

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from botocore.credentials import ReadOnlyCredentials
from botocore.eventstream import EventStreamBuffer
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.speech_to_text.audio_clock import AudioClock
from sessions.speech_to_text.audio_cutter import AudioCutter
from sessions.speech_to_text.contract import ListeningOptions, Transcript
from sessions.speech_to_text.presigned_url import presigned_url, websocket_endpoint
from sessions.speech_to_text.transcribe_events import (
    audio_event,
    stable_beginning,
    transcribe_error,
    transcripts_of,
)
from workers.errors import (
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderUnavailableError,
)

RATES = st.sampled_from([8_000, 11_025, 16_000, 24_000, 44_100, 48_000])
IDLE_TEXT = "Your request timed out because no new audio was received for 15 seconds."


# --- audio ------------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(RATES, st.lists(st.binary(max_size=700).map(lambda piece: piece * 20), max_size=12))
def test_cutting_changes_no_byte(rate_hz: int, pieces: list[bytes]) -> None:
    cutter = AudioCutter(rate_hz)
    sent = b"".join(chunk for piece in pieces for chunk in cutter.feed(piece)) + cutter.flush()
    whole = b"".join(pieces)
    assert sent == whole[: len(whole) // 2 * 2]


@settings(deadline=None)
@given(RATES, st.lists(st.binary(min_size=1, max_size=900).map(lambda piece: piece * 10), min_size=1, max_size=12))
def test_chunks_are_uniform_even_and_of_50_to_200_ms(rate_hz: int, pieces: list[bytes]) -> None:
    cutter = AudioCutter(rate_hz)
    sizes = {len(chunk) for piece in pieces for chunk in cutter.feed(piece)}
    assert len(sizes) <= 1
    for size in sizes:
        assert size % 2 == 0
        assert size <= 32 * 1024
        assert 49 <= size / 2 / rate_hz * 1000 <= 200


@pytest.mark.parametrize("piece_ms", [10, 20, 30, 40, 50, 100, 128, 200])
def test_a_steady_client_never_has_audio_held_back_over_100_ms(piece_ms: int) -> None:
    cutter = AudioCutter(16_000)
    held = []
    for _ in range(30):
        cutter.feed(bytes(piece_ms * 32))
        held.append(cutter.held_bytes)
    assert max(held) < 50 * 32 or piece_ms >= 50
    assert piece_ms < 50 or max(held) == 0


def test_a_whole_recording_at_once_is_cut_to_100_ms() -> None:
    assert [len(chunk) for chunk in AudioCutter(16_000).feed(bytes(32_000))] == [3_200] * 10


def test_half_a_sample_waits_for_its_other_half() -> None:
    cutter = AudioCutter(16_000)
    cutter.feed(b"abc")
    assert cutter.flush() == b"ab"
    cutter.feed(b"d")
    assert cutter.flush() == b"cd"


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 50)), max_size=30))
def test_silence_of_ours_never_counts_as_the_clients_time(steps: list[tuple[bool, int]]) -> None:
    clock = AudioClock(16_000)
    service_ms, client_ms = 0, 0
    for is_audio, tens in steps:
        size_bytes = tens * 10 * 32
        service_ms += tens * 10
        if is_audio:
            client_ms += tens * 10
            clock.add_audio(size_bytes)
        else:
            clock.add_silence(size_bytes)
        assert clock.client_ms(service_ms) == client_ms


def test_hours_of_silence_are_one_entry() -> None:
    clock = AudioClock(16_000)
    clock.add_audio(32_000)
    for _ in range(3_000):
        clock.add_silence(3_200)
    clock.add_audio(32_000)
    assert len(clock._silence_starts_ms) == 1
    assert clock.client_ms(1_000 + 300_000 + 500) == 1_500


# --- frames and results -----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.binary(max_size=5_000))
def test_an_audio_event_reads_back_with_botocore(pcm: bytes) -> None:
    buffer: Any = EventStreamBuffer()
    buffer.add_data(audio_event(pcm))
    (message,) = list(buffer)
    assert message.payload == pcm
    assert message.headers == {
        ":content-type": "application/octet-stream",
        ":event-type": "AudioEvent",
        ":message-type": "event",
    }


def event(*results: dict[str, Any]) -> list[Transcript]:
    headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
    return transcripts_of(headers, json.dumps({"Transcript": {"Results": results}}).encode(), AudioClock(16_000))


def result(text: str, *, is_partial: bool = True, items: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    alternatives = [{"Transcript": text, "Items": items or []}]
    return {
        "ResultId": "r1",
        "StartTime": 0.5,
        "EndTime": 1.25,
        "IsPartial": is_partial,
        "Alternatives": alternatives,
    }


def test_all_results_of_an_event_are_heard_and_empty_ones_dropped() -> None:
    heard = event(result("one"), result(""), {"ResultId": "r2", "Alternatives": []}, result("two", is_partial=False))
    assert [(item.text, item.is_final) for item in heard] == [("one", False), ("two", True)]
    assert (heard[0].segment_id, heard[0].start_ms, heard[0].end_ms) == ("r1", 500, 1250)


def test_a_final_is_stable_as_a_whole() -> None:
    assert event(result("Hello.", is_partial=False))[0].stable_text == "Hello."


def test_the_stable_beginning_ends_before_the_first_unstable_item() -> None:
    items = [
        {"Content": "Hello", "Stable": True},
        {"Content": ",", "Stable": True},
        {"Content": "how", "Stable": True},
        {"Content": "are", "Stable": False},
        {"Content": "you", "Stable": True},
    ]
    assert stable_beginning("Hello, how are you", items) == "Hello, how"


def test_the_stable_beginning_of_chinese_needs_no_spaces() -> None:
    items = [{"Content": "你好", "Stable": True}, {"Content": "世界", "Stable": False}]
    assert stable_beginning("你好世界", items) == "你好"


@settings(deadline=None)
@given(
    st.text("ab ,", max_size=12),
    st.lists(st.fixed_dictionaries({"Content": st.text("ab,", max_size=3), "Stable": st.booleans()}), max_size=5),
)
def test_the_stable_beginning_is_a_beginning(text: str, items: list[dict[str, Any]]) -> None:
    assert text.startswith(stable_beginning(text, items))


@pytest.mark.parametrize("body", [{}, {"Transcript": None}, {"Transcript": {"Results": None}}])
def test_an_event_without_results_says_nothing(body: dict[str, Any]) -> None:
    headers = {":message-type": "event", ":event-type": "TranscriptEvent"}
    assert transcripts_of(headers, json.dumps(body).encode(), AudioClock(16_000)) == []


def test_an_event_of_another_type_says_nothing() -> None:
    headers = {":message-type": "event", ":event-type": "CategoryEvent"}
    assert transcripts_of(headers, b"{}", AudioClock(16_000)) == []


@pytest.mark.parametrize(
    ("code", "message", "kind", "own_code"),
    [
        ("BadRequestException", IDLE_TEXT, ProviderUnavailableError, "stt_idle"),
        ("BadRequestException", "The language code is wrong.", ProviderRefusedError, "provider_refused"),
        ("LimitExceededException", "Too many streams.", ProviderThrottledError, "stt_busy"),
        ("ConflictException", "", ProviderUnavailableError, "provider_unavailable"),
        ("InternalFailureException", "", ProviderUnavailableError, "provider_unavailable"),
        ("ServiceUnavailableException", "", ProviderUnavailableError, "provider_unavailable"),
        ("UnrecognizedClientException", "", ProviderRefusedError, "stt_credentials"),
        ("SomethingNewException", "", ProviderRefusedError, "provider_refused"),
    ],
)
def test_each_exception_has_its_place_in_the_tree(
    code: str, message: str, kind: type[ProviderError], own_code: str
) -> None:
    headers = {":message-type": "exception", ":exception-type": code}
    with pytest.raises(kind) as caught:
        transcripts_of(headers, json.dumps({"Message": message}).encode(), AudioClock(16_000))
    assert caught.value.code == own_code
    assert caught.value.retriable == (kind is not ProviderRefusedError)


def test_an_unknown_code_with_a_server_status_may_be_retried() -> None:
    assert transcribe_error("HTTP 502", "", 502).retriable


# --- the address ------------------------------------------------------------------------------------------------------


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _expected_signature(url: str, secret: str) -> str:
    """Signature Version 4 for a query, written from its published description, not with botocore."""
    parts = urlsplit(url)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "X-Amz-Signature"]
    values = dict(query)
    canonical_query = "&".join(f"{quote(n, '-_.~')}={quote(v, '-_.~')}" for n, v in sorted(query))
    canonical = "\n".join(
        ("GET", parts.path, canonical_query, f"host:{parts.netloc}\n", "host", hashlib.sha256(b"").hexdigest())
    )
    _, date, region, service, ending = values["X-Amz-Credential"].split("/")
    scope = f"{date}/{region}/{service}/{ending}"
    to_sign = "\n".join(
        ("AWS4-HMAC-SHA256", values["X-Amz-Date"], scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = ("AWS4" + secret).encode()
    for step in (date, region, service, ending):
        key = _hmac(key, step)
    return _hmac(key, to_sign).hex()


@pytest.mark.parametrize("token", [None, "a/session+token=="])
def test_the_address_is_signed_as_signature_version_4_says(token: str | None) -> None:
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", "secret/key+", token)
    url = presigned_url(
        websocket_endpoint("eu-west-1", None), "eu-west-1", credentials, ListeningOptions("en-GB", 16_000, "s")
    )
    query = dict(parse_qsl(urlsplit(url).query))
    assert urlsplit(url)[:3] == (
        "wss",
        "transcribestreaming.eu-west-1.amazonaws.com:8443",
        "/stream-transcription-websocket",
    )
    assert query["X-Amz-Signature"] == _expected_signature(url, "secret/key+")
    assert query.get("X-Amz-Security-Token") == token


def test_the_address_carries_what_the_stream_needs() -> None:
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", "secret", None)
    options = ListeningOptions("zh-CN", 24_000, "not-a-uuid")
    query = dict(parse_qsl(urlsplit(presigned_url("https://h:1", "us-east-1", credentials, options)).query))
    assert query["language-code"] == "zh-CN"
    assert query["sample-rate"] == "24000"
    assert query["media-encoding"] == "pcm"
    assert query["enable-partial-results-stabilization"] == "true"
    assert query["partial-results-stability"] == "high"
    assert len(query["session-id"]) == 36


def test_the_secret_itself_is_not_in_the_address() -> None:
    credentials = ReadOnlyCredentials("AKIDEXAMPLE", "verysecret", None)
    assert "verysecret" not in presigned_url(
        "https://h", "us-east-1", credentials, ListeningOptions("en-US", 8_000, "s")
    )


@pytest.mark.parametrize(
    ("region", "address"),
    [
        ("us-east-1", "https://transcribestreaming.us-east-1.amazonaws.com:8443"),
        ("cn-north-1", "https://transcribestreaming.cn-north-1.amazonaws.com.cn:8443"),
    ],
)
def test_each_region_has_its_address(region: str, address: str) -> None:
    assert websocket_endpoint(region, None) == address
