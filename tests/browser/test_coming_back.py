"""The line is lost and comes back: the page says what it has had, goes on sounding, and shows nothing twice."""

from __future__ import annotations

from .client_page import ClientPage, begin_reply, end_reply, say_words, send_speech

HELD_SECONDS = 4.0


def test_the_next_socket_is_asked_for_what_came_after_the_last_event(client: ClientPage) -> None:
    client.stub.resumes = True
    socket = client.connect()
    begin_reply(socket)
    say_words(socket, "Hello ")
    send_speech(socket, 0.5)
    client.wait_sound()
    told = socket.sent_events
    socket.abort()
    query = client.stub.wait_socket(1).query
    assert query["epoch"] == "1"
    assert int(query["seq"]) == told
    assert int(query["told"]) == told - 5
    assert (query["sound_item"], query["sound_ms"]) == ("item_a1", "500")


def test_what_has_come_is_played_on_while_the_line_is_away_and_goes_on_afterwards(client: ClientPage) -> None:
    client.stub.resumes = True
    socket = client.connect()
    begin_reply(socket)
    send_speech(socket, HELD_SECONDS)
    client.wait_sound()
    socket.abort()
    again = client.stub.wait_socket(1)
    again.send("nova.resumed", recovered=True, reason="", items=[], items_left_out=0)
    client.wait_phase("open")
    assert client.state["isSpeaking"]
    client.wait_silence()
    send_speech(again, 1.0)
    client.wait_sound()
    end_reply(again)
    client.wait_silence()


def test_captions_go_on_where_they_stopped_and_stand_there_once(client: ClientPage) -> None:
    client.stub.resumes = True
    socket = client.connect()
    socket.send("nova.transcript", item_id="item_u1", text="what time is it", is_final=True)
    begin_reply(socket)
    say_words(socket, "It is ")
    client.wait_captions(("user", "what time is it"), ("assistant", "It is "))
    socket.abort()
    again = client.stub.wait_socket(1)
    say_words(again, "noon.")
    again.send("nova.resumed", recovered=True, reason="", items=[], items_left_out=0)
    client.wait_captions(("user", "what time is it"), ("assistant", "It is noon."))


def test_a_talk_that_begins_anew_is_shown_as_the_server_knows_it(client: ClientPage) -> None:
    socket = client.connect()
    socket.send("nova.transcript", item_id="item_old", text="lost words", is_final=True)
    client.wait_captions(("user", "lost words"))
    socket.abort()
    again = client.stub.wait_socket(1)
    client.wait_phase("open")
    said = {"type": "input_audio", "transcript": "what time is it"}
    answered = {"type": "output_audio", "transcript": "It is noon."}
    items = [
        {"id": "item_u1", "type": "message", "role": "user", "status": "completed", "content": [said]},
        {"id": "item_a1", "type": "message", "role": "assistant", "status": "completed", "content": [answered]},
    ]
    again.send("nova.resumed", recovered=False, reason="trimmed", items=items, items_left_out=0)
    client.wait_captions(("user", "what time is it"), ("assistant", "It is noon."))


def test_typed_text_that_never_arrived_is_said_again_once(client: ClientPage) -> None:
    client.stub.resumes = True
    socket = client.connect()
    box = client.page.get_by_label("Type a message")
    box.fill("How are you?")
    box.press("Enter")
    item = socket.wait_for("conversation.item.create").event["item"]
    socket.abort()
    again = client.stub.wait_socket(1)
    again.send("nova.resumed", recovered=True, reason="", items=[], items_left_out=0)
    assert again.wait_for("conversation.item.create").event["item"]["id"] == item["id"]
    again.send("conversation.item.added", item={**item, "status": "completed"}, previous_item_id=None)
    client.wait_captions(("user", "How are you?"))
    again.abort()
    third = client.stub.wait_socket(2)
    third.send("nova.resumed", recovered=True, reason="", items=[], items_left_out=0)
    client.wait_phase("open")
    third.wait_for("input_audio_buffer.append")
    assert third.of_type("conversation.item.create") == []
