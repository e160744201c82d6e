"""`manage.py prove_on_aws`: one spoken turn with a picture on the real services; prints a report fit to be sent to us."""

import argparse
import asyncio
import json
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sessions.management.proving import (
    PROPERTIES,
    Made,
    Subject,
    check_price,
    errors_in,
    judge,
    make_report,
    worst_case_usd,
)
from sessions.management.proving_question import Question, picture, question_in
from sessions.management.proving_system import Figures, check_redis, own_system
from sessions.management.proving_voice import spoken
from sessions.management.talking import TalkWish, hold_talk
from sessions.management.talking_notes import OUTPUT_RATE_HZ, TalkNotes
from sessions.management.talking_sound import Recording
from sessions.settings import WebSettings
from workers.errors import NovaError
from workers.prices import price_table
from workers.settings import AwsSettings

GRAPH = "voice"
FAILED, REFUSED = 1, 2
PACKAGES = ("boto3", "botocore", "amazon-transcribe", "websockets", "celery", "django")


class Command(BaseCommand):
    help = (
        "Prove the system on Amazon's services: starts it on ports of its own, asks one spoken question about a picture, "
        "and prints what was heard, seen and said, with delays, usage and cost, as JSON without secrets. "
        "Exit codes: 0 passed, 1 failed, 2 refused before anything was spent."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--max-usd", type=float, default=0.50, help="refuse to begin what may cost more (0.50)")
        parser.add_argument(
            "--redis-url",
            default=None,
            help="where no redis-server is installed, as in the image: a Redis database that nothing else uses, as redis://host/15",
        )
        parser.add_argument("--out", type=Path, default=None, help="write the report here (standard output)")

    def handle(self, *_: Any, **options: Any) -> None:
        nova: WebSettings = settings.NOVA
        subject, prices = _subject(nova), price_table(nova.prices_path)
        try:
            question = question_in(nova.language)
            check_price(worst_case_usd(prices, subject), options["max_usd"])
            check_redis(options["redis_url"])
        except NovaError as error:
            raise CommandError(error.text, returncode=REFUSED) from error
        made, figures = self._prove(question, nova.aws, options["redis_url"])
        checks = judge(question, made, errors_in(figures))
        report = make_report(subject, prices, made, figures, checks, options["max_usd"])
        self._hand_out(
            {"made_at": timezone.now().isoformat(timespec="seconds"), **report, **_versions()}, options["out"]
        )
        if not report["passed"]:
            names = ", ".join(check["name"] for check in report["checks"] if not check["passed"])
            raise CommandError(f"not proved: {names}", returncode=FAILED)

    def _prove(self, question: Question, aws: AwsSettings, redis_url: str | None) -> tuple[Made, Figures]:
        """A question that is not spoken, a system that does not start, or a talk that breaks off, is a result too."""
        manage = Path(settings.BASE_DIR) / "manage.py"
        try:
            self._say("having the question spoken by Polly ...")
            recording = spoken(question, aws)
            self._say("starting the system with Amazon's services ...")
            with own_system(manage, redis_url, self._say) as system:
                made = self._talk(system.url, recording)
                return replace(made, question_characters=len(question.text)), system.figures()
        except NovaError as error:
            return Made(fault=error.text), Figures()

    def _talk(self, url: str, recording: Recording) -> Made:
        wish = TalkWish(url, recording, graph_name=GRAPH, picture=picture(), properties=PROPERTIES)
        begun_at = time.monotonic()
        try:
            notes = asyncio.run(hold_talk(wish, self._say))
        except NovaError as error:
            return Made(fault=error.text, talk_seconds=time.monotonic() - begun_at)
        return _made(notes, recording, time.monotonic() - begun_at)

    def _hand_out(self, report: dict[str, Any], path: Path | None) -> None:
        text = json.dumps(report, indent=2, ensure_ascii=False)
        if path is None:
            self.stdout.write(text)
        else:
            path.write_text(text + "\n", encoding="utf-8")
            self._say(f"the report is in {path}")

    def _say(self, line: str) -> None:
        """Beside the report, so that this can be piped."""
        self.stderr.write(line)


def _subject(nova: WebSettings) -> Subject:
    aws = nova.aws
    endpoints = (aws.bedrock_endpoint_url, aws.polly_endpoint_url, aws.transcribe_endpoint_url)
    return Subject(
        region=aws.region,
        model_id=nova.model_id,
        voice=nova.voice,
        engine=nova.engine,
        language=nova.language,
        transcribe_transport=nova.transcribe_transport,
        has_own_endpoints=any(endpoint is not None for endpoint in endpoints),
    )


def _made(notes: TalkNotes, recording: Recording, talk_seconds: float) -> Made:
    answer = next(answer for answer in notes.answers if not answer.is_greeting)
    last_words_ms = None
    if notes.voice_ended_at is not None and notes.last_words_at is not None:
        last_words_ms = round((notes.last_words_at - notes.voice_ended_at) * 1_000)
    return Made(
        heard_text=" ".join(notes.user_texts),
        answer_text=notes.agent_text,
        status=answer.status,
        speech_seconds=len(notes.reply_pcm) / 2 / OUTPUT_RATE_HZ,
        talk_seconds=talk_seconds,
        recording_seconds=recording.seconds,
        last_words_ms=last_words_ms,
        delays_ms=answer.delays_ms,
    )


def _versions() -> dict[str, dict[str, str]]:
    return {"packages": {name: version(name) for name in PACKAGES}}
