"""When a frame is taken: faster on motion, slower on a still scene, at once when something begins; never a flood."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from workers.vision.sampler import Sampler, SamplerBounds

BOUNDS = SamplerBounds(500, 250, 4_000)
FRAME_MS = 1_000 / 30


def taken(sampler: Sampler, seconds: float, change: float, start_ms: float = 0) -> list[float]:
    """The moments at which a camera of 30 frames a second was taken a frame of, each answered with `change`."""
    moments = []
    for number in range(int(seconds * 30)):
        now_ms = start_ms + number * FRAME_MS
        if sampler.wants(now_ms):
            sampler.took(now_ms)
            sampler.saw(change)
            moments.append(now_ms)
    return moments


def test_the_first_frame_is_taken() -> None:
    assert Sampler(BOUNDS).wants(0)


def test_a_still_scene_is_looked_at_less_and_less_down_to_the_bound() -> None:
    sampler = Sampler(BOUNDS)
    moments = taken(sampler, 60, change=0)
    assert sampler.interval_ms == 4_000
    assert len(moments) < 25


def test_motion_is_looked_at_faster_up_to_the_bound() -> None:
    sampler = Sampler(BOUNDS)
    taken(sampler, 5, change=0.1)
    assert sampler.interval_ms == 250


def test_another_scene_is_followed_at_once() -> None:
    sampler = Sampler(BOUNDS)
    taken(sampler, 60, change=0)
    sampler.took(60_000)
    assert not sampler.wants(60_300)
    sampler.saw(0.9)
    assert sampler.wants(60_300)
    assert sampler.interval_ms == 250


def test_a_users_turn_takes_the_next_frame_and_looks_no_slower_than_at_the_start() -> None:
    sampler = Sampler(BOUNDS)
    taken(sampler, 60, change=0)
    sampler.took(60_000)
    sampler.turn_began()
    assert sampler.wants(60_300)
    sampler.took(60_300)
    assert sampler.interval_ms == 500
    sampler.turn_ended()
    assert sampler.interval_ms == 4_000


def test_a_low_budget_lengthens_every_interval_and_the_slowest_too() -> None:
    sampler = Sampler(BOUNDS)
    sampler.slow_down(2)
    assert sampler.interval_ms == 1_000
    taken(sampler, 120, change=0)
    assert sampler.interval_ms == 8_000


def test_a_frame_a_little_before_its_time_is_taken() -> None:
    sampler = Sampler(BOUNDS)
    sampler.took(0)
    assert not sampler.wants(390)
    assert sampler.wants(410)


@given(
    st.lists(st.tuples(st.floats(0, 400), st.sampled_from(["frame", "turn", "end", "still", "motion", "scene"]))),
    st.floats(1, 8),
)
def test_whatever_happens_no_two_frames_come_closer_than_the_fastest(
    events: list[tuple[float, str]], slowing: float
) -> None:
    sampler, now_ms, moments = Sampler(BOUNDS), 0.0, []
    sampler.slow_down(slowing)
    for after_ms, event in events:
        now_ms += after_ms
        if event == "frame" and sampler.wants(now_ms):
            sampler.took(now_ms)
            moments.append(now_ms)
        elif event == "turn":
            sampler.turn_began()
        elif event == "end":
            sampler.turn_ended()
        elif event in ("still", "motion", "scene"):
            sampler.saw({"still": 0.0, "motion": 0.1, "scene": 1.0}[event])
        assert 250 <= sampler.interval_ms <= 4_000 * slowing
    assert all(later - earlier >= 250 * 0.8 - 1e-6 for earlier, later in pairwise(moments))
