"""The reply task that is published while the user still speaks."""

from sessions.live.prepared_reply import USABLE_MS, PreparedReply
from tests.unit.reply_scene import Desk


class PreparingDesk(Desk):
    def __init__(self) -> None:
        super().__init__()
        self.prepared: list[str] = []

    def prepare_reply(self, reply_id: str) -> None:
        self.prepared.append(reply_id)


def test_many_partials_prepare_one_reply() -> None:
    desk = PreparingDesk()
    prepared = PreparedReply(desk)
    for now_ms in range(0, 5_000, 200):
        prepared.prepare(now_ms)
    reply_id = prepared.take(5_000)
    assert desk.prepared == [f"{reply_id}.0"]


def test_a_taken_reply_is_not_given_twice() -> None:
    prepared = PreparedReply(PreparingDesk())
    prepared.prepare(0)
    assert prepared.take(100) is not None
    assert prepared.take(100) is None


def test_one_that_may_have_stopped_waiting_is_not_used_and_is_replaced() -> None:
    desk = PreparingDesk()
    prepared = PreparedReply(desk)
    prepared.prepare(0)
    prepared.prepare(USABLE_MS)
    assert len(desk.prepared) == 2
    assert prepared.take(USABLE_MS * 2) is None


def test_an_ended_session_calls_its_waiting_task_off() -> None:
    desk = PreparingDesk()
    prepared = PreparedReply(desk)
    prepared.prepare(0)
    prepared.call_off("sess", 1)
    prepared.call_off("sess", 1)
    assert desk.interrupted == desk.prepared
