"""`python -m tests.benchmarks [NAME ...]`: runs the benchmarks and prints their tables; nothing here passes or fails."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from tests.benchmarks import (
    admin_pages,
    frame,
    idle_streams,
    interruption,
    latency,
    measuring,
    memory,
    picture_delay,
    speech_end,
    turn_engine,
    vision,
    voice_activity,
)
from tests.benchmarks.report import Table, header
from tests.benchmarks.turn_quality import measure as turn_quality
from tests.house import House

HouseKeeper = Callable[[], House]


def _latency(house: HouseKeeper) -> Iterator[Table]:
    yield latency.measure(house(), 1, latency.ALONE_TURNS, "p50 <= 15")


def _many(house: HouseKeeper) -> Iterator[Table]:
    yield latency.measure(house(), latency.MANY_SESSIONS, latency.MANY_TURNS, "p95 <= 60")


def _steps(house: HouseKeeper) -> Iterator[Table]:
    yield latency.measure_steps(house())


def _interruption(house: HouseKeeper) -> Iterator[Table]:
    yield from interruption.measure(house())


def _speech_end(house: HouseKeeper) -> Iterator[Table]:
    yield speech_end.measure(house())


def _streams(_: HouseKeeper) -> Iterator[Table]:
    yield idle_streams.measure()


def _memory(_: HouseKeeper) -> Iterator[Table]:
    yield memory.measure()


def _picture_delay(house: HouseKeeper) -> Iterator[Table]:
    yield picture_delay.measure(house())


def _frame(_: HouseKeeper) -> Iterator[Table]:
    yield frame.measure()


def _vision(_: HouseKeeper) -> Iterator[Table]:
    yield from vision.measure()


def _voice_activity(_: HouseKeeper) -> Iterator[Table]:
    yield voice_activity.measure_model()
    yield voice_activity.measure()


def _turn_engine(_: HouseKeeper) -> Iterator[Table]:
    yield turn_engine.measure()


def _measuring(_: HouseKeeper) -> Iterator[Table]:
    yield measuring.measure()


def _turn_quality(_: HouseKeeper) -> Iterator[Table]:
    yield turn_quality.measure()


def _admin(_: HouseKeeper) -> Iterator[Table]:
    yield from admin_pages.measure()


BENCHMARKS = {
    "latency": _latency,
    "steps": _steps,
    "sessions": _many,
    "speech_end": _speech_end,
    "interruption": _interruption,
    "streams": _streams,
    "voice_activity": _voice_activity,
    "memory": _memory,
    "frame": _frame,
    "vision": _vision,
    "picture_delay": _picture_delay,
    "turns": _turn_engine,
    "measuring": _measuring,
    "turn_quality": _turn_quality,
    "admin": _admin,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().names or list(BENCHMARKS)
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    print(header(), flush=True)
    with ExitStack() as stack:
        started: list[House] = []

        def house() -> House:
            """One house for all that need one, started when the first does."""
            if not started:
                settings = {"SESSIONS_MAX": "200"}
                started.append(stack.enter_context(House("aws", settings=settings)))
            return started[0]

        for name in names:
            for table in BENCHMARKS[name](house):
                print(table.text(), flush=True)


if __name__ == "__main__":
    main()
