"""`manage.py housekeeping`: what has to be done now and then, once and in order; a scheduler calls it."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from sessions import lifecycle


class Command(BaseCommand):
    help = "End sessions whose clients are gone and remove expired logins; then end."

    def handle(self, *_: Any, **options: Any) -> None:
        self.stdout.write(f"idle sessions ended: {len(lifecycle.reap_once())}")
        call_command("clearsessions")
        self.stdout.write("clearsessions: done")
