"""`manage.py housekeeping`: what has to be done now and then, once and in order; a scheduler calls it."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

STEPS = ("reap", "clearsessions")


class Command(BaseCommand):
    help = "End idle sessions, remove those kept for long enough, remove expired logins; then end."
    requires_system_checks = ()

    def handle(self, *_: Any, **options: Any) -> None:
        for step in STEPS:
            call_command(step, stdout=self.stdout, stderr=self.stderr)
            self.stdout.write(f"{step}: done")
