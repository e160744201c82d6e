"""`manage.py talk FILE.wav`: a recording instead of a microphone, through the real socket; prints what happens."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sessions.management.talking import NoAnswerError, TalkWish, hold_talk
from sessions.management.talking_line import CannotConnectError, RefusedError
from sessions.management.talking_notes import OUTPUT_RATE_HZ, delay_table
from sessions.management.talking_sound import Recording, check_writable, read_recording, write_recording
from sessions.realtime.items_wire import check_is_picture
from sessions.realtime.limits import KIB, MESSAGE_LIMIT_BYTES
from workers.errors import BadInputError, NovaError

MAX_PICTURE_BYTES = MESSAGE_LIMIT_BYTES - KIB
"""A frame travels as one message, its header included."""

EXIT_CODES: dict[type[NovaError], int] = {
    BadInputError: 2,
    CannotConnectError: 3,
    RefusedError: 4,
    NoAnswerError: 5,
}


class Command(BaseCommand):
    help = (
        "Hold a conversation from a WAV file (16-bit PCM, 8 to 48 kHz, mono or stereo). Exit codes: 0 answered, "
        "2 a file is wrong, 3 cannot connect, 4 refused, 5 no answer."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="what the user says")
        parser.add_argument("--url", default=None, help="the socket (ws://HOST:PORT/v1/realtime of the settings)")
        parser.add_argument(
            "--out", type=Path, default=Path("reply.wav"), help="where the reply's sound goes (reply.wav)"
        )
        parser.add_argument("--graph", default=None, help="start the session on this graph (voice)")
        parser.add_argument("--picture", type=Path, default=None, help="a JPEG, PNG or WebP that the camera shows")
        parser.add_argument("--key", default=None, help="an API key (the first of NOVA_API_KEYS)")

    def handle(self, *_: Any, **options: Any) -> None:
        try:
            self._talk(options)
        except NovaError as error:
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)
            raise CommandError(error.text, returncode=code) from error

    def _talk(self, options: dict[str, Any]) -> None:
        wish = _wish(options)
        self.stdout.write(
            f"{options['file']}: {wish.recording.seconds:.1f} s at {wish.recording.rate_hz} Hz -> {wish.url}"
        )
        notes = asyncio.run(hold_talk(wish, self._say))
        self.stdout.write("\n" + delay_table(notes.answers))
        reply = Recording(notes.reply_pcm, OUTPUT_RATE_HZ)
        write_recording(options["out"], reply)
        self.stdout.write(f"\n{options['out']}: {reply.seconds:.1f} s of reply")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _wish(options: dict[str, Any]) -> TalkWish:
    """Everything on this side is checked before the server is troubled."""
    check_writable(options["out"])
    nova = settings.NOVA
    host = f"[{nova.host}]" if ":" in nova.host else nova.host
    return TalkWish(
        url=options["url"] or f"ws://{host}:{nova.port}/v1/realtime",
        recording=read_recording(options["file"]),
        key=options["key"] or next(iter(nova.api_keys), None),
        graph_name=options["graph"],
        picture=_picture(options["picture"]),
    )


def _picture(path: Path | None) -> bytes | None:
    if path is None:
        return None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInputError(f"cannot read {path}: {error.strerror}") from error
    try:
        check_is_picture(data, "--picture")
    except BadInputError as error:
        raise BadInputError(f"{path} {error.text}") from error
    if len(data) > MAX_PICTURE_BYTES:
        raise BadInputError(f"{path} holds {len(data)} bytes; a picture may hold {MAX_PICTURE_BYTES}")
    return data
