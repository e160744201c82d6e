"""Redis is killed in mid-answer and comes back three seconds later on the same port, empty."""

import asyncio

import pytest

from tests.chaos.conversation import (
    ANSWER,
    EVENT_SECONDS,
    NEXT_TURN_SECONDS,
    Fault,
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
AWAY_SECONDS = 3.0


async def bring_back(house: House, fault: Fault) -> None:
    """The outage itself has a length: AWAY_SECONDS from the fault."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(fault.at + AWAY_SECONDS - loop.time())
    await asyncio.to_thread(house.start_redis)


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_redis_away_in_mid_answer_is_told_and_the_next_turn_is_answered(house: House, round_number: int) -> None:
    script_answers(house)
    async with connect(house) as client:
        await begin_story(client)
        fault = await strike(client, house.redis_process.kill)
        returning = asyncio.create_task(bring_back(house, fault))
        try:
            told_after_seconds = await hear_of_fault(client, fault)
            answered = await ask_again(client)
        finally:
            await returning
    answered_after_seconds = answered.at - fault.at
    print(f"told after {told_after_seconds:.2f} s, next turn completed after {answered_after_seconds:.2f} s")
    assert told_after_seconds <= EVENT_SECONDS
    assert answered.event.response.status == "completed"
    assert spoken(answered.event) == ANSWER
    assert answered_after_seconds <= NEXT_TURN_SECONDS
