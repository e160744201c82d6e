"""The circuit breaker on a clock of numbers: three failures in a row, thirty seconds of rest, one trial."""

from workers.language_model.model_breaker import ModelBreaker


def failed(times: int, model_id: str = "m") -> ModelBreaker:
    breaker = ModelBreaker()
    for second in range(times):
        breaker.failed(model_id, second)
    return breaker


def test_two_failures_leave_it_closed_and_the_third_opens_it() -> None:
    assert failed(2).allows("m", 2)
    assert not failed(3).allows("m", 3)


def test_a_success_in_between_forgets_the_failures() -> None:
    breaker = failed(2)
    breaker.succeeded("m")
    breaker.failed("m", 3)
    assert breaker.allows("m", 3)


def test_after_thirty_seconds_one_trial_is_let_through_and_the_next_thirty_later() -> None:
    breaker = failed(3)
    assert [breaker.allows("m", at) for at in (31.9, 32, 32, 61.9, 62)] == [False, True, False, False, True]


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_does_not() -> None:
    breaker = failed(3)
    assert breaker.allows("m", 40)
    breaker.failed("m", 41)
    assert not breaker.allows("m", 70)
    assert breaker.allows("m", 71)
    breaker.succeeded("m")
    assert [breaker.allows("m", 72), breaker.allows("m", 72)] == [True, True]


def test_each_model_has_a_circuit_of_its_own() -> None:
    assert failed(3).allows("other", 3)


def test_only_the_failure_that_opens_it_says_so() -> None:
    breaker = ModelBreaker()
    assert [breaker.failed("m", at) for at in range(4)] == [False, False, True, False]
