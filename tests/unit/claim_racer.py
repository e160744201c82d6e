"""One process of the race for a channel: many threads claim at once; run as `python -m`, prints one JSON line.

Arguments: threads, channel name, or "-" for a channel of its own in each thread. It says `ready`, waits for a line on
standard input, races, and prints how often each outcome came.
"""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import django

django.setup()

from django.db import connections  # noqa: E402

from sessions.lifecycle import claim_channel  # noqa: E402
from sessions.models import Session, new_session_id  # noqa: E402
from workers.errors import NovaError  # noqa: E402


def _claim(barrier: Barrier, channel_name: str) -> str:
    Session.objects.exists()
    barrier.wait(timeout=20)
    try:
        claim_channel(channel_name, "voice", "open", overrides={}, user_uid=1, bot_uid=2)
    except NovaError as error:
        return error.code
    else:
        return "0"
    finally:
        connections.close_all()


def main() -> None:
    threads, channel_name = int(sys.argv[1]), sys.argv[2]
    names = [new_session_id() if channel_name == "-" else channel_name for _ in range(threads)]
    barrier = Barrier(threads)
    print("ready", flush=True)
    sys.stdin.readline()
    with ThreadPoolExecutor(threads) as pool:
        print(json.dumps(Counter(pool.map(lambda name: _claim(barrier, name), names))))


main()
