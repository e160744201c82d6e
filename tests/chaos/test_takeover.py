"""Web processes and workers go while clients talk, and each talk goes on at another one (V1, V2, V4, V5)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house import CELERY, ROOT, TALKING, House, Process
from tests.journeys.counting import QUESTION, assert_whole, chat, script_count, see_rows, talking
from tests.journeys.returning import Returning

SERVER_RESTARTS = 1012
DRAIN_SECONDS = 7
SOCKETS = 100


@pytest.fixture(scope="module")
def house_of_two() -> Iterator[House]:
    """Two web processes and two talking workers."""
    settings = {"NOVA_FILLER_MS": "0", "NOVA_DRAIN_SECONDS": str(DRAIN_SECONDS), "NOVA_SPECULATION": "false"}
    settings["SESSIONS_MAX"] = "1000"
    with House("aws", webs=2, settings=settings) as house:
        script_count(house)
        yield house


@pytest.fixture
def pair(house_of_two: House) -> House:
    """With every process running, whatever a test has left."""
    for number, web in enumerate(house_of_two.webs):
        if '"draining"' in web.log():
            web.stop()
            web.log_path.write_text("")
        if not web.is_running():
            start_again(house_of_two, number)
    return house_of_two


@pytest.fixture
def second_talker(pair: House) -> Process:
    celery = str(Path(sys.executable).parent / "celery")
    worker = pair.add(f"talker-{time.monotonic_ns()}", [celery, *CELERY, *TALKING, "-n", "second@%h"])
    worker.wait_for_log(" ready.")
    return worker


def start_again(pair: House, web: int) -> None:
    pair.webs[web].start()
    pair.webs[web].wait_for_url(f"{pair.urls[web]}/readyz")


@pytest.mark.parametrize("heard_ms", [200, 1_500])
async def test_gw_02_a_web_process_killed_in_mid_answer_loses_nothing_of_it(pair: House, heard_ms: int) -> None:
    """Once its last word is written down. Killed within the 30 ms before that, the client is told `ahead`."""
    talk = await talking(pair)
    whole = await talk.client.ask(QUESTION)
    before = talk.client.now
    await talk.client.type_text(QUESTION)
    await talk.client.wait_heard_ms(heard_ms, after=before)
    await talk.wait_written()
    pair.webs[0].kill()
    killed_at = time.monotonic()
    await talk.wait_lost()
    resumed = await talk.resume(1)
    assert resumed.event.recovered, resumed.event.reason
    assert resumed.at - killed_at <= 8
    await talk.client.wait_for("response.done", after=before)
    assert_whole(talk, 2)
    assert whole.output[0].id != ""
    await see_rows(pair, talk, 2)
    await talk.leave()


async def test_v4_a_frozen_web_process_that_wakes_up_writes_and_says_nothing(pair: House) -> None:
    talk = await talking(pair)
    await talk.client.type_text(QUESTION)
    await talk.client.wait_heard_ms(300)
    await talk.wait_written()
    os.killpg(pair.webs[0].pid, signal.SIGSTOP)
    try:
        await talk.lose()
        resumed = await talk.resume(1)
    finally:
        os.killpg(pair.webs[0].pid, signal.SIGCONT)
    await talk.client.wait_for("response.done")
    assert resumed.event.recovered
    assert_whole(talk, 1)
    await see_rows(pair, talk, 1)
    await talk.leave()


async def test_gw_01_a_drained_web_process_loses_none_of_a_hundred_talks(pair: House) -> None:
    talks = [await talking(pair) for _ in range(SOCKETS)]
    for talk in talks[:5]:
        await talk.client.type_text(QUESTION)
    draining = await asyncio.to_thread(drain, pair, 0)
    began_at = time.monotonic()
    refused = await refused_by(pair, talks[0].secret)
    back = await asyncio.gather(*(come_back(talk, began_at) for talk in talks))
    assert await asyncio.to_thread(draining.wait, DRAIN_SECONDS) == 0
    assert pair.webs[0].is_running()
    pair.webs[0].stop()
    assert refused == SERVER_RESTARTS
    assert [talk.closes[0] for talk in talks] == [SERVER_RESTARTS] * SOCKETS
    assert all(len(talk.client.of("server.draining")) == 1 for talk in talks)
    assert max(closed for closed, _ in back) <= DRAIN_SECONDS
    assert sorted(seconds for _, seconds in back)[int(SOCKETS * 0.95)] <= 3
    for talk in talks[:5]:
        await talk.client.wait_for("response.done")
        assert_whole(talk, 1)
    assert [talk.gaps() for talk in talks] == [[]] * SOCKETS
    await asyncio.gather(*(talk.leave() for talk in talks))


def drain(pair: House, web: int) -> "subprocess.Popen[bytes]":
    """As preStop does; returns when readiness has gone."""
    environment = {**pair.environment, "PORT": str(pair.ports[web])}
    process = subprocess.Popen([sys.executable, "manage.py", "drain"], cwd=ROOT, env=environment)
    pair.webs[web].wait_for_log('"draining"')
    return process


async def refused_by(pair: House, secret: str) -> int:
    late = Returning(pair, secret)
    await late.open()
    return await late.client.wait_closed()


async def come_back(talk: Returning, began_at: float) -> tuple[float, float]:
    """Seconds until the close, and from there to the talk at the other process."""
    await talk.client.wait_closed()
    closed_at = time.monotonic()
    resumed = await talk.resume_surely(1)
    assert resumed.event.recovered, resumed.event.reason
    return closed_at - began_at, resumed.at - closed_at


async def test_gw_06_webs_and_workers_replaced_one_by_one_under_talks_fail_and_double_no_turn(
    pair: House, second_talker: Process
) -> None:
    talks = [await talking(pair, web) for web in (0, 1, 0, 1)]
    is_over = asyncio.Event()
    chatting = [asyncio.create_task(chat(talk, is_over)) for talk in talks]
    for web in (0, 1):
        draining = await asyncio.to_thread(drain, pair, web)
        assert await asyncio.to_thread(draining.wait, DRAIN_SECONDS + 5) == 0
        await asyncio.to_thread(pair.webs[web].stop)
        await asyncio.to_thread(start_again, pair, web)
    await asyncio.to_thread(pair.talker.stop)
    assert "worker_stopping" in pair.talker.log()
    assert "task_cut_by_stop" not in pair.talker.log()
    pair.talker.start()
    is_over.set()
    answers = await asyncio.gather(*chatting)
    for talk, count in zip(talks, answers, strict=True):
        assert_whole(talk, count)
        assert len(talk.closes) <= 2
        await see_rows(pair, talk, count)
        await talk.leave()
