"""Every entry of the image, as a container: they serve a turn, answer their probes, and end when they are told to."""

import asyncio
import os
import signal
import time
from collections.abc import Callable

import pytest

from sessions.management.proving_question import QUESTIONS
from tests.deployment.containers import Container, ContainerHouse, run_once
from tests.deployment.seen_turn import seen_and_spoken
from tests.journeys.sounds import rms

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(900)]

WAIT_SECONDS = 30.0
ALL = ("web", "talker", "seer")
WORKERS = ("talker", "seer")


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not is_true():
        assert time.monotonic() < deadline, f"waited {WAIT_SECONDS:.0f} s for {what}"
        time.sleep(0.1)


def is_well(container: Container, *options: str) -> bool:
    return container.execute("nova", "health", *options).returncode == 0


def test_a_spoken_turn_with_a_picture_goes_through_containers(containers: ContainerHouse) -> None:
    turn = asyncio.run(seen_and_spoken(containers))
    assert rms(turn.sound) > 0.05
    assert turn.said == "A grey wall."
    assert len(turn.pictures) == 1


@pytest.mark.parametrize("name", ALL)
def test_a_container_is_well_by_the_images_own_check(containers: ContainerHouse, name: str) -> None:
    container = containers.containers[name]
    assert container.execute("nova", "health").returncode == 0
    assert container.execute("nova", "health", "--live").returncode == 0


@pytest.mark.parametrize("name", ALL)
def test_a_container_runs_as_its_user_without_any_capability(containers: ContainerHouse, name: str) -> None:
    status = containers.containers[name].status()
    assert status["Uid"].split() == ["10001"] * 4
    assert status["Gid"].split() == ["10001"] * 4
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"


@pytest.mark.parametrize("folder", ["/", "/app", "/opt/nova", "/etc", "/var/tmp"])
def test_a_container_can_write_nowhere_but_in_tmp(containers: ContainerHouse, folder: str) -> None:
    web = containers.containers["web"]
    assert web.execute("touch", f"{folder}/written").returncode != 0
    assert web.execute("touch", "/tmp/written").returncode == 0


def test_what_a_container_writes_in_tmp_is_little(containers: ContainerHouse) -> None:
    used = [int(containers.containers[name].execute("du", "-sb", "/tmp").stdout.split()[0]) for name in ALL]
    assert max(used) < 16 * 1024 * 1024


def test_op_04_a_read_only_root_leaves_no_complaint_in_a_log(containers: ContainerHouse) -> None:
    logs = "".join(containers.containers[name].log() for name in ALL)
    assert "Read-only file system" not in logs
    assert "Permission denied" not in logs


def test_housekeeping_runs_once_and_ends(containers: ContainerHouse) -> None:
    done = run_once(containers.command("housekeeping"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.endswith(": done")] == [
        "reap: done",
        "clearsessions: done",
    ]


def test_the_proof_on_aws_needs_nothing_that_the_image_leaves_out(containers: ContainerHouse) -> None:
    """On a Redis database of its own, as the image has no server."""
    containers.aws.reset()
    containers.aws.script(texts=[QUESTIONS["en"].text], bedrock=[{"text": "The circle is red."}])
    own_redis = containers.redis_url.removesuffix("/0") + "/15"
    done = run_once(containers.command("manage", "prove_on_aws", "--redis-url", own_redis))
    assert done.returncode == 0, done.stdout + done.stderr


def test_op_02_production_settings_have_no_issue(containers: ContainerHouse) -> None:
    settings = {"NOVA_PUBLIC_URL": "https://talk.example.org", "DJANGO_ALLOWED_HOSTS": "talk.example.org"}
    done = run_once(containers.command("manage", "check", "--deploy", **settings))
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout + done.stderr


def test_a_wrong_setting_ends_a_container_with_one_line(containers: ContainerHouse) -> None:
    done = run_once(containers.command("web", DATABASE_URL="nonsense"))
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("cannot start: DATABASE_URL: must start with one of")


def test_sigterm_in_the_middle_of_a_start_ends_a_container_at_once(containers: ContainerHouse) -> None:
    """Process 1 gets no signal it has not asked for; Python asks late."""
    container = containers.contain("starting", "worker", "reply")
    wait_until(lambda: container.first_pid > 0, "process 1")
    wait_until(lambda: _has_child(container), "the process below it")
    assert container.end(seconds=5) == 128 + signal.SIGTERM


def _has_child(container: Container) -> bool:
    try:
        return container.main_pid > 0
    except (ValueError, OSError):
        return False


def test_workers_without_redis_live_but_are_not_ready_until_it_is_back(containers: ContainerHouse) -> None:
    workers = [containers.containers[name] for name in WORKERS]
    containers.redis_process.stop()
    try:
        wait_until(lambda: not any(is_well(worker) for worker in workers), "workers to say that they are not ready")
        assert all(is_well(worker, "--live") for worker in workers)
        assert is_well(containers.containers["web"], "--live")
        wait_until(lambda: not is_well(containers.containers["web"]), "the web process to say that it is not ready")
    finally:
        containers.start_redis()
    wait_until(lambda: all(is_well(containers.containers[name]) for name in ALL), "everything to be ready again")


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_whose_loop_stands_still_is_found_and_forgiven(containers: ContainerHouse, name: str) -> None:
    """Its file is made old instead of waiting for that: nothing but the loop renews it."""
    worker = containers.containers[name]
    os.kill(worker.main_pid, signal.SIGSTOP)
    try:
        worker.execute("sh", "-c", "echo 'ready 1.0' > /tmp/nova-worker.beat")
        stopped = worker.execute("nova", "health", "worker", "--live")
    finally:
        os.kill(worker.main_pid, signal.SIGCONT)
    assert stopped.returncode == 1
    assert stopped.stdout.startswith("the worker's loop has not turned for")
    wait_until(lambda: is_well(worker, "--live"), "the worker to turn again")


def test_a_drained_web_process_lives_on_and_gets_no_more_traffic(containers: ContainerHouse) -> None:
    """As Kubernetes does it: preStop in the container, while the load balancer looks at /readyz."""
    web = containers.containers["web"]
    drained = web.execute("nova", "drain")
    assert drained.returncode == 0, drained.stderr
    assert "1 of 1 web processes have drained" in drained.stdout
    ready = web.execute("nova", "health", "web")
    assert ready.returncode == 1
    assert "draining" in ready.stdout
    assert is_well(web, "--live")


def test_sigterm_ends_every_container_in_peace(containers: ContainerHouse) -> None:
    """The last test of the file: afterwards the house is empty; the web process has been drained before."""
    codes = {name: containers.containers[name].end() for name in ALL}
    assert codes == dict.fromkeys(ALL, 0)
