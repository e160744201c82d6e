"""The talking worker is frozen in mid-answer: alive for the kernel, lost for the client."""

import os
import signal

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

ROUNDS = 3


@pytest.mark.parametrize("round_number", range(ROUNDS))
async def test_a_frozen_worker_is_told_and_its_late_output_is_never_heard(house: House, round_number: int) -> None:
    script_answers(house)

    def tell_worker(number: signal.Signals) -> None:
        os.killpg(house.talker.pid, number)

    async with connect(house) as client:
        await begin_story(client)
        try:
            fault = await strike(client, lambda: tell_worker(signal.SIGSTOP))
            told_after_seconds = await hear_of_fault(client, fault)
        finally:
            tell_worker(signal.SIGCONT)
        thawed = await strike(client, lambda: None)
        answered = await ask_again(client)
        sounds = client.of("response.output_audio.delta", thawed.position)
    print(f"told after {told_after_seconds:.2f} s, next turn completed {answered.at - thawed.at:.2f} s after the thaw")
    assert told_after_seconds <= EVENT_SECONDS
    assert {sound.event.response_id for sound in sounds} == {answered.event.response.id}
    assert spoken(answered.event) == ANSWER
    assert answered.at - thawed.at <= NEXT_TURN_SECONDS
