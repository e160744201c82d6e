"""What the eyes may spend: less and less is seen before nothing is, and the service's count corrects the estimate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.vision.budget import MAX_OPEN_REQUESTS, VisionBudget, VisionLimits

MINUTE = 60_000


def steps(budget: VisionBudget, tokens: int, times: int) -> list[str]:
    found: list[str] = []
    for number in range(times):
        budget.expect(f"r{number}", tokens, 0, 0)
        budget.settle(f"r{number}", None)
        found.append(budget.plan(0).step)
    return found


def test_a_session_sees_less_in_steps_before_it_sees_nothing() -> None:
    budget = VisionBudget(VisionLimits(tokens_per_session=1_000))
    seen = steps(budget, 100, 10)
    assert seen == ["full"] * 4 + ["slower"] * 2 + ["fewer"] * 2 + ["mosaic", "none"]


def test_each_step_looks_at_longer_intervals() -> None:
    budget = VisionBudget(VisionLimits(tokens_per_session=1_000))
    factors = [budget.plan(0).interval_factor]
    for number in range(10):
        budget.expect(str(number), 100, 0, 0)
        factors.append(budget.plan(0).interval_factor)
    assert factors == sorted(factors)
    assert factors[0] == 1


def test_a_minutes_limit_is_over_when_the_minute_is() -> None:
    budget = VisionBudget(VisionLimits(tokens_per_minute=1_000))
    steps(budget, 500, 2)
    assert budget.plan(MINUTE - 1).step == "none"
    assert budget.plan(MINUTE).step == "full"
    assert budget.tokens_used == 1_000


def test_money_is_a_limit_where_a_price_is_known() -> None:
    limits = VisionLimits(usd_per_session=0.001)
    assert VisionBudget(limits).plan(0).step == "full"
    priced = VisionBudget(limits, usd_per_million_tokens=0.8)
    steps(priced, 1_250, 1)
    assert priced.usd_used == pytest.approx(0.001)
    assert priced.plan(0).step == "none"


def test_without_limits_everything_is_seen() -> None:
    assert steps(VisionBudget(VisionLimits()), 10_000_000, 3) == ["full"] * 3


def test_a_limit_of_nothing_lets_nothing_be_seen() -> None:
    assert VisionBudget(VisionLimits(tokens_per_minute=0)).plan(0).step == "none"


def test_what_is_still_open_counts_and_what_never_left_does_not() -> None:
    budget = VisionBudget(VisionLimits(tokens_per_session=1_000))
    budget.expect("r", 1_000, 0, 0)
    assert budget.plan(0).step == "none"
    budget.drop("r")
    assert (budget.plan(0).step, budget.tokens_used) == ("full", 0)


def test_it_can_be_asked_whether_a_picture_more_is_affordable() -> None:
    budget = VisionBudget(VisionLimits(tokens_per_session=1_000))
    assert budget.affords(1_000, 0)
    assert not budget.affords(1_001, 0)


def test_the_services_count_replaces_the_estimate_and_teaches_the_next_one() -> None:
    budget = VisionBudget(VisionLimits())
    for number in range(30):
        budget.expect(str(number), 800, 100, 0)
        budget.settle(str(number), 1_300)  # 1,200 for the pictures
    assert budget.tokens_used == 30 * 1_200
    assert budget.picture_factor == pytest.approx(1.5, rel=0.01)


def test_a_reply_without_pictures_teaches_what_the_estimate_of_text_is_worth() -> None:
    budget = VisionBudget(VisionLimits())
    for number in range(30):
        budget.expect(f"text{number}", 0, 100, 0)
        budget.settle(f"text{number}", 200)
    budget.expect("seen", 800, 100, 0)
    budget.settle("seen", 1_000)
    assert budget.tokens_used == pytest.approx(800, abs=2)


def test_a_flat_rate_stands_whatever_the_usage_shows() -> None:
    budget = VisionBudget(VisionLimits(), is_flat_rate=True)
    budget.expect("r", 230, 100, 0)
    budget.settle("r", 2_700)
    assert budget.tokens_used == 230


def test_an_absurd_count_is_held_within_what_a_wrong_table_can_explain() -> None:
    budget = VisionBudget(VisionLimits())
    budget.expect("r", 1_000, 100, 0)
    budget.settle("r", 10_000_000)
    assert budget.tokens_used == 4_000
    budget.expect("s", 1_000, 100_000, 0)
    budget.settle("s", 5)
    assert budget.tokens_used < 6_000


def test_a_second_attempt_under_the_same_id_is_paid_too() -> None:
    budget = VisionBudget(VisionLimits())
    budget.expect("r", 100, 0, 0)
    budget.expect("r", 100, 0, 0)
    budget.settle("r", None)
    assert budget.tokens_used == 200


def test_requests_that_nobody_settles_are_bounded_and_counted() -> None:
    budget = VisionBudget(VisionLimits())
    for number in range(MAX_OPEN_REQUESTS * 3):
        budget.expect(str(number), 10, 0, 0)
    assert budget.tokens_used == MAX_OPEN_REQUESTS * 30
    budget.settle("0", 1_000_000)
    assert budget.tokens_used == MAX_OPEN_REQUESTS * 30


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["expect", "settle", "lost", "drop"]),
            st.integers(0, 5),
            st.integers(0, 5_000),
            st.integers(0, 30_000),
        )
    )
)
def test_what_was_used_is_never_negative_and_the_step_follows_the_share(
    events: list[tuple[str, int, int, int]],
) -> None:
    budget, now_ms = VisionBudget(VisionLimits(4_000, 20_000)), 0
    for event, reply, tokens, after_ms in events:
        now_ms += after_ms
        if event == "expect":
            budget.expect(str(reply), tokens, 10, now_ms)
        elif event == "drop":
            budget.drop(str(reply))
        else:
            budget.settle(str(reply), tokens if event == "settle" else None)
        plan = budget.plan(now_ms)
        assert budget.tokens_used >= 0
        assert (plan.step == "none") == (plan.share_used >= 1)
