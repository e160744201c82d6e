"""Watch mode: the agent looks by itself, reports what answers its question once a scene, and is quiet otherwise."""

import pytest

from sessions.live import facts
from sessions.live.config import WatchSettings
from sessions.live.watching.guard import Guard
from tests.unit.eyes_world import World
from workers.language_model.contract import FramePart, TextPart

SMOKE = "Smoke rises from the pan on the stove."
WATCH = WatchSettings("Is there smoke or fire?")


def watching(**changes: object) -> World:
    return World(watch=WatchSettings("Is there smoke or fire?", **changes), frames="look")  # type: ignore[arg-type]


def test_the_agent_looks_by_itself_with_its_question_and_the_newest_frame() -> None:
    world = watching()
    world.show(1)
    (request,) = world.desk.replies
    assert "Is there smoke or fire?" in request.system
    picture, asks = request.history[0].parts
    assert isinstance(picture, FramePart)
    assert isinstance(asks, TextPart)
    assert (request.opening_voice, request.tools) == (None, ())


@pytest.mark.parametrize("answer", ["NOTHING", "Nothing.", "nothing to see", "没有。", "SAME", ""])
def test_nothing_gives_no_sound_and_no_alert(answer: str) -> None:
    world = watching()
    for number in range(4):
        world.show(number, after_ms=2_100)
        world.write(answer)
    assert (world.alerts(), world.said) == ([], [])
    assert [fact for fact in world.told if isinstance(fact, facts.ItemAdded)] == []


def test_smoke_gives_one_alert_a_scene() -> None:
    world = watching()
    for number in (1, 2):
        world.show(number, after_ms=2_100)
        world.write(SMOKE)
        for moved in range(3, 6):
            world.time_ms += 2_100
            world.eyes.see(b"x", "camera", world.epoch_ms(), None)
            world.answer(moved, change=0.1)
            world.write(SMOKE)
    assert world.alerts() == [SMOKE, SMOKE]
    assert world.said == [SMOKE, SMOKE]


def test_what_was_reported_is_told_to_the_model_at_the_next_look() -> None:
    world = watching()
    world.show(1)
    world.write(SMOKE)
    world.time_ms += 2_100
    world.eyes.see(b"x", "camera", world.epoch_ms(), None)
    world.answer(2, change=0.1)
    assert SMOKE in world.desk.replies[-1].system


def test_an_unchanged_picture_is_not_paid_for_twice() -> None:
    world = watching()
    for _ in range(10):
        world.show(1, after_ms=2_100)
        world.wait(100)
        if len(world.desk.replies) == 1 and world.eyes._side_replies.owns(world.desk.replies[0].address.reply_id):
            world.write("NOTHING")
    assert len(world.desk.replies) == 1


def test_an_interval_looks_at_a_still_picture_too() -> None:
    world = watching(on_change=False, interval_ms=1_000)
    world.show(1)
    for _ in range(3):
        world.write("NOTHING")
        world.wait(1_100)
    assert len(world.desk.replies) == 4


def test_looks_are_no_closer_than_the_interval() -> None:
    world = watching(interval_ms=5_000)
    for number in range(10):
        if world.show(number, after_ms=1_000) and world.desk.replies:
            reply_id = world.desk.replies[-1].address.reply_id
            if world.eyes._side_replies.owns(reply_id):
                world.write("NOTHING")
    assert len(world.desk.replies) == 2


def test_a_report_that_is_not_spoken_is_an_item_of_the_conversation() -> None:
    world = watching(speaks=False)
    world.show(1)
    world.write(SMOKE)
    assert world.said == []
    added = [fact.item for fact in world.told if isinstance(fact, facts.ItemAdded)]
    assert [world.history.find(item.item_id) for item in added] == added


def test_a_look_that_fails_is_tried_again_and_nobody_is_troubled() -> None:
    world = watching()
    for _ in range(6):
        world.show(1, after_ms=4_000)
        world.wait(10)
    assert len(world.desk.replies) == 2
    assert (world.alerts(), world.faults) == ([], [])


def test_looks_cost_and_an_empty_budget_ends_them() -> None:
    world = World(watch=WATCH, frames="look", tokens_per_session=4_000)
    for number in range(12):
        if world.show(number % 6, after_ms=8_000):
            reply_id = world.desk.replies[-1].address.reply_id
            if world.eyes._side_replies.owns(reply_id):
                world.write("NOTHING")
    assert 3 <= len(world.desk.replies) <= 5
    assert world.notices()[-1] == "vision_budget_none"


def test_smoke_that_clears_and_comes_again_is_reported_again() -> None:
    guard = Guard(WATCH)
    assert [guard.answered(text) for text in (SMOKE, SMOKE, "NOTHING", SMOKE)] == [SMOKE, None, None, SMOKE]


def test_the_same_report_in_other_words_is_no_news_and_another_thing_is() -> None:
    guard = Guard(WATCH)
    assert guard.answered(SMOKE) == SMOKE
    assert guard.answered("There is smoke from the pan on the stove") is None
    assert guard.answered("A man lies motionless near the door") is not None


def test_an_answer_about_the_scene_before_does_not_silence_the_new_scene() -> None:
    guard = Guard(WATCH)
    guard.looked("a", 0)
    guard.scene_changed()
    assert guard.answered(SMOKE) == SMOKE
    guard.looked("b", 2_000)
    assert guard.answered(SMOKE) == SMOKE
