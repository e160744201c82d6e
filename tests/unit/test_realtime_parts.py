"""The pure pieces of the websocket door: budgets on a given clock, telephone audio, and the outbox."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.live import g711
from sessions.realtime import limits
from sessions.realtime.budget import Bucket, InboundBudget
from sessions.realtime.outbox import Outbox


def test_a_bucket_refills_at_its_rate_up_to_its_capacity() -> None:
    bucket = Bucket(10, refill_per_second=2)

    assert bucket.take(10, 0)
    assert not bucket.take(1, 0)
    assert bucket.take(4, 2)
    assert bucket.take(10, 100)
    assert not bucket.take(0.1, 100)


def test_a_refused_take_costs_nothing() -> None:
    bucket = Bucket(10, refill_per_second=0)

    assert not bucket.take(11, 0)
    assert bucket.take(10, 0)


def test_a_whole_minute_of_audio_may_come_at_once_and_no_more() -> None:
    budget = InboundBudget()

    assert budget.allows_audio(60, 0)
    assert not budget.allows_audio(0.1, 0)


@pytest.mark.parametrize(("speed", "is_allowed"), [(1.0, True), (1.5, True), (2.0, False)])
def test_audio_may_come_half_as_fast_again_for_ever(speed: float, is_allowed: bool) -> None:
    budget = InboundBudget()

    allowed = [budget.allows_audio(speed * 0.1, step / 10) for step in range(3_000)]

    assert all(allowed) is is_allowed


def test_ten_millisecond_chunks_of_a_talker_pass_for_an_hour() -> None:
    budget = InboundBudget()

    assert all(budget.allows_audio(0.01, step / 100) for step in range(360_000))


def test_a_flood_of_empty_audio_runs_out() -> None:
    budget = InboundBudget()

    assert not all(budget.allows_audio(0, 0) for _ in range(100_000))


def test_thirty_frames_a_second_pass() -> None:
    budget = InboundBudget()

    assert all(budget.allows_message(step / 30) for step in range(3_000))


def test_a_flood_of_control_messages_runs_out() -> None:
    budget = InboundBudget()

    assert not all(budget.allows_message(step / 10_000) for step in range(1_000))


def test_the_fiftieth_bad_message_in_ten_seconds_is_one_too_many() -> None:
    budget = InboundBudget()

    allowed = [budget.allows_bad_message(step / 10) for step in range(limits.BAD_MESSAGES_LIMIT)]

    assert allowed == [True] * (limits.BAD_MESSAGES_LIMIT - 1) + [False]


def test_bad_messages_now_and_then_are_borne_for_ever() -> None:
    budget = InboundBudget()

    assert all(budget.allows_bad_message(step * 0.5) for step in range(1_000))


LAWS = {
    "mu": (g711.encode_mu_law, g711.decode_mu_law),
    "a": (g711.encode_a_law, g711.decode_a_law),
}


@pytest.mark.parametrize("law", LAWS)
def test_decoding_and_encoding_again_gives_the_same_sound(law: str) -> None:
    encode, decode = LAWS[law]
    samples = decode(bytes(range(256)))

    assert decode(encode(samples)) == samples


@pytest.mark.parametrize(
    ("law", "code", "sample"),
    [
        ("mu", 0xFF, 0),
        ("mu", 0x00, -32_124),
        ("mu", 0x80, 32_124),
        ("mu", 0xF2, 104),
        ("a", 0xD5, 8),
        ("a", 0x55, -8),
        ("a", 0xAA, 32_256),
        ("a", 0x2A, -32_256),
    ],
)
def test_published_codes_of_g711_stand_for_their_samples(law: str, code: int, sample: int) -> None:
    assert LAWS[law][1](bytes([code])) == sample.to_bytes(2, "little", signed=True)


@given(sample=st.integers(-32_000, 32_000), law=st.sampled_from(sorted(LAWS)))
def test_encoding_errs_by_at_most_a_sixteenth(sample: int, law: str) -> None:
    encode, decode = LAWS[law]

    decoded = int.from_bytes(decode(encode(sample.to_bytes(2, "little", signed=True))), "little", signed=True)

    assert abs(decoded - sample) <= max(16, abs(sample) / 16)


class Wire:
    """A server's send that can be held up, as one with backpressure does."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._changed = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        await self.is_open.wait()
        self.sent.append(message)
        self._changed.set()

    async def holds(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(2):
            while len(self.sent) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.sent


def text(name: str) -> dict[str, Any]:
    return {"type": "websocket.send", "text": name}


async def test_messages_leave_in_order_and_then_the_close() -> None:
    wire = Wire()
    outbox = Outbox(wire.send)
    outbox.put(text("a"), 1)
    outbox.start()
    outbox.put(text("b"), 1)
    outbox.finish(4410, "ended")
    outbox.put(text("late"), 1)

    assert await wire.holds(3) == [
        text("a"),
        text("b"),
        {"type": "websocket.close", "code": 4410, "reason": "ended"},
    ]
    assert outbox.unsent_bytes == 0


async def test_more_than_a_mebibyte_is_not_taken() -> None:
    wire = Wire()
    outbox = Outbox(wire.send)

    assert outbox.put(text("a"), limits.UNSENT_LIMIT_BYTES)
    assert not outbox.put(text("b"), 1)


async def test_a_cut_drops_what_waits_and_the_message_under_way() -> None:
    wire = Wire()
    wire.is_open.clear()
    outbox = Outbox(wire.send)
    outbox.start()
    outbox.put(text("a"), 1)
    outbox.put(text("b"), 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    outbox.cut(4408, "slow")
    wire.is_open.set()

    assert (await wire.holds(1))[0]["code"] == 4408
    assert len(wire.sent) == 1


async def test_a_client_that_vanished_while_sending_ends_the_writer_quietly() -> None:
    was_tried = asyncio.Event()

    async def broken(message: dict[str, Any]) -> None:
        was_tried.set()
        raise ConnectionResetError("gone")

    outbox = Outbox(broken)
    outbox.start()
    outbox.put(text("a"), 1)
    await asyncio.wait_for(was_tried.wait(), 2)
    await asyncio.sleep(0)

    assert outbox.is_closed


async def test_a_long_reason_fits_into_a_close_frame() -> None:
    wire = Wire()
    outbox = Outbox(wire.send)
    outbox.start()
    outbox.finish(4410, "很" * 100)

    assert len((await wire.holds(1))[0]["reason"].encode()) <= 123
