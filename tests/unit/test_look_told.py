"""What a request tells of its pictures: a reason that fits the place, and all of it in short."""

from sessions.live.watching.album import Mosaic
from sessions.live.watching.look import Look, compose
from workers.vision.choice import Choice, FrameReason, SeenFrame

MODEL = "us.amazon.nova-lite-v1:0"
FRAMES = tuple(SeenFrame(f"frame_{second}", "camera", second * 1_000) for second in (60, 63, 72))
REASONS = (
    FrameReason("frame_60", "out", "over_limit"),
    FrameReason("frame_63", "cell", "scene_change"),
    FrameReason("frame_72", "picture", "newest"),
)


def look(*in_mosaic: SeenFrame) -> Look:
    choice = Choice(pictures=FRAMES[2:], cells=FRAMES[1:2], reasons=REASONS)
    mosaic = Mosaic("mosaic_1", in_mosaic, 640, 360) if in_mosaic else None
    return compose(FRAMES, choice, mosaic, (), (), MODEL)


def test_what_an_earlier_mosaic_still_shows_was_shown_before() -> None:
    told = [(frame.place, frame.reason) for frame in look(*FRAMES[:2]).told]
    assert told == [("mosaic", "shown_before"), ("mosaic", "scene_change"), ("picture", "newest")]


def test_a_cell_without_its_mosaic_is_out() -> None:
    told = [(frame.place, frame.reason) for frame in look().told]
    assert told == [("out", "over_limit"), ("out", "mosaic_not_ready"), ("picture", "newest")]


def test_what_is_shown_is_told_in_short_by_reason() -> None:
    assert look(*FRAMES[:2]).in_short == "shown_before=1:00, scene_change=1:03, newest=1:12"
    assert look().in_short == "newest=1:12"
