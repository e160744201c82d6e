"""Owns the emulator's command line: starts it, says where it is, ends it on a signal or with its parent."""

import argparse
import asyncio
import gc
import json
import signal
import sys
from pathlib import Path

from tests.aws_emulator.server import AwsEmulator


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.aws_emulator", description="AWS on the wire")
    parser.add_argument("--http-port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--tls-port", type=int, default=0, help="0 picks a free port")
    parser.add_argument("--ready-file", type=Path, help="gets the addresses as JSON once both ports listen")
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when standard input is closed")
    asyncio.run(serve(parser.parse_args()))


async def serve(arguments: argparse.Namespace) -> None:
    emulator = AwsEmulator(arguments.http_port, arguments.tls_port)
    addresses = await emulator.start()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    if arguments.end_with_stdin:
        loop.add_reader(sys.stdin.fileno(), stopping.set)
    # It shares its cores with what it measures: a full collection would stop every stream at once.
    gc.collect()
    gc.freeze()
    _announce(json.dumps(addresses.as_json()), arguments.ready_file)
    await stopping.wait()
    await emulator.stop()


def _announce(text: str, ready_file: Path | None) -> None:
    if ready_file is None:
        print(text, flush=True)
        return
    unfinished = ready_file.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.rename(ready_file)


if __name__ == "__main__":
    main()
