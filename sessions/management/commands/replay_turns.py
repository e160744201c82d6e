"""`manage.py replay_turns SESSION`: replays a session's kept decisions and shows where today's engine decides otherwise."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.management.replaying import Difference, Kept, export_lines, kept_in_database, kept_in_file, replay
from workers.errors import BadInputError

NO_LOG, OTHER_DECISIONS = 2, 1


class Command(BaseCommand):
    help = (
        "Replay the turn engine's kept log of a session into a fresh engine. Exit codes: 0 every decision is the same, "
        "1 some differ, 2 there is no whole log."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("session", help="the session's id")
        parser.add_argument("--file", type=Path, default=None, help="read JSON lines instead of the database")
        parser.add_argument("--export", type=Path, default=None, help="write the log as JSON lines")

    def handle(self, *_: Any, **options: Any) -> None:
        session_id: str = options["session"]
        try:
            kept = kept_in_file(options["file"], session_id) if options["file"] else kept_in_database(session_id)
            if not kept:
                raise BadInputError(f"no decisions of session {session_id} are kept")
            if options["export"] is not None:
                options["export"].write_text("\n".join(export_lines(session_id, kept)) + "\n", encoding="utf-8")
            differences = self._replay_all(kept)
        except BadInputError as error:
            raise CommandError(error.text, returncode=NO_LOG) from error
        except OSError as error:
            raise CommandError(f"cannot write {options['export']}: {error.strerror}", returncode=NO_LOG) from error
        if differences:
            raise CommandError(f"{differences} decisions differ", returncode=OTHER_DECISIONS)

    def _replay_all(self, kept: Kept) -> int:
        count = 0
        for generation, lines in kept.items():
            differences = replay(lines)
            self.stdout.write(f"generation {generation}: {len(lines)} lines, {len(differences)} differences")
            for difference in differences:
                self._show(difference)
            count += len(differences)
        return count

    def _show(self, difference: Difference) -> None:
        self.stdout.write(f"\n{difference.number:>6}  {difference.at_ms:>12.1f} ms  {difference.event}")
        self.stdout.write(f"{'kept':>10}  {difference.kept}")
        self.stdout.write(f"{'replayed':>10}  {difference.replayed}")
