"""`python -m tests.benchmarks.admin_reader TURNS`: fills DATABASE_URL, reads the admin's pages, prints times as JSON."""

import json
import sys
import time
from typing import Any

import django

django.setup()

# Importable only now: models need the application registry that the call above has filled.
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import cache  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from tests.benchmarks.admin_rows import fill  # noqa: E402

ROUNDS = 5
PAGES = {
    "figures, last 24 hours (all turns)": "figures/?hours=24",
    "figures, last hour": "figures/?hours=1",
    "figures of one graph": "figures/?hours=24&graph=voice",
    "list of sessions": "nova_sessions/session/",
    "list of sessions, searched": "nova_sessions/session/?q=room_77",
    "list of sessions, live": "nova_sessions/session/?is=live",
    "list of turns": "nova_sessions/turn/",
    "list of turns, slow ones first": "nova_sessions/turn/?slower=2000&o=-4",
    "a session": "nova_sessions/session/{}/change/",
    "its transcript": "nova_sessions/session/{}/transcript/",
}


def main() -> None:
    call_command("migrate", verbosity=0)
    session_id = fill(int(sys.argv[1]), timezone.now())
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    client = Client(headers={"Host": "localhost"})
    client.force_login(User.objects.create(username="bench", is_staff=True, is_superuser=True))
    print(json.dumps([_read(client, name, "/admin/" + path.format(session_id)) for name, path in PAGES.items()]))


def _read(client: Client, name: str, path: str) -> dict[str, Any]:
    """The first reading warms templates and pages of the database up, and is not counted."""
    times_ms, queries, size = [], 0, 0
    for number in range(ROUNDS + 1):
        cache.clear()
        with CaptureQueriesContext(connection) as captured:
            started_at = time.perf_counter()
            answer = client.get(path)
            lasted_ms = (time.perf_counter() - started_at) * 1_000
        if answer.status_code != 200:
            raise RuntimeError(f"{path} answered {answer.status_code}")
        if number:
            times_ms.append(lasted_ms)
        queries, size = len(captured), len(answer.content)
    return {"name": name, "times_ms": times_ms, "queries": queries, "bytes": size}


if __name__ == "__main__":
    main()
