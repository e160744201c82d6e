"""What the boto3 providers share: one client a process, errors by code, the retry before the first item."""

import random
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import boto3
import botocore
import botocore.compat
import botocore.eventstream
import botocore.exceptions
import urllib3.exceptions
from botocore.config import Config

from workers import metrics
from workers.errors import (
    ConfigurationError,
    ProviderError,
    ProviderRefusedError,
    ProviderThrottledError,
    ProviderTimeoutError,
    ProviderUnavailableError,
)
from workers.settings import AwsSettings

CONNECT_LIMIT_SECONDS = 3.0
MAX_RETRIES = 2
RETRY_CAP_SECONDS = 2.0
RETRY_BASE_SECONDS = 0.4
SPARE_CONNECTIONS = 5
_USER_AGENT = f"nova-realtime boto3/{boto3.__version__} botocore/{botocore.__version__}"
"""Fixed: botocore puts its own together twice for every request, a quarter of what a request costs it."""

THROTTLED_CODES = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "ServiceQuotaExceededException",
        "Throttling",
        "ThrottledException",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
UNAVAILABLE_CODES = frozenset(
    {
        "InternalFailure",
        "InternalServerException",
        "ModelErrorException",
        "ModelNotReadyException",
        "ModelStreamErrorException",
        "ServiceFailureException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
    }
)
TIMEOUT_CODES = frozenset({"ModelTimeoutException", "RequestTimeout", "RequestTimeoutException"})

Item = TypeVar("Item")


def make_client(
    service: str,
    settings: AwsSettings,
    *,
    endpoint_url: str | None,
    max_streams: int,
    read_limit_seconds: float,
) -> Any:
    """Retries are off here because ours stop at the first item; botocore's would not know about it."""
    config = Config(
        connect_timeout=CONNECT_LIMIT_SECONDS,
        read_timeout=read_limit_seconds,
        max_pool_connections=max_streams + SPARE_CONNECTIONS,
        retries={"total_max_attempts": 1, "mode": "standard"},
        tcp_keepalive=True,
        # Typed code makes every request and the service checks it: botocore's own look at each message costs a third of it.
        parameter_validation=False,
        user_agent=_USER_AGENT,
    )
    try:
        session: Any = boto3.session.Session()
        client = session.client(
            service,
            region_name=settings.region,
            endpoint_url=endpoint_url,
            verify=settings.ca_bundle_path,
            config=config,
        )
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"the {service} client cannot be made: {error}") from error
    client.meta.events.register_first(
        f"before-send.{client.meta.service_model.service_id.hyphenize()}", _stop_rehearsal
    )
    return client


class _RehearsedError(Exception):
    """A call has come as far as a rehearsal goes."""


_is_rehearsal: ContextVar[bool] = ContextVar("_is_rehearsal", default=False)


def _stop_rehearsal(**_: Any) -> None:
    if _is_rehearsal.get():
        raise _RehearsedError


def rehearse_call(service: str, call: Callable[..., object], arguments: dict[str, Any]) -> None:
    """Everything of a client's call but sending it: endpoint, credentials, body, signature. Raises a ProviderError."""
    token = _is_rehearsal.set(True)
    try:
        with _named_errors(service):
            call(**arguments)
    except _RehearsedError:
        return
    finally:
        _is_rehearsal.reset(token)


def error_for_code(service: str, code: str, message: str, http_status: int = 400) -> ProviderError:
    """Decide by the code alone: the same fault comes as HTTP status, as header and inside a stream."""
    name = code[:1].upper() + code[1:]
    text = f"{service}: {name}: {message}"
    if name in THROTTLED_CODES:
        return ProviderThrottledError(text)
    if name in TIMEOUT_CODES:
        return ProviderTimeoutError(text)
    if name in UNAVAILABLE_CODES or http_status >= 500:
        return ProviderUnavailableError(text)
    return ProviderRefusedError(text)


def error_code(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "Unknown"))


def error_message(error: botocore.exceptions.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))


def _from_client_error(service: str, error: botocore.exceptions.ClientError) -> ProviderError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
    return error_for_code(service, error_code(error), error_message(error), int(status or 400))


@contextmanager
def provider_errors(service: str) -> Iterator[None]:
    """Turns what botocore, urllib3 and the socket raise into the error tree, and counts it."""
    try:
        with _named_errors(service):
            yield
    except ProviderError as error:
        metrics.count_provider_error(service.lower(), error.code)
        raise


@contextmanager
def _named_errors(service: str) -> Iterator[None]:
    """Children come first."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        raise _from_client_error(service, error) from error
    except botocore.exceptions.NoCredentialsError as error:
        text = "no AWS credentials were found (set AWS_PROFILE, keys, or a role)"
        raise ProviderRefusedError(text, code="aws_credentials") from error
    except (botocore.exceptions.ReadTimeoutError, urllib3.exceptions.ReadTimeoutError, TimeoutError) as error:
        raise ProviderTimeoutError(f"{service} did not answer in time") from error
    except botocore.eventstream.ParserError as error:
        raise ProviderUnavailableError(f"{service} sent a frame that cannot be read") from error
    except (
        botocore.exceptions.ConnectionError,
        botocore.exceptions.CredentialRetrievalError,
        botocore.exceptions.HTTPClientError,
        botocore.exceptions.ResponseStreamingError,
        botocore.exceptions.IncompleteReadError,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        raise ProviderUnavailableError(f"{service} cannot be reached: {type(error).__name__}") from error
    except botocore.exceptions.BotoCoreError as error:
        raise ProviderRefusedError(f"{service}: {type(error).__name__}") from error


def limit_next_read(raw_response: Any, seconds: float) -> None:
    """Set how long the next read of a response may wait; a body read to its end has no socket left."""
    try:
        botocore.compat.set_socket_timeout(raw_response, max(seconds, 0.001))
    except AttributeError:
        return


def retry_before_first(
    attempt: Callable[[], Iterator[Item]],
    *,
    service: str,
    deadline_at: float,
    max_retries: int = MAX_RETRIES,
) -> Generator[Item]:
    """Yield from `attempt()`; start it again after a retriable error while nothing was yielded.

    `deadline_at` is on time.monotonic's clock: no retry begins after it. A throw reaches the attempt.
    """
    for retries_left in range(max_retries, -1, -1):
        items = attempt()
        try:
            first = next(items)
        except StopIteration:
            return
        except ProviderError as error:
            pause = _pause_seconds(max_retries - retries_left)
            if not error.retriable or not retries_left or time.monotonic() + pause >= deadline_at:
                raise
            metrics.PROVIDER_RETRIES.of(service.lower()).inc()
            time.sleep(pause)
            continue
        yield from _resumed(first, items)
        return


def _pause_seconds(retry: int) -> float:
    return random.uniform(0, min(RETRY_CAP_SECONDS, RETRY_BASE_SECONDS * 2**retry))


def _resumed(first: Item, items: Iterator[Item]) -> Iterator[Item]:
    try:
        yield first
        yield from items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()
