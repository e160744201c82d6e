"""A task whose reply is cancelled, or whose worker stops, at the worst moment: it ends quietly and does no work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import gevent
import pytest

from tests.unit.written_reply import ADDRESS, ScriptedModel, Written
from workers.beats import Beats
from workers.cancellation import Cancellations
from workers.errors import ReplyCancelled
from workers.language_model.contract import ModelOptions
from workers.opening_speech import Meetings
from workers.rehearsal import Rehearsal
from workers.stopping import Stopping, WorkerStoppingError
from workers.streams.codec import to_json
from workers.streams.messages import ReplyRequest, SpeechRequest
from workers.text_to_speech.contract import VoiceOptions
from workers.transcript_table import TranscriptTable
from workers.work import TalkingWork

REPLY = ReplyRequest(ADDRESS, "Be brief.", (), ModelOptions("model"))
SPEECH = SpeechRequest(ADDRESS, 0, "Here it is.", VoiceOptions("Ruth", "generative", "en-US"))
WAIT_SECONDS = 5.0


@dataclass
class CancelledAsItIsTaken:
    """The request arrives, and the cancellation with it: the task's greenlet runs on before anything is thrown."""

    cancellations: Cancellations
    body: bytes

    def take(self, key: str, wait_seconds: float, is_given_up: Callable[[], bool] = lambda: False) -> bytes:
        self.cancellations.cancel(ADDRESS.reply_id)
        return self.body


def talking_work(body: bytes, written: Written) -> TalkingWork:
    cancellations = Cancellations()
    writer, model = cast(Any, written), ScriptedModel()
    return TalkingWork(
        client=cast(Any, None),
        handover=cast(Any, CancelledAsItIsTaken(cancellations, body)),
        meetings=Meetings(),
        writer=writer,
        cancellations=cancellations,
        transcripts=TranscriptTable(),
        beats=Beats(writer),
        stopping=Stopping(cancellations, limit_seconds=1.0),
        hand_back=pytest.fail,
        model=model,
        speech=cast(Any, None),
        model_rehearsal=Rehearsal(model),
        speech_rehearsal=Rehearsal(None),
        run_tool=lambda name, arguments: pytest.fail("no tool was asked for"),
    )


@pytest.mark.parametrize(
    ("body", "run"),
    [
        pytest.param(REPLY, lambda work: work.generate_reply(ADDRESS.reply_id), id="reply"),
        pytest.param(SPEECH, lambda work: work.synthesize_speech(ADDRESS.reply_id, 0), id="speech"),
    ],
)
def test_a_task_that_is_cancelled_in_the_moment_its_request_comes_ends_quietly(
    body: ReplyRequest | SpeechRequest, run: Callable[[TalkingWork], None]
) -> None:
    written = Written()
    work = talking_work(to_json(body), written)
    gevent.spawn(run, work).get(timeout=WAIT_SECONDS)
    assert written.entries == []
    assert cast(ScriptedModel, work.model).requests == []


@pytest.mark.parametrize(
    ("end", "error"),
    [
        pytest.param(lambda calls: calls.cancel("reply"), ReplyCancelled, id="cancelled"),
        pytest.param(lambda calls: calls.end_all(lambda: WorkerStoppingError("over")), WorkerStoppingError, id="stop"),
    ],
)
def test_only_a_task_that_is_still_watched_is_ended(
    end: Callable[[Cancellations], object], error: type[Exception]
) -> None:
    calls, ends = Cancellations(), []

    def waits() -> None:
        with pytest.raises(error), calls.watched("reply"):
            gevent.sleep(WAIT_SECONDS)
        ends.append("thrown")

    def leaves_as_it_is_ended() -> None:
        with calls.watched("reply"):
            end(calls)
        waiting.join(WAIT_SECONDS)
        ends.append("left")

    waiting = gevent.spawn(waits)
    gevent.sleep(0)
    leaving = gevent.spawn(leaves_as_it_is_ended)
    gevent.joinall([waiting, leaving], timeout=WAIT_SECONDS, raise_error=True)
    assert ends == ["thrown", "left"]
