#!/usr/bin/env -S python3 -P
"""The one entry of the image: becomes the process that is asked for, and imports nothing but the standard library.

Run by path (`python -P nova_site/entry.py web`, in the image `nova web`): as a module it would load Celery and the whole
environment for every health probe. It ends in an exec, so that signals reach the process itself.
"""

import argparse
import http.client
import os
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
CELERY = str(Path(sys.executable).parent / "celery")
CELERY_OPTIONS = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
TALKING_QUEUES = ("reply", "speech")
SEEING_QUEUES = ("vision",)
TALKING_SLOTS = 200
SEEING_SLOTS = 2

BEAT_FILE = "NOVA_WORKER_BEAT_FILE"
DEFAULT_BEAT_FILE = "/tmp/nova-worker.beat"  # noqa: S108 - the only writable folder of the image
READY_LIMIT_SECONDS = 10.0
LIVE_LIMIT_SECONDS = 30.0
PROBE_LIMIT_SECONDS = 4.0
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - recognised, not bound to

MANAGED = {
    "web": ["serve"],
    "migrate": ["migrate", "--noinput"],
    "housekeeping": ["housekeeping"],
    "drain": ["drain"],
}


def main(arguments: list[str]) -> NoReturn:
    wish = command_line().parse_args(arguments)
    if wish.command == "health":
        sys.exit(health(wish.of, is_live_enough=wish.live))
    if wish.command == "worker":
        os.environ.setdefault(BEAT_FILE, DEFAULT_BEAT_FILE)
        become(worker_command(wish.queues, wish.slots))
    become(_managed(wish.arguments if wish.command == "manage" else MANAGED[wish.command]))


def become(command: list[str]) -> NoReturn:
    os.chdir(ROOT)
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - the whole purpose


def command_line() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nova", description="Become one of the processes of Nova Realtime.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("web", help="HTTP and websockets on HOST and PORT")
    worker = commands.add_parser("worker", help="answers and speech (reply, speech), or pictures (vision)")
    worker.add_argument("queues", nargs="+", choices=(*TALKING_QUEUES, *SEEING_QUEUES))
    worker.add_argument("--slots", type=int, help=f"tasks at once ({TALKING_SLOTS}; for vision {SEEING_SLOTS})")
    commands.add_parser("migrate", help="bring the database to this version, and end")
    commands.add_parser(
        "drain", help="tell the web process of this machine to take nothing new; returns when it is empty"
    )
    commands.add_parser("housekeeping", help="end idle sessions and remove what is too old, once")
    health_check = commands.add_parser("health", help="exit code 0 when the process of this container is well")
    health_check.add_argument("of", nargs="?", choices=("web", "worker"), help="found out when it is not said")
    health_check.add_argument("--live", action="store_true", help="only whether it lives, not whether it may get work")
    manage = commands.add_parser("manage", help="any command of manage.py", prefix_chars="\0", add_help=False)
    manage.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _managed(arguments: list[str]) -> list[str]:
    return [PYTHON, str(ROOT / "manage.py"), *arguments]


def worker_command(queues: list[str], slots: int | None) -> list[str]:
    """Celery's own command: only started by it does the gevent pool patch the sockets before they are used."""
    is_seeing = "vision" in queues
    if is_seeing and len(set(queues)) > 1:
        raise SystemExit("nova worker: vision needs a worker of its own, apart from reply and speech")
    pool, name, usual = ("prefork", "seeing", SEEING_SLOTS) if is_seeing else ("gevent", "talking", TALKING_SLOTS)
    concurrency = usual if slots is None else slots
    if concurrency < 1:
        raise SystemExit("nova worker: --slots must be 1 or more")
    # The banner would show settings in a form that is no log line.
    celery = [PYTHON, CELERY, "--quiet", "-A", "nova_site", "worker", *CELERY_OPTIONS]
    return [
        *celery,
        *("--pool", pool, "--concurrency", str(concurrency)),
        *("--queues", ",".join(dict.fromkeys(queues)), "-n", f"{name}@%h"),
    ]


def health(of: str | None, is_live_enough: bool) -> int:
    """Prints one line that says why not. Asks only the process beside it: never Redis, a database or AWS."""
    beat_file = Path(os.environ.get(BEAT_FILE) or DEFAULT_BEAT_FILE)
    is_worker = of == "worker" or (of is None and beat_file.exists())
    fault = _worker_fault(beat_file, is_live_enough) if is_worker else _web_fault(is_live_enough)
    if fault is not None:
        print(fault)  # noqa: T201 - a probe's output is what the kubelet shows
    return 0 if fault is None else 1


def _worker_fault(beat_file: Path, is_live_enough: bool) -> str | None:
    """The file is `<state> <monotonic seconds>`, written by workers/worker_beat.py; the clock is the machine's."""
    try:
        state, _, beaten_at = beat_file.read_text().partition(" ")
        age_seconds = time.monotonic() - float(beaten_at)
    except (OSError, ValueError) as error:
        return f"no worker has written {beat_file}: {error}"
    limit_seconds = LIVE_LIMIT_SECONDS if is_live_enough else READY_LIMIT_SECONDS
    if age_seconds > limit_seconds:
        return f"the worker's loop has not turned for {age_seconds:.0f} s"
    if state != "ready" and not is_live_enough:
        return f"the worker is {state}"
    return None


def _web_fault(is_live_enough: bool) -> str | None:
    host, port = os.environ.get("HOST", ""), int(os.environ.get("PORT") or 8000)
    path = "/livez" if is_live_enough else "/readyz"
    # Of any address the process listens on, loopback is one; of a single address it is not.
    address = "127.0.0.1" if host in EVERY_ADDRESS else host
    connection = http.client.HTTPConnection(address, port, timeout=PROBE_LIMIT_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": f"127.0.0.1:{port}"})
        answer = connection.getresponse()
        return None if answer.status == 200 else f"{path} answered {answer.status}: {answer.read(200).decode()}"
    except (OSError, http.client.HTTPException) as error:
        return f"{path} cannot be asked: {error}"
    finally:
        connection.close()


if __name__ == "__main__":
    main(sys.argv[1:])
