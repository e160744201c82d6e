"""Which frames a turn shows the model: the newest always, then what shows something else, each with its reason."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.vision_scenes import frame, look_of, video
from workers.language_model.model_table import model_facts, picture_tokens
from workers.vision.budget import BudgetStep
from workers.vision.choice import Choice, SeenFrame, Window, choose
from workers.vision.mosaic_layout import MAX_CELLS
from workers.vision.signature import change_between, is_near_identical, twins

LITE = "us.amazon.nova-lite-v1:0"
MICRO = "us.amazon.nova-micro-v1:0"


def chosen(
    frames: list[SeenFrame],
    step: BudgetStep = "full",
    max_pictures: int = 4,
    model_id: str = LITE,
    speech: Window | None = None,
) -> Choice:
    return choose(frames, model_id=model_id, step=step, max_pictures=max_pictures, speech=speech)


def ids(frames: tuple[SeenFrame, ...]) -> list[str]:
    return [frame.frame_id for frame in frames]


def reason_of(choice: Choice, frame_id: str) -> tuple[str, str]:
    return next((told.place, told.reason) for told in choice.reasons if told.frame_id == frame_id)


def test_of_a_still_scene_only_the_newest_goes() -> None:
    choice = chosen(video([1], frames_each=20))
    assert ids(choice.pictures) == ["camera-9.5"]
    assert choice.cells == ()
    assert {told.reason for told in choice.reasons[:-1]} == {"same_as_another"}
    assert choice.tokens_with_mosaic == picture_tokens(LITE, 800, 450)


def test_of_ten_scenes_all_are_shown() -> None:
    choice = chosen(video(list(range(10))))
    shown = {look_of(scene) for scene in range(10)}
    assert {seen.signature for seen in (*choice.pictures, *choice.cells)} == shown
    assert choice.tokens_with_mosaic == picture_tokens(LITE, 800, 450) + 1_300


def test_few_scenes_and_much_motion_make_a_cheap_mosaic() -> None:
    choice = chosen(video([1], frames_each=20, is_moving=True))
    assert len(choice.cells) == 6
    assert choice.tokens_with_mosaic == picture_tokens(LITE, 800, 450) + 800


def test_the_newest_of_each_source_goes_alone() -> None:
    frames = [*video([1, 2, 3]), frame(5.2, 8, source="screen"), frame(1.1, 9, source="screen")]
    choice = chosen(frames)
    assert ids(choice.pictures) == ["screen-5.2", "camera-5.5"]
    assert "screen-1.1" in ids(choice.cells)


def test_a_single_older_frame_goes_as_it_is() -> None:
    choice = chosen([frame(0, 1, change=1), frame(1, 2, change=1)])
    assert (ids(choice.pictures), choice.cells) == (["camera-0", "camera-1"], ())
    assert reason_of(choice, "camera-0") == ("picture", "scene_change")


def test_cells_are_in_the_order_of_time_and_so_are_the_reasons() -> None:
    choice = chosen(video(list(range(8))))
    moments = [seen.captured_at_ms for seen in choice.cells]
    assert moments == sorted(moments)
    assert [told.frame_id for told in choice.reasons] == ids(tuple(video(list(range(8)))))


def test_frames_from_while_the_user_spoke_go_before_others() -> None:
    moving = video([1], frames_each=40, is_moving=True)
    choice = chosen(moving, speech=Window(5_000, 7_000))
    spoken = [seen for seen in choice.cells if 5_000 <= seen.captured_at_ms <= 7_000]
    assert len(spoken) >= 5
    assert reason_of(choice, spoken[0].frame_id) == ("cell", "while_speaking")


def test_of_frames_close_together_the_one_that_changed_most_is_shown() -> None:
    moving = [replace(seen, change=0.01) for seen in video([1], frames_each=40, is_moving=True)]
    moving[13] = replace(moving[13], change=0.4)
    assert moving[13] in chosen(moving).cells


def test_the_rest_is_spread_over_the_whole_window() -> None:
    moments = [seen.captured_at_ms for seen in chosen(video([1], frames_each=60, is_moving=True)).cells]
    assert all(any(low <= at < low + 10_000 for at in moments) for low in (0, 10_000, 20_000))


@pytest.mark.parametrize(
    ("step", "pictures", "cells", "singles"),
    [("full", 1, 12, 3), ("slower", 1, 6, 1), ("fewer", 1, 4, 0), ("mosaic", 0, 6, 1), ("none", 0, 0, 0)],
)
def test_each_step_of_the_budget_shows_less(step: BudgetStep, pictures: int, cells: int, singles: int) -> None:
    choice = chosen(video(list(range(15))), step)
    assert (len(choice.pictures), len(choice.cells), len(choice.singles)) == (pictures, cells, singles)


def test_a_mosaic_alone_still_shows_the_newest() -> None:
    choice = chosen(video(list(range(15))), "mosaic")
    assert ids(choice.cells)[-1] == ids(choice.singles)[-1] == "camera-29.5"
    assert choice.tokens_with_mosaic == 800


def test_without_a_mosaic_the_newest_of_its_cells_go_alone() -> None:
    choice = chosen(video(list(range(9))))
    assert choice.singles == choice.cells[-3:]
    assert choice.tokens_with_singles == 4 * picture_tokens(LITE, 800, 450)


def test_a_turn_of_one_picture_carries_the_newest() -> None:
    choice = chosen(video([1, 2, 3]), max_pictures=1)
    assert (ids(choice.pictures), choice.cells, choice.singles) == (["camera-5.5"], (), ())
    assert reason_of(choice, "camera-3.5") == ("out", "over_limit")


@pytest.mark.parametrize(
    ("model_id", "max_pictures", "step", "reason"),
    [(MICRO, 4, "full", "model_sees_nothing"), (LITE, 0, "full", "over_limit"), (LITE, 4, "none", "budget")],
)
def test_why_nothing_is_shown_is_told(model_id: str, max_pictures: int, step: BudgetStep, reason: str) -> None:
    choice = chosen(video([1]), step, max_pictures, model_id)
    assert (choice.pictures, choice.cells, choice.tokens_with_mosaic) == ((), (), 0)
    assert {(told.place, told.reason) for told in choice.reasons} == {("out", reason)}


def test_a_frame_still_with_the_worker_is_the_newest_and_stands_for_those_right_before_it() -> None:
    still = video([1], frames_each=10)
    flying = SeenFrame("flying", "camera", 5_000)
    choice = chosen([*still, flying])
    assert (ids(choice.pictures), choice.cells) == (["flying"], ())
    assert reason_of(choice, "camera-4.5") == ("out", "just_before")


def test_no_frames_no_choice() -> None:
    assert chosen([]) == Choice()


@given(
    st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 9), st.booleans()), max_size=40),
    st.sampled_from(["full", "slower", "fewer", "mosaic", "none"]),
    st.integers(0, 25),
    st.sampled_from([LITE, MICRO, "us.amazon.nova-2-lite-v1:0", "another"]),
)
def test_every_choice_keeps_the_caps_shows_the_newest_and_tells_of_every_frame(
    moments: list[tuple[int, int, bool]], step: BudgetStep, max_pictures: int, model_id: str
) -> None:
    frames = [
        SeenFrame(f"f{number}", "screen" if is_screen else "camera", at, look_of(scene), scene / 9, 800, 450)
        for number, (at, scene, is_screen) in enumerate(moments)
    ]
    choice = chosen(frames, step, max_pictures, model_id)
    cap = min(max_pictures, model_facts(model_id).max_pictures)
    assert len(choice.pictures) + bool(choice.cells) <= cap
    assert len(choice.pictures) + len(choice.singles) <= cap
    assert len(choice.cells) <= MAX_CELLS
    assert {told.frame_id for told in choice.reasons} == {seen.frame_id for seen in frames}
    assert len(choice.reasons) == len(frames)
    if cap and step != "none" and frames:
        newest = max(seen.captured_at_ms for seen in frames)
        assert newest in {seen.captured_at_ms for seen in (*choice.pictures, *choice.cells)}
        assert newest in {seen.captured_at_ms for seen in (*choice.pictures, *choice.singles)}


# --- signatures -------------------------------------------------------------------------------------------------------


def test_a_change_is_the_share_of_the_picture_that_is_another() -> None:
    assert change_between(look_of(1), look_of(1)) == 0
    assert change_between(look_of(1), look_of(1, moved=5)) == pytest.approx(1 / 576)
    assert change_between(look_of(1), look_of(2)) > 0.8
    assert change_between("", look_of(1)) == change_between(look_of(1), "0064" + look_of(1)[4:]) == 1


def test_twins_are_found_as_one_by_one() -> None:
    looks = [look_of(1), look_of(2), look_of(1), "", look_of(2, 3), look_of(2), ""]
    assert twins(looks) == [None, None, 0, None, None, 1, None]
    assert all(is_near_identical(looks[at], looks[twin]) for at, twin in enumerate(twins(looks)) if twin is not None)
