"""What the page shows to the agent: frames of camera and screen."""

from __future__ import annotations

import io
from typing import Any

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
    client.wait("() => novaProbe.state.pictures.length === 0")
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


SHARE_THE_CAMERA_AS_SCREEN = """() => {
    navigator.mediaDevices.getDisplayMedia = () => navigator.mediaDevices.getUserMedia({ video: true });
}"""


def test_camera_and_screen_are_shown_at_once(client: ClientPage) -> None:
    socket = client.connect()
    client.page.evaluate(SHARE_THE_CAMERA_AS_SCREEN)
    client.button("Camera").click()
    client.button("Screen").click()
    for source in ("camera", "screen"):
        socket.wait_for(APPEND, lambda one, source=source: one.event["source"] == source)  # type: ignore[misc]
        expect(client.page.get_by_label(f"The agent sees your {source}")).to_be_visible()
    client.button("Camera").click()
    client.wait("() => novaProbe.state.pictures.join() === 'screen'")


def test_an_interval_of_zero_stops_the_frames_until_a_longer_one_comes(client: ClientPage) -> None:
    socket = client.connect()
    client.button("Camera").click()
    socket.wait_for(APPEND)
    socket.send("nova.vision", interval_ms=0)
    client.page.wait_for_timeout(200)
    count = len(socket.of_type(APPEND))
    chunks = len(socket.of_type("input_audio_buffer.append"))
    socket.wait_for_count("input_audio_buffer.append", chunks + 6)
    assert len(socket.of_type(APPEND)) == count
    socket.send("nova.vision", interval_ms=150)
    socket.wait_for_count(APPEND, count + 2)


def test_each_source_has_its_own_interval_and_size(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.session", frame_interval_ms=200, frame_side_px={"camera": 320, "screen": 1280})
    client.button("Camera").click()
    frame = socket.wait_for(APPEND)
    assert max(Image.open(io.BytesIO(frame.payload or b"")).size) == 320
    socket.send("nova.vision", interval_ms=150, intervals_ms={"camera": 60_000, "screen": 150})
    client.page.wait_for_timeout(300)
    count = len(socket.of_type(APPEND))
    chunks = len(socket.of_type("input_audio_buffer.append"))
    socket.wait_for_count("input_audio_buffer.append", chunks + 6)
    assert len(socket.of_type(APPEND)) == count


def told(times: list[int], **more: Any) -> dict[str, Any]:
    """A reply that saw the older frames in a mosaic and the newest by itself."""
    frames = [{"captured_at_ms": at, "source": "camera", "place": "mosaic", "reason": "scene_change"} for at in times]
    frames[-1] |= {"place": "picture", "reason": "newest"}
    left_out = {"captured_at_ms": times[0] - 1, "source": "camera", "place": "out", "reason": "same_as_another"}
    return {"interval_ms": 150, "response_id": "resp_1", "frames": [left_out, *frames], "tokens": 1658, **more}


def test_the_strip_shows_the_frames_the_agent_saw_and_what_they_cost(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.vision", interval_ms=150)
    client.button("Camera").click()
    socket.wait_for_count(APPEND, 3)
    times = [one.event["captured_at_ms"] for one in socket.of_type(APPEND)][:3]
    expect(client.page.locator("#seen")).to_be_hidden()
    socket.send("nova.vision", **told(times, cost_usd=0.0013))
    frames = client.page.locator(".seen-frame")
    expect(frames).to_have_count(3)
    expect(frames.last).to_contain_text("newest")
    expect(frames.locator("canvas")).to_have_count(3)
    expect(client.page.locator("#strip-summary")).to_have_text("1658 tokens · $0.0013")
    socket.send("nova.vision", interval_ms=150, response_id="resp_1", frames=[], tokens=1700, cost_usd=0.0014)
    expect(client.page.locator("#strip-summary")).to_have_text("1700 tokens · $0.0014")
    expect(frames).to_have_count(3)


def test_an_alert_is_told_with_the_frame_it_is_about(client: ClientPage) -> None:
    socket = client.connect()
    client.button("Camera").click()
    at = socket.wait_for(APPEND).event["captured_at_ms"]
    alert: dict[str, Any] = {
        "alert_id": "a1",
        "text": "Smoke rises.",
        "question": "Is there smoke?",
        "source": "camera",
    }
    socket.send("nova.alert", captured_at_ms=at, **alert)
    expect(client.expect_alert("The agent has seen something")).to_contain_text("Smoke rises.")
    expect(client.page.locator(".seen-frame.alerting canvas")).to_have_count(1)
