"""What the page asks of the server to begin and to end a conversation."""

from __future__ import annotations

from playwright.sync_api import Route, expect

from .client_page import ClientPage
from .stub_server import CSRF_TOKEN


def test_connect_asks_for_a_ticket_and_starts_the_chosen_graph(client: ClientPage) -> None:
    client.open()
    client.page.get_by_label("Agent", exact=True).select_option("va_nova_multimodal_aws")
    client.page.get_by_label("Language of the conversation").select_option("zh-CN")
    client.connect()
    start = client.stub.wait_call("start")
    assert (start["channel_name"], start["graph_name"]) == ("channel-1", "va_nova_multimodal_aws")
    assert start["user_uid"] == client.stub.calls["generate"][0]["uid"]
    assert start["properties"] == {"stt": {"lang_code": "zh-CN"}, "tts": {"lang_code": "cmn-CN"}}


def test_text_typed_while_connecting_is_sent_once_when_the_socket_is_open(client: ClientPage) -> None:
    held: list[Route] = []
    client.open()
    client.page.route("**/v1/api/generate", lambda route: held.append(route))
    with client.page.expect_request("**/v1/api/generate"):
        client.press_connect()
    box = client.page.get_by_label("Type a message")
    box.fill("How are you?")
    box.press("Enter")
    expect(box).to_have_value("")
    box.fill("And a second text")
    box.press("Enter")
    expect(box).to_have_value("And a second text")
    held[0].continue_()
    socket = client.stub.wait_socket()
    socket.wait_for("response.create")
    wanted = ("session.update", "response.cancel", "conversation.item.create", "response.create")
    assert [one.type for one in socket.received if one.type in wanted] == list(wanted)
    item = socket.of_type("conversation.item.create")[0].event["item"]
    assert item["content"] == [{"type": "input_text", "text": "How are you?"}]
    client.wait_captions(("user", "How are you?"))


def test_text_typed_before_an_ended_connecting_is_not_said_in_the_next_conversation(client: ClientPage) -> None:
    held: list[Route] = []
    client.open()
    client.page.route("**/v1/api/generate", lambda route: held.append(route))
    with client.page.expect_request("**/v1/api/generate"):
        client.press_connect()
    box = client.page.get_by_label("Type a message")
    box.fill("old words")
    box.press("Enter")
    expect(box).to_have_value("")
    client.button("End").click()
    client.page.unroute("**/v1/api/generate")
    socket = client.connect()
    box.fill("new words")
    box.press("Enter")
    socket.wait_for("response.create")
    said = [one.event["item"]["content"][0]["text"] for one in socket.of_type("conversation.item.create")]
    assert said == ["new words"]


def test_calls_carry_the_csrf_token(client: ClientPage) -> None:
    client.connect()
    assert client.stub.headers["generate"][0]["X-CSRFToken"] == CSRF_TOKEN
    assert client.stub.headers["start"][0]["X-CSRFToken"] == CSRF_TOKEN


def test_the_socket_is_opened_with_the_ticket(client: ClientPage) -> None:
    socket = client.connect()
    assert socket.offered == ["realtime", "openai-insecure-api-key.secret-of-channel-1", "nova.binary"]


def test_end_stops_the_session_and_closes_the_socket(client: ClientPage) -> None:
    socket = client.connect()
    client.button("End").click()
    assert client.stub.wait_call("stop")["channel_name"] == "channel-1"
    assert socket.wait_closed() == 1000
    expect(client.button("Connect")).to_be_focused()


def test_a_second_conversation_begins_with_a_new_ticket(client: ClientPage) -> None:
    client.connect()
    client.button("End").click()
    client.connect(index=1)
    assert "channel_name" not in client.stub.calls["generate"][1]


def test_a_channel_that_exists_already_is_our_own_and_is_joined(client: ClientPage) -> None:
    client.stub.answers["start"].append((409, {"code": "10003", "msg": "channel existed", "data": None}))
    client.connect()


def test_leaving_the_page_stops_the_session(client: ClientPage) -> None:
    client.connect()
    client.page.goto("about:blank")
    assert client.stub.wait_call("stop")["channel_name"] == "channel-1"


def test_the_keyboard_alone_connects_and_interrupts(client: ClientPage) -> None:
    client.open()
    client.page.get_by_label("Agent", exact=True).focus()
    client.page.keyboard.press("Tab")
    client.page.keyboard.press("Tab")
    client.page.keyboard.press("Enter")
    socket = client.stub.wait_socket()
    client.wait_phase("open")
    socket.send("response.created", response={"id": "resp_1", "status": "in_progress"})
    client.wait_mood("thinking")
    client.page.keyboard.press("Escape")
    assert socket.wait_for("response.cancel").event["response_id"] == "resp_1"


def test_the_page_speaks_chinese_when_asked(client: ClientPage) -> None:
    client.open()
    client.button("中文").click()
    expect(client.button("连接")).to_be_visible()
    assert client.page.evaluate("() => document.documentElement.lang") == "zh"


def test_the_pages_language_is_remembered(client: ClientPage) -> None:
    client.open()
    client.button("中文").click()
    client.page.reload()
    expect(client.button("连接")).to_be_visible()


def test_every_text_exists_in_both_languages(client: ClientPage) -> None:
    client.open()
    missing = client.page.evaluate(
        """async () => {
            const source = await (await fetch("/static/nova_sessions/words.js")).text();
            const [english, chinese] = source.split("const CHINESE").map(
                (part) => new Set([...part.matchAll(/^  (\\w+): "/gm)].map((match) => match[1])));
            return [...english].filter((key) => !chinese.has(key)).concat(
                [...chinese].filter((key) => !english.has(key)));
        }"""
    )
    assert missing == []
