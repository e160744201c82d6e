"""What the page shows of a conversation, and what it says for the person."""

from __future__ import annotations

from playwright.sync_api import expect

from .client_page import LONGER_THAN_ANY_WAIT_SECONDS, ClientPage, begin_reply, end_reply, say_words, send_speech


def test_the_persons_words_appear_while_they_speak(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("input_audio_buffer.speech_started", item_id="item_u1", audio_start_ms=0)
    client.wait_mood("hearing")
    socket.send("nova.transcript", item_id="item_u1", text="what is", is_final=False)
    client.wait_captions(("user", "what is"))
    socket.send("nova.transcript", item_id="item_u1", text="what is the time", is_final=True)
    client.wait_captions(("user", "what is the time"))


def test_a_transcript_told_in_two_ways_is_shown_once(client: ClientPage) -> None:
    socket = client.connect()
    transcription = "conversation.item.input_audio_transcription"
    socket.send("nova.transcript", item_id="item_u1", text="hello", is_final=False)
    socket.send(f"{transcription}.delta", item_id="item_u1", content_index=0, delta="hello")
    socket.send(f"{transcription}.completed", item_id="item_u1", content_index=0, transcript="Hello.")
    client.wait_captions(("user", "Hello."))


def test_a_late_partial_does_not_change_a_completed_transcript(client: ClientPage) -> None:
    socket = client.connect()
    completed = "conversation.item.input_audio_transcription.completed"
    socket.send(completed, item_id="item_u1", content_index=0, transcript="Good day.")
    socket.send("nova.transcript", item_id="item_u1", text="good", is_final=False)
    socket.send("nova.transcript", item_id="item_u2", text="next", is_final=True)
    client.wait_captions(("user", "Good day."), ("user", "next"))


def test_the_agents_words_grow_as_they_come(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    client.wait_mood("thinking")
    say_words(socket, "It is ")
    say_words(socket, "noon.")
    client.wait_captions(("assistant", "It is noon."))


def test_words_stand_in_the_order_of_speaking_not_of_arrival(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("input_audio_buffer.speech_started", item_id="item_u1", audio_start_ms=0)
    socket.send("input_audio_buffer.speech_stopped", item_id="item_u1", audio_end_ms=800)
    begin_reply(socket)
    say_words(socket, "Yes?")
    completed = "conversation.item.input_audio_transcription.completed"
    socket.send(completed, item_id="item_u1", content_index=0, transcript="Nova")
    client.wait_captions(("user", "Nova"), ("assistant", "Yes?"))


def test_markup_in_words_and_errors_stays_text(client: ClientPage) -> None:
    attack = '<img src=x onerror="window.attacked = true"><script>window.attacked = true</script>'
    socket = client.connect()
    socket.send("nova.transcript", item_id="item_u1", text=attack, is_final=True)
    begin_reply(socket)
    say_words(socket, attack)
    socket.send("error", error={"type": attack, "code": attack, "message": attack})
    client.wait_captions(("user", attack), ("assistant", attack))
    client.expect_alert("window.attacked")
    assert client.page.evaluate("() => document.querySelectorAll('main img, main script').length") == 0
    assert client.page.evaluate("() => window.attacked") is None


def test_typed_text_is_sent_shown_and_answered(client: ClientPage) -> None:
    socket = client.connect()
    client.page.get_by_label("Type a message").fill("How are you?")
    client.page.keyboard.press("Enter")
    item = socket.wait_for("conversation.item.create").event["item"]
    assert item["content"] == [{"type": "input_text", "text": "How are you?"}]
    socket.wait_for("response.create")
    client.wait_captions(("user", "How are you?"))
    expect(client.page.get_by_label("Type a message")).to_have_value("")


def test_typing_during_a_reply_cancels_it_first(client: ClientPage) -> None:
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, 2.0)
    client.wait_sound()
    client.page.get_by_label("Type a message").fill("Stop that")
    client.page.keyboard.press("Enter")
    socket.wait_for("response.create")
    wanted = ("response.cancel", "conversation.item.create", "response.create")
    assert [one.type for one in socket.received if one.type in wanted] == list(wanted)


def test_blank_text_is_not_sent(client: ClientPage) -> None:
    socket = client.connect()
    box = client.page.get_by_label("Type a message")
    box.fill("   ")
    box.press("Enter")
    box.fill("words")
    box.press("Enter")
    socket.wait_for("response.create")
    assert len(socket.of_type("conversation.item.create")) == 1


def test_what_the_agent_does_is_announced(client: ClientPage) -> None:
    socket = client.connect()
    status = client.page.get_by_role("status")
    expect(status).to_have_text("Listening")
    begin_reply(socket)
    expect(status).to_have_text("Thinking")
    send_speech(socket, LONGER_THAN_ANY_WAIT_SECONDS)
    expect(status).to_have_text("Speaking")
    socket.send("nova.flush", response_id="resp_1", item_id="item_a1")
    end_reply(socket, status="cancelled")
    expect(status).to_have_text("Listening")


def test_the_servers_own_state_can_end_the_thinking(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.state", listening=False, speaking=False, thinking=True)
    client.wait_mood("thinking")
    socket.send("nova.state", listening=True, speaking=False, thinking=False)
    client.wait_mood("listening")


def test_timings_of_the_server_are_listed(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.metrics", response_id="resp_1", delays_ms={"first_token": 412.25})
    client.page.get_by_text("Timing").click()
    expect(client.page.locator("#metrics")).to_contain_text("412 ms")


def test_an_unknown_event_disturbs_nothing(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.of_a_later_version", anything=[1, 2])
    begin_reply(socket)
    client.wait_mood("thinking")
