"""What the page hears and plays: chunks of the microphone, the agent's voice, its flush and its progress."""

from __future__ import annotations

import time

import pytest

from .client_page import LONGER_THAN_ANY_WAIT_SECONDS, ClientPage, begin_reply, end_reply, say_words, send_speech
from .sounds import strongest_hz
from .stub_socket import Received, StubSocket

APPEND = "input_audio_buffer.append"
# Notes on the page's own clock when the flush came in and when nothing more was rendered.
WATCH_SILENCE = """() => {
    window.silence = { askedAt: 0, endedAt: 0 };
    const watch = setInterval(() => {
        const isFlushed = novaProbe.captions.some((caption) => caption.isInterrupted);
        if (isFlushed && !window.silence.askedAt) window.silence.askedAt = performance.now();
        if (window.silence.askedAt && novaProbe.played_rms === 0) {
            window.silence.endedAt = performance.now();
            clearInterval(watch);
        }
    }, 2);
}"""
PROGRESS = "output_audio_buffer.progress"


def heard_of(socket: StubSocket, item_id: str) -> list[int]:
    return [one.event["audio_end_ms"] for one in socket.of_type(PROGRESS) if one.event["item_id"] == item_id]


def wait_heard(socket: StubSocket, item_id: str, audio_end_ms: int) -> None:
    wanted = (item_id, audio_end_ms)
    socket.wait_for(PROGRESS, lambda one: (one.event["item_id"], one.event["audio_end_ms"]) == wanted)


def is_silent(chunk: Received) -> bool:
    return not any(chunk.payload or b"")


def wait_chunk(socket: StubSocket, silent: bool) -> Received:
    """The next one of that kind; chunks that came before are not looked at."""
    since_seconds = time.monotonic()
    return socket.wait_for(APPEND, lambda one: one.at_seconds > since_seconds and is_silent(one) is silent)


def test_the_microphones_rate_is_declared_before_its_first_chunk(client: ClientPage) -> None:
    socket = client.connect()
    socket.wait_for(APPEND)
    types = [one.type for one in socket.received]
    update = socket.of_type("session.update")[0].event["session"]
    assert update["audio"]["input"]["format"]["rate"] in (24_000, 48_000)
    assert types.index("session.update") < types.index(APPEND)


def test_the_microphone_arrives_as_chunks_of_100_ms_with_its_sound_intact(client: ClientPage) -> None:
    socket = client.connect()
    socket.wait_for_count(APPEND, 8)
    rate_hz = socket.of_type("session.update")[0].event["session"]["audio"]["input"]["format"]["rate"]
    chunks = [one.payload or b"" for one in socket.of_type(APPEND)]
    assert {len(chunk) for chunk in chunks} == {rate_hz // 10 * 2}
    assert strongest_hz(b"".join(chunks[3:8]), rate_hz) == pytest.approx(1000, abs=10)


def test_a_muted_microphone_sends_silence(client: ClientPage) -> None:
    socket = client.connect()
    socket.wait_for(APPEND, lambda one: any(one.payload or b""))
    client.button("Mute").click()
    client.wait_mood("muted")
    first = wait_chunk(socket, silent=True)
    count = len(socket.of_type(APPEND))
    socket.wait_for_count(APPEND, count + 2)
    assert all(is_silent(one) for one in socket.of_type(APPEND) if one.at_seconds >= first.at_seconds)


def test_unmuting_lets_the_voice_through_again(client: ClientPage) -> None:
    socket = client.connect()
    client.button("Mute").click()
    wait_chunk(socket, silent=True)
    client.button("Unmute").click()
    wait_chunk(socket, silent=False)


def test_speech_is_really_played(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    # A sine of half scale; the probe looks at 100 ms, so it takes that long to reach the full figure.
    client.wait("() => Math.abs(novaProbe.played_rms - 0.5 / Math.SQRT2) < 0.01")


def test_progress_grows_while_playing_and_ends_with_the_whole_length(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, 1.0)
    end_reply(socket)
    socket.wait_for(PROGRESS, lambda one: one.event["audio_end_ms"] == 1000)
    heard = [one.event["audio_end_ms"] for one in socket.of_type(PROGRESS)]
    assert heard == sorted(heard)
    assert len(heard) >= 4
    assert {one.event["item_id"] for one in socket.of_type(PROGRESS)} == {"item_a1"}


def test_two_replies_are_played_one_after_the_other(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, 0.4)
    end_reply(socket)
    begin_reply(socket, "resp_2")
    send_speech(socket, 0.3, "resp_2", "item_a2")
    end_reply(socket, "resp_2", "item_a2")
    wait_heard(socket, "item_a2", 300)
    assert heard_of(socket, "item_a1")[-1] == 400


def test_flush_silences_within_200_ms(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    say_words(socket, "A long story")
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    client.wait_sound()
    client.page.evaluate(WATCH_SILENCE)
    socket.send("nova.flush", response_id="resp_1", item_id="item_a1")
    client.wait("() => window.silence.endedAt > 0")
    silence = client.page.evaluate("() => window.silence")
    assert silence["endedAt"] - silence["askedAt"] <= 200


def test_held_speech_goes_on_where_it_stopped(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, 1.0)
    client.wait_sound()
    socket.send("nova.hold", response_id="resp_1", item_id="item_a1", held=True)
    client.wait_silence()
    held_at = heard_of(socket, "item_a1")
    socket.send("nova.hold", response_id="resp_1", item_id="item_a1", held=False)
    end_reply(socket, "resp_1", "item_a1")
    wait_heard(socket, "item_a1", 1000)
    heard = heard_of(socket, "item_a1")
    assert not held_at or held_at[-1] < 1000
    assert heard[-1] == 1000
    assert heard == sorted(heard)


def test_a_flush_ends_a_hold(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    client.wait_sound()
    socket.send("nova.hold", response_id="resp_1", item_id="item_a1", held=True)
    socket.send("nova.flush", response_id="resp_1", item_id="item_a1")
    client.wait_silence()
    begin_reply(socket, "resp_2")
    send_speech(socket, 0.5, "resp_2", "item_a2")
    end_reply(socket, "resp_2", "item_a2")
    wait_heard(socket, "item_a2", 500)


def test_speech_that_comes_after_its_flush_stays_silent(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    client.wait_sound()
    socket.send("nova.flush", response_id="resp_1", item_id="item_a1")
    client.wait_silence()
    send_speech(socket, 1.0)
    begin_reply(socket, "resp_2")
    send_speech(socket, 0.5, "resp_2", "item_a2")
    end_reply(socket, "resp_2", "item_a2")
    wait_heard(socket, "item_a2", 500)
    assert heard_of(socket, "item_a1")[-1] < 5000


def test_a_flush_reports_how_far_was_heard(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    socket.wait_for(PROGRESS, lambda one: one.event["audio_end_ms"] >= 300)
    socket.send("nova.flush", response_id="resp_1", item_id="item_a1")
    client.wait_silence()
    heard = [one.event["audio_end_ms"] for one in socket.of_type(PROGRESS)]
    assert 300 <= heard[-1] < 5000


def test_the_interrupt_button_silences_at_once_and_cancels(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    say_words(socket, "A long story")
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    client.wait_sound()
    client.button("Interrupt").click()
    client.wait_silence()
    assert socket.wait_for("response.cancel").event["response_id"] == "resp_1"
    client.page.get_by_text("interrupted").wait_for()


def test_a_reply_sent_to_its_end_but_still_heard_can_be_interrupted(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    end_reply(socket)
    client.wait_sound()
    client.button("Interrupt").click()
    client.wait_silence()
    assert socket.wait_for("response.cancel").event["response_id"] == "resp_1"


def test_the_end_of_a_session_gives_the_microphone_back(client: ClientPage) -> None:
    client.open().page.evaluate(
        """() => {
            const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wanted) => (window.lastStream = await real(wanted));
        }"""
    )
    client.connect()
    client.button("End").click()
    client.wait("() => window.lastStream.getTracks().every((track) => track.readyState === 'ended')")


def test_an_ended_conversation_is_silent_and_not_speaking(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    client.wait_sound()
    client.button("End").click()
    client.stub.wait_call("stop")
    socket.wait_closed()
    assert (client.state["isSpeaking"], client.page.evaluate("() => novaProbe.played_rms")) == (False, 0)
