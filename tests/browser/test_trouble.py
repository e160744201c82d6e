"""What the page does and says when something is missing, refused or lost."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from .client_page import ClientPage, begin_reply

# The page's own retry would take each alert away again, on a slow machine before it was seen.
HOLD_RETRIES = """() => {
    const real = window.setTimeout;
    window.setTimeout = (run, delayMs, ...rest) => real(run, delayMs > 300 ? 3_600_000 : delayMs, ...rest);
}"""


def break_microphone(client: ClientPage, error_name: str) -> None:
    client.page.evaluate(
        """(name) => {
            const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", name));
            window.mendMicrophone = () => { navigator.mediaDevices.getUserMedia = real; };
        }""",
        error_name,
    )


@pytest.mark.parametrize(
    ("error_name", "title", "advice"),
    [
        ("NotFoundError", "No microphone found", "Plug in"),
        ("NotAllowedError", "The microphone is not allowed", "address bar"),
        ("NotReadableError", "The microphone does not start", "Another program"),
    ],
)
def test_without_a_microphone_the_page_says_why_and_one_can_type(
    client: ClientPage, error_name: str, title: str, advice: str
) -> None:
    client.open()
    break_microphone(client, error_name)
    socket = client.connect()
    expect(client.expect_alert(title)).to_contain_text(advice)
    client.wait_mood("text_only")
    client.page.get_by_label("Type a message").fill("hello")
    client.page.keyboard.press("Enter")
    socket.wait_for("response.create")


def test_a_microphone_found_later_joins_the_running_conversation(client: ClientPage) -> None:
    client.open()
    break_microphone(client, "NotFoundError")
    socket = client.connect()
    client.page.evaluate("() => window.mendMicrophone()")
    client.button("Try again").click()
    socket.wait_for("input_audio_buffer.append")
    types = [one.type for one in socket.received]
    assert types.index("session.update") < types.index("input_audio_buffer.append")
    expect(client.page.locator(".alert")).to_have_count(0)


def test_a_microphone_pulled_out_is_told(client: ClientPage) -> None:
    client.open().page.evaluate(
        """() => {
            const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
            navigator.mediaDevices.getUserMedia = async (wanted) => (window.lastStream = await real(wanted));
        }"""
    )
    client.connect()
    client.page.evaluate("() => window.lastStream.getTracks()[0].dispatchEvent(new Event('ended'))")
    client.expect_alert("The microphone was disconnected")


def test_an_insecure_address_is_explained_and_nothing_is_started(client: ClientPage) -> None:
    client.page.add_init_script("Object.defineProperty(window, 'isSecureContext', { value: false })")
    client.open()
    client.press_connect()
    expect(client.expect_alert("This address is not secure")).to_contain_text("https")
    assert client.stub.calls["generate"] == []


def test_a_refusal_shows_the_servers_code_and_words(client: ClientPage) -> None:
    client.stub.answers["start"].append((400, {"code": "10100", "msg": "unknown graph: voice", "data": None}))
    client.open()
    client.press_connect()
    alert = client.expect_alert("The server refused")
    expect(alert).to_contain_text("unknown graph: voice")
    expect(alert).to_contain_text("10100")


def test_a_full_server_is_explained(client: ClientPage) -> None:
    client.stub.answers["start"].append((429, {"code": "10001", "msg": "workers limit", "data": None}))
    client.open()
    client.press_connect()
    client.expect_alert("All places are taken")


def test_an_answer_that_is_no_json_is_a_refusal_with_its_status(client: ClientPage) -> None:
    client.stub.answers["generate"].append((502, "<html>bad gateway</html>"))
    client.open()
    client.press_connect()
    expect(client.expect_alert("The server refused")).to_contain_text("http_502")


def test_a_server_that_is_away_is_explained_and_can_be_tried_again(client: ClientPage) -> None:
    client.open()
    client.page.route("**/v1/api/generate", lambda route: route.abort())
    client.press_connect()
    client.expect_alert("The server does not answer")
    client.page.unroute("**/v1/api/generate")
    client.button("Try again").click()
    client.wait_phase("open")


def test_a_lost_line_comes_back_by_itself_with_the_same_ticket(client: ClientPage) -> None:
    client.connect().abort()
    again = client.stub.wait_socket(1)
    client.wait_phase("open")
    assert again.offered[1] == "openai-insecure-api-key.secret-of-channel-1"
    assert len(client.stub.calls["generate"]) == 1
    again.wait_for("input_audio_buffer.append")
    assert again.received[0].type == "session.update"


def test_captions_survive_a_lost_line(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.transcript", item_id="item_u1", text="keep me", is_final=True)
    client.wait_captions(("user", "keep me"))
    socket.abort()
    client.stub.wait_socket(1)
    client.wait_phase("open")
    assert client.captions == [("user", "keep me")]


def test_while_the_server_is_away_the_page_waits_and_offers_to_reconnect(client: ClientPage) -> None:
    socket = client.connect()
    client.page.evaluate(HOLD_RETRIES)
    client.stub.refused_handshakes = 1
    socket.close(1012)
    client.expect_alert("The server is restarting")
    client.button("Reconnect now").click()
    client.expect_alert("Connection lost")
    client.button("Reconnect now").click()
    client.wait_phase("open")


def test_a_refused_ticket_is_renewed_for_the_same_conversation(client: ClientPage) -> None:
    client.connect().close(4401)
    again = client.stub.wait_socket(1)
    assert again.offered[1] == "openai-insecure-api-key.secret-of-channel-1"
    assert client.stub.wait_call("generate", 2)["channel_name"] == "channel-1"


def test_another_tab_takes_over_and_can_be_taken_back(client: ClientPage) -> None:
    client.connect().close(4409)
    client.expect_alert("The conversation goes on in another tab")
    client.wait_phase("idle")
    assert client.stub.calls["stop"] == []
    client.button("Use it here").click()
    again = client.stub.wait_socket(1)
    client.wait_phase("open")
    assert again.offered[1] == "openai-insecure-api-key.secret-of-channel-1"


@pytest.mark.parametrize(
    ("code", "title"),
    [
        (4400, "The server no longer understands this page"),
        (4403, "You are not allowed to join"),
        (4410, "The conversation has ended"),
        (4429, "More was sent than the server takes"),
    ],
)
def test_an_end_by_the_server_is_explained_and_not_retried(client: ClientPage, code: int, title: str) -> None:
    client.connect().close(code)
    expect(client.expect_alert(title)).to_contain_text(str(code))
    client.wait_phase("idle")
    assert client.stub.handshakes == 1


def test_an_error_of_the_server_keeps_the_conversation(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("error", error={"code": "bad_rate", "message": "No such rate."})
    alert = client.expect_alert("The server reports an error")
    expect(alert).to_contain_text("No such rate.")
    assert client.state["phase"] == "open"
    alert.get_by_role("button", name="Close").click()
    expect(alert).to_have_count(0)


def test_a_failed_reply_is_told_until_the_next_one_begins(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    details = {"type": "failed", "error": {"code": "model_away", "message": "The model does not answer."}}
    socket.send("response.done", response={"id": "resp_1", "status": "failed", "status_details": details})
    expect(client.expect_alert("The answer failed")).to_contain_text("The model does not answer.")
    client.wait_mood("listening")
    begin_reply(socket, "resp_2")
    expect(client.page.locator(".alert")).to_have_count(0)


def test_a_cancel_that_came_too_late_is_not_told(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("error", error={"code": "response_cancel_not_active", "message": "nothing to cancel"})
    begin_reply(socket)
    client.wait_mood("thinking")
    assert client.state["alerts"] == []


@pytest.mark.parametrize("data", ["{", "[]", '{"no": "type"}', b"\xff\xff{", b"\x00", b"\x00\x02\xff\xfe"])
def test_an_unreadable_message_is_told_and_left_out(client: ClientPage, data: str | bytes) -> None:
    socket = client.connect()
    socket.send_raw(data)
    client.expect_alert("The server sent something unreadable")
    assert client.state["phase"] == "open"


def test_alerts_change_their_language_with_the_page(client: ClientPage) -> None:
    client.connect().close(4410)
    client.expect_alert("The conversation has ended")
    client.button("中文").click()
    client.expect_alert("对话已结束")
