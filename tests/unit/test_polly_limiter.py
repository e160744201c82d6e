"""The limiter that all workers share, on a real Redis: calls a second, calls at once, and who goes first."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest
import redis

from workers.errors import ProviderThrottledError, ReplyCancelled
from workers.settings import CallLimit
from workers.streams.redis_clients import command_client
from workers.text_to_speech.contract import Urgency
from workers.text_to_speech.polly_limiter import PollyLimiter

ENGINE = "neural"
MakeLimiter = Callable[..., PollyLimiter]


@pytest.fixture
def client(redis_url: str) -> Iterator["redis.Redis"]:
    with command_client(redis_url) as client:
        yield client


@pytest.fixture
def limiter_of(client: "redis.Redis") -> MakeLimiter:
    def make(per_second: int = 100, concurrent: int = 100) -> PollyLimiter:
        return PollyLimiter(client, {ENGINE: CallLimit(per_second, concurrent)})

    return make


def call(limiter: PollyLimiter, urgency: Urgency = Urgency.LATER_SENTENCE, wait_seconds: float = 0.0) -> None:
    with limiter.place(ENGINE, urgency, time.monotonic() + wait_seconds):
        pass


def waiting(client: "redis.Redis", count: int) -> None:
    deadline = time.monotonic() + 5
    while client.zcard(f"nova:polly:{{{ENGINE}}}:waiting") != count:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_two_workers_share_the_calls_of_a_second(limiter_of: MakeLimiter) -> None:
    one, other = limiter_of(per_second=4), limiter_of(per_second=4)
    for limiter in (one, other, one, other):
        call(limiter)
    with pytest.raises(ProviderThrottledError) as caught:
        call(other)
    assert (caught.value.code, caught.value.retriable) == ("speech_throttled", True)


def test_a_call_that_waited_goes_when_the_second_is_over(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(per_second=2)
    began = time.monotonic()
    for _ in range(3):
        call(limiter, wait_seconds=3)
    assert time.monotonic() - began >= 1.0


def test_a_place_is_free_again_when_its_call_ends_even_by_a_fault(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(concurrent=1)
    running = limiter.place(ENGINE, Urgency.FIRST_SENTENCE, time.monotonic())
    running.__enter__()
    with pytest.raises(ProviderThrottledError):
        call(limiter)
    cancelled = ReplyCancelled()
    assert not running.__exit__(ReplyCancelled, cancelled, None)
    call(limiter)


def with_first_sentence(limiter: PollyLimiter) -> AbstractContextManager[None]:
    return limiter.place(ENGINE, Urgency.FIRST_SENTENCE, time.monotonic())


def test_a_first_sentence_does_not_wait_for_redis_while_there_is_room(
    limiter_of: MakeLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = limiter_of(concurrent=4)
    call(limiter)
    monkeypatch.setattr(limiter, "_wait", lambda *_: pytest.fail("Redis was waited for"))
    with with_first_sentence(limiter):
        pass


def test_a_place_that_was_not_waited_for_is_counted(limiter_of: MakeLimiter) -> None:
    limiter, other = limiter_of(concurrent=2), limiter_of(concurrent=2)
    call(limiter)
    with with_first_sentence(limiter), with_first_sentence(other), pytest.raises(ProviderThrottledError):
        call(limiter)
    call(other)


def test_of_two_first_sentences_at_once_the_second_waits_for_its_answer(
    limiter_of: MakeLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = limiter_of(concurrent=8)
    call(limiter)
    asked: list[str] = []
    with with_first_sentence(limiter):
        monkeypatch.setattr(limiter, "_wait", lambda engine, *_: asked.append(engine))
        with with_first_sentence(limiter):
            assert asked == [ENGINE]


def test_with_less_than_half_of_the_places_free_a_first_sentence_waits_for_its_answer(
    limiter_of: MakeLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, other = limiter_of(concurrent=4), limiter_of(concurrent=4)
    asked: list[str] = []
    with ExitStack() as running:
        for _ in range(3):
            running.enter_context(other.place(ENGINE, Urgency.LATER_SENTENCE, time.monotonic()))
        call(limiter)
        monkeypatch.setattr(limiter, "_wait", lambda engine, *_: asked.append(engine))
        with with_first_sentence(limiter):
            assert asked == [ENGINE]


def test_a_cancelled_call_leaves_no_answer_for_the_next_user_of_its_connection(
    limiter_of: MakeLimiter, client: "redis.Redis"
) -> None:
    limiter = limiter_of(concurrent=4)
    call(limiter)
    with pytest.raises(ReplyCancelled), with_first_sentence(limiter):
        raise ReplyCancelled
    assert client.ping() is True
    call(limiter)


def test_a_dead_workers_place_is_free_after_its_lease(limiter_of: MakeLimiter, client: "redis.Redis") -> None:
    limiter = limiter_of(concurrent=1)
    client.zadd(f"nova:polly:{{{ENGINE}}}:running", {"dead": (time.time() + 0.05) * 1_000})
    call(limiter, wait_seconds=2)


def test_the_first_sentence_goes_before_later_ones_and_those_before_word_marks(
    limiter_of: MakeLimiter, client: "redis.Redis"
) -> None:
    limiter = limiter_of(concurrent=1)
    went: list[Urgency] = []

    def wait(urgency: Urgency) -> None:
        with limiter.place(ENGINE, urgency, time.monotonic() + 5):
            went.append(urgency)

    threads = [threading.Thread(target=wait, args=(urgency,)) for urgency in reversed(Urgency)]
    with limiter.place(ENGINE, Urgency.LATER_SENTENCE, time.monotonic()):
        for number, thread in enumerate(threads):
            thread.start()
            waiting(client, number + 1)
    for thread in threads:
        thread.join(5)
    assert went == list(Urgency)


def test_word_marks_leave_half_of_the_calls_to_speech(limiter_of: MakeLimiter) -> None:
    limiter = limiter_of(per_second=4)
    call(limiter, Urgency.WORD_MARKS)
    call(limiter, Urgency.WORD_MARKS)
    with pytest.raises(ProviderThrottledError):
        call(limiter, Urgency.WORD_MARKS)
    call(limiter, Urgency.FIRST_SENTENCE)


def test_who_stopped_asking_holds_nobody_up(limiter_of: MakeLimiter, client: "redis.Redis") -> None:
    limiter = limiter_of(per_second=1)
    client.zadd(f"nova:polly:{{{ENGINE}}}:waiting", {"gone": 1.0})
    client.zadd(f"nova:polly:{{{ENGINE}}}:asked", {"gone": 1.0})
    call(limiter)


def test_a_refusal_halves_everybodys_pace_and_stops_word_marks(limiter_of: MakeLimiter, client: "redis.Redis") -> None:
    one, other = limiter_of(), limiter_of()
    for _ in range(4):
        call(one)
    one.slow_down(ENGINE)
    one.slow_down(ENGINE)
    client.delete(f"nova:polly:{{{ENGINE}}}:starts")  # as if the second were over
    with pytest.raises(ProviderThrottledError):
        call(other, Urgency.WORD_MARKS)
    call(other)
    call(other)
    with pytest.raises(ProviderThrottledError):
        call(other)


def test_one_engines_calls_are_not_anothers(client: "redis.Redis") -> None:
    limiter = PollyLimiter(client, {ENGINE: CallLimit(1, 1), "standard": CallLimit(1, 1)})
    with ExitStack() as stack:
        for engine in (ENGINE, "standard"):
            stack.enter_context(limiter.place(engine, Urgency.LATER_SENTENCE, time.monotonic()))


def test_without_redis_calls_go_through() -> None:
    with command_client("redis://127.0.0.1:1/0") as nowhere:
        call(PollyLimiter(nowhere, {ENGINE: CallLimit(1, 1)}))
