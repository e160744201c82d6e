"""`manage.py reap`: ends idle sessions and removes old ones, once; for a scheduled job where no web process runs."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from sessions.configured import web_settings
from sessions.lifecycle import reap_once
from sessions.records.retention import retire_some
from sessions.redis_clients import check_reached
from workers.errors import StreamsUnavailableError


class Command(BaseCommand):
    help = "End sessions that were idle for too long and remove those kept for long enough, once."
    requires_system_checks = ()

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            check_reached()
            ended = reap_once()
            retired = 0
            while count := retire_some(web_settings().records_kept_days):
                retired += count
        except StreamsUnavailableError as error:
            raise CommandError(error.text) from error
        except DatabaseError as error:
            raise CommandError("the database cannot be reached") from error
        self.stdout.write(f"{len(ended)} idle sessions ended, {retired} old sessions removed")
