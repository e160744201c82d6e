"""Logging of every process: one line an event, JSON or for a console, on standard error.

A line carries the ids of the session and turn it is about. What people said stands only in fields whose name begins with
`private_`, which are left out unless the settings want them. No line leaves with a secret in it: those that the settings
hold, and what looks like one, are blotted out of the finished line, tracebacks included.
"""

import json
import logging
import logging.config
import re
from collections.abc import Callable
from typing import Any, Final, Literal

import structlog

from nova_site.env import Environment
from workers.log_context import current_ids

LogFormat = Literal["json", "console"]
Fields = Any
PRIVATE_PREFIX: Final = "private_"
BLOT: Final = "***"
SHORTEST_SECRET: Final = 8
LONGEST_LINE_BYTES: Final = 8 * 1024
_LONGEST_FIELDS: Final = (3_000, 800, 200, 50)
_LOOKS_SECRET: Final = re.compile(
    r"(?P<before>X-Amz-(?:Security-Token|Signature|Credential)=|[Bb]earer |openai-insecure-api-key\.|\bek_|://[^/\s:@\"']*:)"
    r"(?P<secret>[^\s&\"',@/\\]{4,})(?P<after>@?)"
)

_QUIET = (
    "asyncio",
    "botocore",
    "celery.app.trace",
    "celery.redirected",
    "celery.worker.consumer.connection",
    "celery.worker.pidbox",
    "celery.worker.strategy",
    "daphne",
    "twisted",
    "urllib3",
    "websockets",
)


def _add_ids(_: Any, __: str, fields: Fields) -> Fields:
    return {**current_ids(), **fields}


def _leave_out_private(_: Any, __: str, fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if not name.startswith(PRIVATE_PREFIX)}


def without_secrets(secrets: tuple[str, ...]) -> Callable[[Any, str, str], str]:
    """The last step of a line: it is text by now, so nothing can be hidden deeper in it."""
    known = [secret for secret in secrets if len(secret) >= SHORTEST_SECRET]
    as_written = sorted({*known, *(json.dumps(secret)[1:-1] for secret in known)}, key=len, reverse=True)

    def blot(_: Any, __: str, line: str) -> str:
        for secret in as_written:
            if secret in line:
                line = line.replace(secret, BLOT)
        return _LOOKS_SECRET.sub(_blotted, line)

    return blot


def bounded(_: Any, __: str, line: str) -> str:
    """A JSON line of at most LONGEST_LINE_BYTES; cut after the blotting, for half a secret looks like none."""
    for longest in _LONGEST_FIELDS:
        if len(line.encode()) <= LONGEST_LINE_BYTES:
            break
        line = json.dumps({name: _cut(value, longest) for name, value in json.loads(line).items()})
    return line


def _cut(value: Any, longest: int) -> Any:
    text = value if isinstance(value, str) else json.dumps(value)
    return value if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def _blotted(match: re.Match[str]) -> str:
    """A colon in an address is a password's only when an @ follows; else it is a port's."""
    if match["before"].endswith(":") and not match["after"]:
        return match[0]
    return f"{match['before']}{BLOT}{match['after']}"


def _shared(log_format: LogFormat, is_private_wanted: bool) -> list[Any]:
    """A person at a console reads the clock on the wall, a machine reads UTC."""
    is_console = log_format == "console"
    return [
        _add_ids,
        *([] if is_private_wanted else [_leave_out_private]),
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_console else "iso", utc=not is_console),
        structlog.processors.StackInfoRenderer(),
    ]


def refusals_are_warnings(record: logging.LogRecord) -> bool:
    """What Django refuses as suspicious, a foreign Host for one, is the caller's affair: one line, and no traceback of ours."""
    if record.name.startswith("django.security."):
        record.exc_info = record.exc_text = record.stack_info = None
        if record.levelno > logging.WARNING:
            record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
    return True


def logging_config(env: Environment) -> dict[str, Any]:
    log_format = env.nova_log_format
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    exception_formatter = [structlog.processors.format_exc_info] if log_format == "json" else []
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"refusals": {"()": lambda: refusals_are_warnings}},
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(log_format, env.nova_log_private),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *exception_formatter,
                    renderer,
                    without_secrets(env.secrets()),
                    *([bounded] if log_format == "json" else []),
                ],
            },
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event", "filters": ["refusals"]}},
        "root": {"handlers": ["stderr"], "level": env.nova_log_level},
        # A refused request is the caller's affair; it has its answer.
        "loggers": {"django.request": {"level": "ERROR"}, **{name: {"level": "WARNING"} for name in _QUIET}},
    }


def configure_logging(env: Environment) -> None:
    """Set up both the standard library's logging and structlog; called once by each process's start."""
    logging.config.dictConfig(logging_config(env))
    structlog.configure(
        processors=[
            *_shared(env.nova_log_format, env.nova_log_private),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
