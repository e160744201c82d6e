"""`manage.py housekeeping`: what has to be done now and then, once; a scheduler calls it, each step alone can fail."""

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

STEPS = ("reap", "clearsessions")


class Command(BaseCommand):
    help = "End sessions whose clients are gone, retire old records, remove expired logins; then end."

    def handle(self, *_: Any, **options: Any) -> None:
        for step in STEPS:
            call_command(step, stdout=self.stdout, stderr=self.stderr)
            self.stdout.write(f"{step}: done")
