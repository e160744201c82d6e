"""Fixed texts that are to be said: a greeting, or what an operator wants said."""

import pytest

from sessions.live.items import Content, MessageItem
from sessions.live.transport import ReplyOptions
from tests.unit.test_answering import Room, let_tasks_run, room  # noqa: F401

# ruff: noqa: F811


def said(room: Room) -> list[str]:
    return [request.text for request in room.desk.speeches]


async def test_a_text_is_said_at_once_while_the_agent_is_free(room: Room) -> None:
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


def test_what_was_typed_since_the_last_answer_is_what_a_reply_answers(room: Room) -> None:
    for number, (role, text) in enumerate(
        [("user", "Hi."), ("assistant", "Yes?"), ("user", "How far"), ("user", "is it?")]
    ):
        room.history.add(MessageItem(f"item_{number}", role, (Content("input_text", text),)))  # type: ignore[arg-type]
    room.answering.ask(ReplyOptions())
    assert typed_of(room) == "How far is it?"


async def test_a_fixed_text_and_a_spoken_turn_answer_nothing_typed(room: Room) -> None:
    room.history.add(MessageItem("item_0", "user", (Content("input_text", "Hi."),)))
    room.answering.say("Welcome.")
    assert typed_of(room) == ""


def typed_of(room: Room) -> str:
    reply = room.replying._current
    assert reply is not None
    return reply.plan.typed_text
