"""One process of the race for channels, run as `python -m`: many threads claim at once whenever it is told to.

Argument: the number of threads. Each line on standard input names a channel, or is "-" for a channel of its own in
each thread; it is answered by one JSON line that says how often each outcome came. With `migrate` as second argument
the process prepares the database first. It says `ready` when it can race.
"""

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from sessions.lifecycle import claim_channel  # noqa: E402
from sessions.models import new_session_id  # noqa: E402
from workers.errors import NovaError  # noqa: E402


def _claim(barrier: Barrier, channel_name: str) -> str:
    connection.ensure_connection()
    barrier.wait(timeout=60)
    try:
        claim_channel(channel_name, "voice", "open", overrides={}, user_uid=1, bot_uid=2)
    except NovaError as error:
        return error.code
    else:
        return "0"


def main() -> None:
    threads = int(sys.argv[1])
    if sys.argv[2:] == ["migrate"]:
        call_command("migrate", verbosity=0)
        connection.close()
    barrier = Barrier(threads)
    print("ready", flush=True)
    with ThreadPoolExecutor(threads) as pool:
        for line in sys.stdin:
            names = [new_session_id() if line.strip() == "-" else line.strip() for _ in range(threads)]
            outcomes = Counter(pool.map(lambda name: _claim(barrier, name), names))
            print("outcomes " + json.dumps(outcomes), flush=True)


main()
