"""The talking worker dies in mid-answer and is started again at once, as the supervisor of `make run` does."""

import pytest

from tests.chaos.conversation import (
    ANSWER,
    EVENT_SECONDS,
    NEXT_TURN_SECONDS,
    ask_again,
    begin_story,
    hear_of_fault,
    script_answers,
    spoken,
    strike,
)
from tests.house import House
from tests.journeys.client import connect

ROUNDS = 10


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_a_worker_killed_in_mid_answer_is_told_and_the_next_turn_is_answered(
    house: House, round_number: int
) -> None:
    script_answers(house)

    def kill_and_start_again() -> None:
        house.talker.kill()
        house.talker.start()

    async with connect(house) as client:
        await begin_story(client)
        fault = await strike(client, kill_and_start_again)
        told_after_seconds = await hear_of_fault(client, fault)
        answered = await ask_again(client)
    answered_after_seconds = answered.at - fault.at
    print(f"told after {told_after_seconds:.2f} s, next turn completed after {answered_after_seconds:.2f} s")
    assert told_after_seconds <= EVENT_SECONDS
    assert answered.event.response.status == "completed"
    assert spoken(answered.event) == ANSWER
    assert answered_after_seconds <= NEXT_TURN_SECONDS
