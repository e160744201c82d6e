"""`manage.py doctor`: what of the system's surroundings is well, what is not, and how to mend it."""

import logging
from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandError

from sessions.configured import web_settings
from sessions.management.examining import EXAMINATIONS, Finding, examine_aws_clock, is_amazons
from sessions.management.examining_services import examine_hearing, examine_model, examine_voice
from sessions.management.tables import table
from sessions.settings import WebSettings


class Command(BaseCommand):
    help = (
        "Look at settings, Redis, database, port, disk, quotas, clocks and the three services; tell each fault's mend."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--no-calls", action="store_true", help="ask the three services nothing (a call costs < 0.01 USD)"
        )

    def handle(self, *_: Any, **options: Any) -> None:
        # What providers log of their calls is not for who reads the table.
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        nova = web_settings()
        found = [*_found(nova), *([] if options["no_calls"] else _found_of_services(nova))]
        self.stdout.write(table(["", "what", "found"], [[one.verdict, one.what, one.told] for one in found]))
        for one in found:
            if one.mend:
                self.stdout.write(f"{one.what}: {one.mend}\n")
        bad = [one.what for one in found if one.verdict == "bad"]
        if bad:
            raise CommandError(f"to mend: {', '.join(bad)}")


def _found(nova: WebSettings) -> Iterator[Finding]:
    for examine in EXAMINATIONS:
        told = examine(nova)
        yield from [told] if isinstance(told, Finding) else told


def _found_of_services(nova: WebSettings) -> Iterator[Finding]:
    if any(map(is_amazons, (nova.speech_to_text, nova.language_model, nova.text_to_speech))):
        yield examine_aws_clock(nova)
    yield examine_hearing(nova)
    yield examine_model(nova)
    yield examine_voice(nova)
