"""`manage.py make_operator NAME`: an account for the admin, with one of its roles; prints the password it has made."""

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sessions.admin.roles import ADMIN, PERMISSIONS
from sessions.management.operators import OperatorError, make_operator, new_password


class Command(BaseCommand):
    help = "Make an account for the admin, or give one another role and password."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--role", choices=sorted(PERMISSIONS), default=ADMIN)
        parser.add_argument("--superuser", action="store_true", help="may do everything, and make others so")
        parser.add_argument("--password-stdin", action="store_true", help="read the password instead of making one")

    def handle(self, *_: Any, **options: Any) -> None:
        password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else new_password()
        try:
            make_operator(options["name"], options["role"], password, is_superuser=options["superuser"])
        except OperatorError as error:
            raise CommandError(error.text) from error
        self.stdout.write(f"{options['name']} may sign in at /admin/ as {options['role']}")
        if not options["password_stdin"]:
            self.stdout.write(f"password, shown this once: {password}")
