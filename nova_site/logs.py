"""Logging of every process: one line an event, JSON or for a console, on standard error."""

import logging.config
from typing import Any, Literal

import structlog

LogFormat = Literal["json", "console"]

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


def _shared(log_format: LogFormat) -> list[Any]:
    """A person at a console reads the clock on the wall, a machine reads UTC."""
    is_console = log_format == "console"
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_console else "iso", utc=not is_console),
        structlog.processors.StackInfoRenderer(),
    ]


def logging_config(log_format: LogFormat, level: str) -> dict[str, Any]:
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    )
    exception_formatter = [structlog.processors.format_exc_info] if log_format == "json" else []
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "event": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": _shared(log_format),
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *exception_formatter,
                    renderer,
                ],
            },
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "event"}},
        "root": {"handlers": ["stderr"], "level": level},
        # A refused request is the caller's affair; it has its answer.
        "loggers": {"django.request": {"level": "ERROR"}, **{name: {"level": "WARNING"} for name in _QUIET}},
    }


def configure_logging(log_format: LogFormat, level: str) -> None:
    """Set up both the standard library's logging and structlog; called once by each process's start."""
    logging.config.dictConfig(logging_config(log_format, level))
    structlog.configure(
        processors=[*_shared(log_format), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
