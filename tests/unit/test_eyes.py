"""What the eyes of a session take, show, remember and tell, on virtual time."""

import pytest

from sessions.live import facts
from sessions.live.items import Content, MessageItem
from sessions.live.watching import looking
from tests.unit.eyes_world import EPOCH_MS, IDS, World, shape, view
from workers.language_model.contract import FramePart, TextPart
from workers.streams.messages import FrameKept, ToolReturned, WorkFailed


def places(fact: facts.VisionChanged) -> list[tuple[str, str]]:
    return [(frame.place, frame.reason) for frame in fact.frames]


# --- frames in --------------------------------------------------------------------------------------------------------


def test_md_11_a_flood_of_thirty_frames_a_second_costs_one_decode_an_interval_and_the_newest_is_seen() -> None:
    world = World()
    taken = sum(world.show(number % 3, after_ms=1_000 / 30) for number in range(30 * 20))
    assert taken <= 20_000 / world.config.vision.fastest_interval_ms * 1.25
    newest = world.turn().parts[-1].captured_at_ms
    assert world.epoch_ms() - newest <= world.config.vision.fastest_interval_ms


def test_a_frame_is_taken_at_once_when_the_user_begins_to_speak() -> None:
    world = World()
    for _ in range(12):
        world.show(1, after_ms=4_000)
    assert not world.show(1, after_ms=400)
    world.eyes.voice_began()
    assert world.show(1, after_ms=10)


def test_a_still_scene_is_looked_at_less_often_and_the_client_is_told() -> None:
    world = World()
    for _ in range(15):
        world.show(1, after_ms=4_000)
    told = world.vision()
    assert told[0].interval_ms == 500
    assert told[-1].interval_ms > 3_000
    assert dict(told[-1].intervals_ms) == {"camera": told[-1].interval_ms}


def test_a_scene_change_makes_the_interval_short_at_once() -> None:
    world = World()
    for _ in range(15):
        world.show(1, after_ms=4_000)
    world.show(2, after_ms=4_000)
    assert world.vision()[-1].interval_ms == 250


def test_camera_and_screen_are_seen_side_by_side_and_neither_starves() -> None:
    world = World()
    for number in range(6):
        world.show(number, "camera", after_ms=300)
        world.show(number + 10, "screen", after_ms=300)
    look = world.turn()
    newest = {part.source for part in look.parts if not part.cells}
    assert newest == {"camera", "screen"}


def test_a_source_that_waits_is_sent_before_one_that_came_later() -> None:
    world = World()
    for source in ("camera", "screen", "camera"):
        world.time_ms += 300
        world.eyes.see(b"x", "screen" if source == "screen" else "camera", world.epoch_ms(), None)
    world.answer(1)
    assert [request.source for request in world.desk.frames] == ["camera", "screen"]


def test_frames_of_the_camera_are_shrunk_more_than_those_of_the_screen() -> None:
    world = World()
    world.show(1, "camera")
    world.show(2, "screen")
    assert [request.max_side_px for request in world.desk.frames] == [896, 1280]


def test_a_frame_that_no_worker_answers_does_not_blind_the_session() -> None:
    world = World()
    world.eyes.see(b"x", "camera", world.epoch_ms(), None)
    world.time_ms += 3_100
    world.eyes.see(b"x", "camera", world.epoch_ms(), None)
    assert len(world.desk.frames) == 2


# --- what a request shows ---------------------------------------------------------------------------------------------


def test_a_still_scene_is_one_picture_in_every_request() -> None:
    world = World()
    for _ in range(4):
        for _ in range(5):
            world.show(1)
        world.speak()
        assert shape(world.turn().parts) == [1]
    assert world.desk.mosaics == []


def test_the_newest_frame_is_always_shown_and_with_the_time_it_was_last_in_view() -> None:
    world = World()
    world.show(1)
    world.show(1)
    (part,) = world.turn().parts
    assert part.captured_at_ms == EPOCH_MS + 1_000 + 1_200


def test_older_scenes_go_as_one_mosaic_that_was_asked_for_when_the_voice_paused() -> None:
    world = World()
    for number in range(5):
        world.show(number)
    world.speak()
    look = world.turn(settles=False)
    assert shape(look.parts) == [4, 1]
    assert len(world.desk.mosaics) == 1
    assert [cell.captured_at_ms for cell in look.parts[0].cells] == [EPOCH_MS + 1_600 + 600 * n for n in range(4)]


def test_without_a_ready_mosaic_older_frames_go_singly_and_nothing_waits() -> None:
    world = World(frames_per_turn=3)
    for number in range(6):
        world.show(number)
    look = world.turn(settles=False)
    assert shape(look.parts) == [1, 1, 1]
    told = world.vision()[-1]
    assert ("out", "mosaic_not_ready") in places(told)
    assert places(told)[-1] == ("picture", "newest")


def test_a_scene_that_came_after_the_mosaic_was_asked_for_goes_beside_it() -> None:
    world = World()
    for number in range(4):
        world.show(number)
    world.speak()
    world.show(4)
    assert shape(world.turn(settles=False).parts) == [3, 1, 1]


def test_the_client_is_told_every_frame_of_a_reply_with_its_place_and_reason() -> None:
    world = World()
    for number in range(3):
        world.show(number)
    world.speak()
    world.turn(settles=False)
    told = world.vision()[-1]
    assert told.reply_id == "resp_1"
    assert places(told) == [("mosaic", "scene_change"), ("mosaic", "scene_change"), ("picture", "newest")]
    assert told.tokens > 1_500
    assert told.is_estimate


def test_a_typed_turn_shows_the_mosaic_of_what_was_shown_before_and_what_is_new_beside_it() -> None:
    world = World()
    for number in range(3):
        world.show(number)
    world.speak()
    world.turn()
    world.show(3)
    look = world.turn(settles=False)
    assert shape(look.parts) == [2, 1, 1]


def test_a_frame_in_flight_is_the_newest_picture() -> None:
    world = World()
    world.show(1)
    world.time_ms += 600
    world.eyes.see(b"x", "camera", world.epoch_ms(), None)
    look = world.turn(settles=False)
    assert look.parts[-1].captured_at_ms == world.epoch_ms()


def test_frames_of_many_minutes_are_spread_over_them_when_the_ring_is_full() -> None:
    world = World()
    for number in range(60):
        world.show(number % 6, after_ms=1_000)
    look = world.turn(settles=False)
    times = [frame.captured_at_ms for frame in look.told]
    assert len(times) <= 16
    assert max(times) - min(times) >= 50_000


# --- memory -----------------------------------------------------------------------------------------------------------


def notes_of(world: World) -> list[str]:
    messages = world.history.for_model(40, (), world.eyes.look().remembered)
    texts = (part.text for message in messages for part in message.parts if isinstance(part, TextPart))
    return [text for text in texts if text.startswith("(Seen before")]


def fill_pages(world: World, scenes: int) -> None:
    for number in range(scenes):
        world.show(number % 6 + 1)
        world.show(0)
        world.speak()
        world.turn()


def test_a_full_page_becomes_one_line_that_the_model_wrote_of_its_mosaic() -> None:
    world = World()
    fill_pages(world, 9)
    request = world.desk.replies[-1]
    (message,) = request.history
    assert isinstance(message.parts[0], FramePart)
    assert len(message.parts[0].cells) >= 2
    assert request.opening_voice is None
    world.write("A cup on a desk, then a window.")
    assert notes_of(world) == ["(Seen before, no longer shown: A cup on a desk, then a window.)"]


def test_a_note_is_asked_for_once_and_never_while_another_is_awaited() -> None:
    world = World()
    fill_pages(world, 24)
    assert len(world.desk.replies) == 1
    world.write("A cup.")
    fill_pages(world, 1)
    assert len(world.desk.replies) == 2


def test_a_note_that_fails_leaves_the_talk_as_it_is() -> None:
    world = World()
    fill_pages(world, 9)
    reply_id = world.desk.replies[-1].address.reply_id
    world.take(WorkFailed(*IDS, reply_id, "reply", "provider_unavailable", True, "away"))
    assert notes_of(world) == []
    assert world.faults == []


def test_history_keeps_no_more_mosaics_than_the_graph_says() -> None:
    world = World(history_mosaics=2)
    fill_pages(world, 30)
    remembered = dict(world.eyes.look().remembered.by_item)
    pictures = [part for parts in remembered.values() for part in parts if isinstance(part, FramePart)]
    assert len(pictures) == 1


def test_without_mosaics_in_the_history_only_this_turns_frames_are_shown() -> None:
    world = World(history_mosaics=0)
    world.show(1)
    world.turn()
    world.show(2)
    assert shape(world.turn(settles=False).parts) == [1, 1]
    world.show(3)
    look = world.turn(settles=False)
    assert len({part.key for part in look.parts}) == 2


# --- budget -----------------------------------------------------------------------------------------------------------


def test_a_budget_is_felt_in_steps_that_the_client_hears_of_before_nothing_is_shown() -> None:
    world = World(tokens_per_session=12_000)
    for number in range(40):
        world.show(number % 6)
        world.speak()
        world.turn()
    steps = [code.removeprefix("vision_budget_") for code in world.notices()]
    assert steps == ["slower", "fewer", "mosaic", "none"]
    assert world.turn().parts == ()
    assert world.vision()[-1].interval_ms == 0
    assert not world.show(1, after_ms=10_000)


def test_a_minutes_budget_comes_back_with_time() -> None:
    world = World(tokens_per_minute=3_000)
    for number in range(6):
        world.show(number)
        world.turn()
    assert world.eyes.interval_ms == 0
    world.wait(61_000)
    assert world.eyes.interval_ms > 0
    assert world.notices()[-1] == "vision_budget_full"
    world.show(1)
    assert shape(world.turn(settles=False).parts)[-1] == 1


def test_the_services_bill_sets_the_estimate_right() -> None:
    world = World(usd_per_million_tokens=0.06)
    world.show(1)
    look = world.turn(settles=False)
    usage = world.settle(1, look.tokens + 100 + 400)
    told = world.vision()[-1]
    assert usage.image_tokens == look.tokens + 400 == told.tokens
    assert not told.is_estimate
    assert told.cost_usd == round(told.tokens * 0.06 / 1_000_000, 6)


def test_a_reply_without_a_bill_keeps_the_estimate() -> None:
    world = World()
    world.show(1)
    look = world.turn(settles=False)
    assert world.settle(1, 0).image_tokens == look.tokens
    assert world.vision()[-1].is_estimate


# --- models, uploads, the look tool -----------------------------------------------------------------------------------


def test_a_model_without_eyes_gets_no_picture_and_the_client_is_told() -> None:
    world = World(model="amazon.nova-micro-v1:0")
    assert world.notices() == ["model_sees_nothing"]
    assert world.eyes.interval_ms == 0
    item = MessageItem("i", "user", (Content("input_image"), Content("input_text", "What is it?")))
    assert world.eyes.add_pictures(item, (b"x",), None) == item
    assert world.turn().parts == ()
    assert world.desk.frames == []


def upload(world: World, item_id: str, number: int) -> None:
    item = MessageItem(item_id, "user", (Content("input_image"), Content("input_text", "Look at this.")))
    world.history.add(world.eyes.add_pictures(item, (b"x",), None))
    request = world.desk.frames[-1]
    frame_id, at_ms = request.address.reply_id, request.captured_at_ms
    world.take(FrameKept(*IDS, frame_id, request.source, at_ms, 1_280, 960, 90_000, view(number), 1.0))


def uploads_shown(world: World) -> list[int]:
    """Whole pictures in the history, then cells of the mosaic that are uploads."""
    look = world.eyes.look()
    messages = world.history.for_model(40, (), look.remembered)
    whole = sum(isinstance(part, FramePart) for message in messages for part in message.parts)
    return [whole, sum(cell.source == "upload" for part in look.parts for cell in part.cells)]


def test_an_uploaded_picture_is_whole_until_the_next_one_and_then_a_cell() -> None:
    world = World()
    upload(world, "photo_1", 1)
    assert uploads_shown(world) == [1, 0]
    world.turn()
    upload(world, "photo_2", 2)
    world.turn()
    upload(world, "photo_3", 3)
    world.turn()
    assert uploads_shown(world) == [1, 2]


def test_an_uploads_tokens_are_counted() -> None:
    world = World()
    upload(world, "photo_1", 1)
    assert world.turn().tokens > 1_500


def test_a_graph_that_looks_only_when_asked_attaches_nothing_and_the_tools_frame_is_told() -> None:
    world = World(frames="look")
    world.show(1)
    assert world.turn(settles=False).parts == ()
    world.show(1)
    frame_id = world.desk.frames[-1].address.reply_id
    returned = ToolReturned(*IDS, "resp_1.0", "t1", "Looked at the camera at 0:00.", False, frame_id)
    assert not world.eyes.take(returned)
    told = world.vision()[-1]
    assert (told.reply_id, places(told)) == ("resp_1", [("picture", "looked")])
    assert told.tokens > 0


def test_a_camera_that_was_turned_off_is_no_longer_the_newest_picture() -> None:
    world = World()
    for number in range(3):
        world.show(number)
    world.wait(60_000)
    assert shape(world.turn().parts) == [1, 1, 1]
    look = world.turn(settles=False)
    assert [len(part.cells) for part in look.parts] == [3]
    assert look.in_view == ()


def test_what_got_nothing_new_for_some_turns_is_noted_and_shown_no_more() -> None:
    world = World()
    for number in range(3):
        world.show(number)
    world.wait(60_000)
    shown = [shape(world.turn().parts) for _ in range(7)]
    assert shown[-1] == []
    world.write("Three scenes of a desk.")
    assert notes_of(world) == ["(Seen before, no longer shown: Three scenes of a desk.)"]


def test_a_graph_that_looks_only_when_asked_has_no_mosaics_made() -> None:
    world = World(frames="look")
    for number in range(4):
        world.show(number)
    world.speak()
    world.turn()
    assert world.desk.mosaics == []


def test_a_frame_that_comes_before_the_turn_ends_is_reckoned_with_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for number in range(5):
        world.show(number)
    world.speak()
    world.show(5)
    monkeypatch.setattr(looking, "choose", None)
    assert shape(world.eyes.look().parts) == [4, 1, 1]
