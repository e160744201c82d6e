"""What the page shows to the agent: frames of camera and screen."""

from __future__ import annotations

import io

from PIL import Image
from playwright.sync_api import expect

from .client_page import ClientPage

APPEND = "input_video_buffer.append"
DEFAULT_INTERVAL_MS = 500


def test_the_camera_is_sent_as_jpeg_with_its_source_and_time(client: ClientPage) -> None:
    socket = client.connect()
    client.button("Camera").click()
    frame = socket.wait_for(APPEND)
    assert frame.event["source"] == "camera"
    assert isinstance(frame.event["captured_at_ms"], int)
    picture = Image.open(io.BytesIO(frame.payload or b""))
    assert (picture.format, picture.width <= 1280) == ("JPEG", True)


def test_the_server_sets_the_interval_of_frames(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.vision", interval_ms=150)
    client.button("Camera").click()
    socket.wait_for_count(APPEND, 8)
    times = [one.event["captured_at_ms"] for one in socket.of_type(APPEND)][2:8]
    mean_ms = (times[-1] - times[0]) / 5
    assert 130 <= mean_ms < DEFAULT_INTERVAL_MS


def test_no_frame_is_sent_once_the_camera_is_off(client: ClientPage) -> None:
    socket = client.connect()
    client.button("Camera").click()
    socket.wait_for(APPEND)
    client.button("Camera").click()
    client.wait("() => novaProbe.state.picture === null")
    count = len(socket.of_type(APPEND))
    chunks = len(socket.of_type("input_audio_buffer.append"))
    socket.wait_for_count("input_audio_buffer.append", chunks + 12)
    assert len(socket.of_type(APPEND)) - count <= 1


def test_the_person_sees_what_the_agent_sees(client: ClientPage) -> None:
    client.connect()
    client.button("Camera").click()
    expect(client.page.get_by_text("The agent sees your camera")).to_be_visible()
    expect(client.button("Camera")).to_have_attribute("aria-pressed", "true")


def test_a_refused_camera_says_what_to_do(client: ClientPage) -> None:
    client.connect()
    client.page.evaluate(
        """() => { navigator.mediaDevices.getUserMedia = () =>
            Promise.reject(new DOMException("no", "NotAllowedError")); }"""
    )
    client.button("Camera").click()
    expect(client.expect_alert("The camera is not allowed")).to_contain_text("address bar")
