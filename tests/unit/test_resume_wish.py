"""Coming back: what a client says it has had, which of it is believed, and what is kept for it."""

import base64
import json
from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.realtime import backlog
from sessions.realtime.backlog import Backlog, Sound, ToldEvent
from sessions.realtime.event_line import encode, from_runs, message_of, to_runs
from sessions.realtime.position import Position
from sessions.realtime.resume_wish import ResumeWish, judge, read_wish

EPOCH = "0123456789ab"


def told(seq: int, sound: Sound | None = None) -> ToldEvent:
    return ToldEvent(seq, encode({"type": "x", "event_id": f"evt_{EPOCH}_{seq}"}), sound)


def sound(number: int, item_id: str = "item", size_bytes: int = 4_800) -> Sound:
    return Sound(item_id, number * 100.0, (number + 1) * 100.0, bytes(size_bytes))


# --- the wish ---------------------------------------------------------------------------------------------------------


def test_what_a_position_asks_for_is_what_the_server_reads() -> None:
    position = Position()
    position.note({"type": "response.created", "event_id": f"evt_{EPOCH}_7"}, b"")
    position.note(
        {"type": "response.output_audio.delta", "event_id": f"evt_{EPOCH}_8", "item_id": "item"}, bytes(4_800)
    )
    assert read_wish(parse_qs(urlencode(position.query()))) == ResumeWish(EPOCH, 8, 7, "item", 100.0)


def test_a_refusal_is_no_position() -> None:
    position = Position()
    position.note({"type": "error", "event_id": "evt_refused_1"}, b"")
    assert position.query() == {}


def test_without_an_epoch_nobody_wants_to_resume() -> None:
    assert read_wish(parse_qs("seq=7")) is None


numbers = st.one_of(st.integers().map(str), st.text(), st.sampled_from(["", "-1", "1e9", "٣", "9" * 30, "0x10", "1.5"]))


@given(st.text(), numbers, numbers, st.text(), numbers)
def test_cl_12_any_wish_is_read_and_judged_without_an_exception_and_skips_nothing(
    epoch: str, seq: str, told_seq: str, item: str, sound_ms: str
) -> None:
    query = {"epoch": [epoch], "seq": [seq], "told": [told_seq], "sound_item": [item], "sound_ms": [sound_ms]}
    wish = read_wish(query)
    assert wish is not None
    verdict = judge(wish, EPOCH, 11, 20, is_last_known=True)
    assert (verdict == "whole") == (wish.epoch == EPOCH and 10 <= wish.seq <= 20 and wish.told_seq >= 0)


@pytest.mark.parametrize(
    ("seq", "told_seq", "is_last_known", "verdict"),
    [
        (20, 20, True, "whole"),
        (10, 10, True, "whole"),
        (9, 9, True, "trimmed"),
        (21, 21, True, "bad_resume"),
        (21, 20, True, "bad_resume"),
        (-1, -1, True, "bad_resume"),
        (25, 20, False, "whole"),
        (25, 21, False, "ahead"),
    ],
)
def test_a_wish_is_granted_whole_or_refused(seq: int, told_seq: int, is_last_known: bool, verdict: str) -> None:
    assert judge(ResumeWish(EPOCH, seq, told_seq), EPOCH, 11, 20, is_last_known=is_last_known) == verdict


# --- the backlog ------------------------------------------------------------------------------------------------------


def test_events_after_a_number_are_all_there_in_order() -> None:
    kept = Backlog()
    for seq in range(1, 101):
        kept.add(told(seq))
    assert [each.seq for each in kept.since(97)] == [98, 99, 100]
    assert [each.seq for each in kept.since(100)] == []


@given(st.lists(st.integers(0, 4_000), max_size=120), st.integers(0, 5))
def test_the_backlog_is_bounded_and_its_numbers_have_no_gap(sizes: list[int], sounds_between: int) -> None:
    kept = Backlog()
    for seq, size in enumerate(sizes, start=1):
        is_sound = sounds_between and seq % (sounds_between + 1)
        kept.add(ToldEvent(seq, "t" * size, sound(seq, size_bytes=size * 10) if is_sound else None))
    events = list(kept.since(kept.first_seq - 1))
    assert [each.seq for each in events] == list(range(kept.first_seq, kept.last_seq + 1))
    assert sum(len(each.text) for each in events) <= backlog.TEXT_LIMIT_BYTES
    held = sum(len(each.sound.pcm) for each in events if each.sound is not None and each.sound.pcm is not None)
    assert held <= backlog.SOUND_LIMIT_BYTES


def test_beyond_its_limit_the_oldest_sound_loses_its_bytes_and_stays_an_event() -> None:
    kept = Backlog()
    for seq in range(1, 101):
        kept.add(told(seq, sound(seq)))
    assert kept.first_seq == 1
    with_bytes = [each.seq for each in kept.since(0) if each.sound is not None and each.sound.pcm is not None]
    assert with_bytes == list(range(101 - backlog.SOUND_LIMIT_BYTES // 4_800, 101))


def test_more_events_than_are_kept_cut_the_oldest() -> None:
    kept = Backlog()
    for seq in range(1, backlog.EVENTS_LIMIT + 51):
        kept.add(told(seq))
    assert (kept.first_seq, kept.last_seq, len(kept)) == (51, backlog.EVENTS_LIMIT + 50, backlog.EVENTS_LIMIT)


def test_each_event_is_given_to_be_saved_once() -> None:
    kept = Backlog()
    kept.add(told(1))
    kept.add(told(2))
    assert [each.seq for each in kept.take_unsaved()] == [1, 2]
    kept.add(told(3))
    assert [each.seq for each in kept.take_unsaved()] == [3]
    assert kept.take_unsaved() == []


# --- on the shelf -----------------------------------------------------------------------------------------------------


def test_events_come_back_from_the_shelf_with_their_numbers_and_places_without_their_bytes() -> None:
    events = [told(1), told(2, sound(0)), told(3, sound(1)), told(4), told(5, sound(0, "other"))]
    runs = to_runs(events)
    assert len(runs) == 4
    back = from_runs(runs)
    assert [(each.seq, each.text) for each in back] == [(each.seq, each.text) for each in events]
    assert back[2].sound == Sound("item", 100.0, 200.0)


def test_sound_without_bytes_is_an_event_of_no_sound_for_both_kinds_of_socket() -> None:
    muted = told(3, Sound("item", 0.0, 100.0))
    text = message_of(muted, is_binary=False)["text"]
    assert json.loads(text) == {"type": "x", "event_id": f"evt_{EPOCH}_3", "delta": ""}
    assert message_of(muted, is_binary=True)["bytes"][2:] == muted.text.encode()


def test_sound_with_bytes_carries_them() -> None:
    full = told(3, sound(0, size_bytes=4))
    assert base64.b64decode(json.loads(message_of(full, is_binary=False)["text"])["delta"]) == bytes(4)
