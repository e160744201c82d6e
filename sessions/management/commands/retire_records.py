"""`manage.py retire_records`: removes sessions that ended longer ago than they are to be kept."""

import argparse
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.configured import web_settings
from sessions.records.retention import due_sessions, retire_some


class Command(BaseCommand):
    help = "Remove sessions that ended more than NOVA_RECORDS_KEPT_DAYS ago, with all that was said in them."
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--days", type=int, default=None, help="instead of NOVA_RECORDS_KEPT_DAYS")
        parser.add_argument("--dry-run", action="store_true", help="only say how many there are")

    def handle(self, *_: Any, **options: Any) -> None:
        days = web_settings().records_kept_days if options["days"] is None else options["days"]
        if days <= 0:
            raise CommandError("nothing is removed: NOVA_RECORDS_KEPT_DAYS is 0; give --days")
        if options["dry_run"]:
            self.stdout.write(f"{due_sessions(days)} sessions ended more than {days} days ago")
            return
        removed = 0
        while count := retire_some(days):
            removed += count
        self.stdout.write(f"{removed} sessions removed that ended more than {days} days ago")
