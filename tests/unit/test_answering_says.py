"""Fixed texts that are to be said: a greeting, or what an operator wants said."""

import pytest

from tests.unit.test_answering import Room, let_tasks_run, room  # noqa: F401

# ruff: noqa: F811


def said(room: Room) -> list[str]:
    return [request.text for request in room.desk.speeches]


def test_a_text_is_said_at_once_while_the_agent_is_free(room: Room) -> None:
    room.answering.say("Welcome.")
    assert said(room) == ["Welcome."]


async def test_a_text_waits_for_the_reply_in_progress(room: Room) -> None:
    room.end(room.turn(), "Hello.")
    room.answering.say("A colleague has joined us.")
    assert said(room) == []
    room.replying.interrupt("client")
    await let_tasks_run()
    assert said(room) == ["A colleague has joined us."]


async def test_texts_are_said_in_their_order_and_before_the_next_answer(room: Room) -> None:
    room.answering.say("One.")
    room.answering.say("Two.")
    room.end(room.turn(), "Hello.")
    for _ in range(2):
        room.replying.interrupt("client")
        await let_tasks_run()
    assert said(room) == ["One.", "Two."]
    assert len(room.desk.replies) == 1


@pytest.mark.parametrize("count", [7])
def test_at_most_five_texts_wait(count: int, room: Room) -> None:
    room.end(room.turn(), "Hello.")
    for number in range(count):
        room.answering.say(f"{number}.")
    assert len(room.answering._waiting_texts) == 5
