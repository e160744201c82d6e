"""A rolling update by the chart's own commands, probes, hooks and grace, behind nginx, under talks that go on (GW-06)."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.deployment.chart import Chart
from tests.deployment.nginx import need_nginx
from tests.deployment.pod_process import Ending, Look
from tests.deployment.rolled_house import REPLICAS, RolledHouse
from tests.deployment.seen_turn import seen_and_spoken
from tests.journeys.client import tell_script
from tests.journeys.counting import assert_whole, chat, script_count, see_rows, talking
from tests.journeys.returning import Returning
from tests.journeys.sounds import rms
from tests.postgres import fresh_database

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(300)]

TALKS = 4
PAUSE_SECONDS = 1.0
"""Between an answer and the next question, where a talk may move on: the rest of the answer has been played by then."""
MS_PER_CHARACTER = 20
SERVER_RESTARTS = 1012
LEAVING = Look(is_ready=False, is_alive=True)
SERVING = Look(is_ready=True, is_alive=True)


@dataclass(frozen=True, slots=True)
class Update:
    """What an update has left: the talks that went on during it with their finished turns, and how each pod went."""

    talks: list[Returning]
    answers: list[int]
    endings: dict[str, list[Ending]]


@pytest.fixture(scope="module")
def house(chart: Chart, postgres_url: str) -> Iterator[RolledHouse]:
    need_nginx()
    with RolledHouse(chart, fresh_database(postgres_url)) as house:
        yield house


@pytest.fixture(scope="module")
def update(house: RolledHouse) -> Update:
    return asyncio.run(_update_under_talks(house))


async def _update_under_talks(house: RolledHouse) -> Update:
    await asyncio.to_thread(script_count, house)
    await tell_script(house, defaults={"polly": {"ms_per_character": MS_PER_CHARACTER}})
    talks = [await talking(house) for _ in range(TALKS)]
    is_over = asyncio.Event()
    chatting = [asyncio.create_task(chat(talk, is_over, PAUSE_SECONDS)) for talk in talks]
    endings = {component: await asyncio.to_thread(house.roll, component) for component in REPLICAS}
    is_over.set()
    answers = await asyncio.gather(*chatting)
    for talk, count in zip(talks, answers, strict=True):
        await see_rows(house, talk, count)
        await talk.leave()
    return Update(talks, answers, endings)


def test_no_finished_turn_is_lost_or_doubled(update: Update) -> None:
    """On the wire here; in the rows before the talks ended."""
    for talk, count in zip(update.talks, update.answers, strict=True):
        assert_whole(talk, count)
    assert min(update.answers) >= len(REPLICAS)


def test_no_session_is_lost_though_every_client_had_to_move(update: Update) -> None:
    for talk in update.talks:
        resumed = talk.client.of("nova.resumed")
        assert [heard.event.recovered for heard in resumed] == [True] * len(resumed)
        *moves, _own_end = talk.closes
        assert moves == [SERVER_RESTARTS] * len(resumed)
        assert len(resumed) >= 1
        assert {heard.event.session_id for heard in talk.client.of("nova.session")} == {talk.session_id}


def test_what_a_session_has_spent_is_not_forgotten_when_it_moves(update: Update) -> None:
    for talk in update.talks:
        spent = [heard.event.usage.session_cost_usd for heard in talk.client.of("nova.metrics")]
        assert len(spent) >= len(REPLICAS)
        assert spent == sorted(spent)


def test_every_process_ends_by_itself_within_its_grace(update: Update) -> None:
    gone = [ending for endings in update.endings.values() for ending in endings]
    assert len(gone) == sum(REPLICAS.values())
    assert [(ending.pod, ending.exit_code) for ending in gone if ending.was_killed or ending.exit_code != 0] == []
    assert all(ending.seconds < ending.grace_seconds for ending in gone), gone


def test_the_hook_of_a_web_pod_returns_before_the_grace_makes_it(update: Update) -> None:
    assert [ending.hook_code for ending in update.endings["web"]] == [0] * REPLICAS["web"]
    assert [ending.hook_code for ending in update.endings["talking"] + update.endings["seeing"]] == [None, None]


@pytest.mark.parametrize("component", ["web", "talking"])
def test_a_leaving_pod_is_no_longer_ready_while_it_lives(update: Update, component: str) -> None:
    """Once it has heard of it; and it never becomes ready again."""
    for ending in update.endings[component]:
        first = ending.looks.index(LEAVING)
        assert ending.looks == [SERVING] * first + [LEAVING] * (len(ending.looks) - first)


def test_what_has_come_hears_sees_and_speaks(house: RolledHouse, update: Update) -> None:
    house.aws.reset()
    turn = asyncio.run(seen_and_spoken(house))
    assert turn.said == "A grey wall."
    assert rms(turn.sound) > 0.05
    assert len(turn.pictures) == 1
