"""`manage.py erase_session SESSION`: removes all that was said in a session, everywhere, and says what it removed."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from sessions.records.erasure import erase_session
from workers.errors import StreamsUnavailableError

NOT_ERASED = 2


class Command(BaseCommand):
    help = "Erase a session: its rows, entries of streams and pictures. Exit code 2: something was not reached; call again."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("session", help="the session's id")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            erasure = erase_session(options["session"])
        except StreamsUnavailableError as error:
            raise CommandError(error.text, returncode=NOT_ERASED) from error
        except DatabaseError as error:
            raise CommandError("the database cannot be reached; call this again", returncode=NOT_ERASED) from error
        if erasure.is_empty:
            self.stdout.write(f"{erasure.session_id}: nothing is kept of it")
            return
        if erasure.was_running:
            self.stdout.write(f"{erasure.session_id}: was running and has been ended")
        counts = [("rows", name, count) for name, count in erasure.rows.items()]
        counts += [("stream entries", name, count) for name, count in erasure.entries.items()]
        for place, name, count in [*counts, ("keys", "Redis", erasure.keys)]:
            self.stdout.write(f"  {count:6} {place:15} {name}")
