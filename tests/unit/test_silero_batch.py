"""The voice model in batches: the same answers as one by one, each stream its own, a failure told to all."""

import asyncio

import numpy as np
import pytest

from sessions.live.silero_batch import LARGEST_BATCH, SileroBatch, judge_together
from sessions.live.silero_model import INPUT_SAMPLES, Floats, SileroModel, VoiceModelFailedError, new_state
from tests.local_speech import speech


@pytest.fixture(scope="module")
def model() -> SileroModel:
    return SileroModel()


def windows(text: str, count: int) -> list[Floats]:
    samples = np.frombuffer(speech(text, 16_000), "<i2").astype(np.float32) / np.float32(32_768)
    return [samples[at : at + INPUT_SAMPLES] for at in range(0, count * 512, 512)]


class Recording:
    """A model that notes the size of each batch; its probability is the window's first sample."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]:
        self.sizes.append(len(windows))
        return windows[:, 0].tolist(), states + 1


class Broken:
    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]:
        raise VoiceModelFailedError("no memory")


class Misbuilt:
    def run(self, windows: Floats, states: Floats) -> tuple[list[float], Floats]:
        raise KeyError("a fault of our own")


def test_a_batch_gives_the_probabilities_and_states_that_each_stream_has_alone(model: SileroModel) -> None:
    requests = [
        (windows("Hello there, my friend.", 12), new_state()),
        (windows("What time is it today?", 5), new_state()),
        ([np.zeros(INPUT_SAMPLES, np.float32)] * 8, new_state()),
    ]
    alone = [judge_together(model, [request])[0] for request in requests]
    for single, together in zip(alone, judge_together(model, requests), strict=True):
        assert together.probabilities == pytest.approx(single.probabilities, abs=1e-5)
        np.testing.assert_allclose(together.state, single.state, atol=1e-4)
    assert max(alone[0].probabilities) > 0.9


def test_the_model_runs_the_same_way_twice(model: SileroModel) -> None:
    request = (windows("Good morning.", 12), new_state())
    assert judge_together(model, [request])[0].probabilities == judge_together(model, [request])[0].probabilities


async def test_streams_that_ask_in_one_tick_of_the_loop_are_one_batch() -> None:
    recording = Recording()
    batch = SileroBatch(recording)
    sounds = [np.full(INPUT_SAMPLES, number, np.float32) for number in range(5)]
    answers = await asyncio.gather(*(batch.judge([sound], new_state()) for sound in sounds))
    assert recording.sizes == [5]
    assert [answer.probabilities for answer in answers] == [[0.0], [1.0], [2.0], [3.0], [4.0]]


async def test_more_streams_than_the_largest_batch_are_judged_in_several() -> None:
    recording = Recording()
    batch = SileroBatch(recording)
    window = np.zeros(INPUT_SAMPLES, np.float32)
    await asyncio.gather(*(batch.judge([window], new_state()) for _ in range(LARGEST_BATCH * 2 + 3)))
    assert recording.sizes == [LARGEST_BATCH, LARGEST_BATCH, 3]


async def test_a_stream_that_has_left_is_not_judged() -> None:
    recording = Recording()
    batch = SileroBatch(recording)
    window = np.zeros(INPUT_SAMPLES, np.float32)
    leaving, staying = (asyncio.ensure_future(batch.judge([window], new_state())) for _ in range(2))
    asyncio.get_running_loop().call_soon(leaving.cancel)
    assert (await staying).probabilities == [0.0]
    assert leaving.cancelled()
    assert recording.sizes == [1]


async def test_a_failing_model_is_told_to_every_stream_and_the_next_question_is_asked_again() -> None:
    batch = SileroBatch(Broken())
    window = np.zeros(INPUT_SAMPLES, np.float32)
    answers = await asyncio.gather(*(batch.judge([window], new_state()) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [VoiceModelFailedError] * 3
    with pytest.raises(VoiceModelFailedError):
        await batch.judge([window], new_state())


async def test_a_fault_of_our_own_leaves_no_stream_waiting_and_is_not_hidden() -> None:
    hidden: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: hidden.append(context["exception"]))
    with pytest.raises(VoiceModelFailedError):
        await SileroBatch(Misbuilt()).judge([np.zeros(INPUT_SAMPLES, np.float32)], new_state())
    assert [type(error) for error in hidden] == [KeyError]


def test_an_error_of_the_native_model_is_named_as_ours(model: SileroModel) -> None:
    wrong_shape = np.zeros((2, 1, 7), np.float32)
    with pytest.raises(VoiceModelFailedError, match=r"InvalidArgument|Fail"):
        model.run(np.zeros((1, INPUT_SAMPLES), np.float32), wrong_shape)
