"""The answer's envelope {code, msg, data}: the codes, their HTTP statuses, and how each error becomes one."""

from collections.abc import Callable
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DjangoDatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from sessions.http.schemas import CHANNEL_EMPTY_FAULT
from sessions.lifecycle import RowsUnavailableError
from sessions.rtc_tokens.errors import TokenRefusedError
from workers.errors import BadInputError, NovaError, StreamsUnavailableError

log = structlog.get_logger(__name__)

SUCCESS = "0"
PARAMS_INVALID = "10000"
CHANNEL_EMPTY = "10004"
INTERNAL = "10500"
UNAVAILABLE = "10503"

# The codes up to 10106 are the reference server's; those from 10401 on are ours, made from the HTTP status.
STATUS_OF_CODE = {
    PARAMS_INVALID: 400,
    "10001": 503,
    "10002": 404,
    "10003": 409,
    CHANNEL_EMPTY: 400,
    "10005": 500,
    "10100": 400,
    "10401": 401,
    "10402": 402,
    "10403": 403,
    "10404": 404,
    "10405": 405,
    "10413": 413,
    "10415": 415,
    "10429": 429,
    INTERNAL: 500,
    UNAVAILABLE: 503,
}
RETRY_AFTER_SECONDS = {"10001": 5, UNAVAILABLE: 1}
OPENAI_PATHS = "/v1/realtime/"
_SHOWN_PATH_CHARACTERS = 100


class UnauthorisedError(NovaError):
    code = "10401"


class ForbiddenError(NovaError):
    code = "10403"


class UnknownPathError(NovaError):
    code = "10404"


class MethodError(NovaError):
    code = "10405"


class TooLargeError(NovaError):
    code = "10413"


class MediaTypeError(NovaError):
    code = "10415"


class TooOftenError(NovaError):
    code = "10429"
    retriable = True

    def __init__(self, text: str, retry_after_seconds: int) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


def success(data: Any) -> dict[str, Any]:
    return {"code": SUCCESS, "msg": "success", "data": data}


def code_of(error: NovaError) -> str:
    if error.code in STATUS_OF_CODE:
        return error.code
    if isinstance(error, BadInputError):
        return PARAMS_INVALID
    if isinstance(error, TokenRefusedError):
        return "10005"
    if isinstance(error, (StreamsUnavailableError, RowsUnavailableError)):
        return UNAVAILABLE
    return INTERNAL


def error_response(request: HttpRequest, error: NovaError) -> JsonResponse:
    """The envelope, or OpenAI's error object on the routes that copy OpenAI's; the field is named in both."""
    code = code_of(error)
    field = error.field if isinstance(error, BadInputError) else None
    status = STATUS_OF_CODE[code]
    body: dict[str, Any] = {"code": code, "msg": error.text, "data": {"field": field} if field else None}
    if request.path.startswith(OPENAI_PATHS):
        kind = "invalid_request_error" if status < 500 else "server_error"
        body = {"error": {"type": kind, "code": code, "message": error.text, "param": field}}
    response = JsonResponse(body, status=status)
    seconds = error.retry_after_seconds if isinstance(error, TooOftenError) else RETRY_AFTER_SECONDS.get(code)
    if seconds is not None:
        response["Retry-After"] = str(seconds)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    log.info("request refused", path=request.path, status=status, code=code, field=field)
    return response


def enveloped(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """What Django or ninja answered by itself, as every other answer of the API is; the headers stay."""
    error = _ERROR_OF_STATUS.get(response.status_code, _unknown_fault)(request)
    answer = error_response(request, error)
    answer.status_code = response.status_code
    for name, value in response.headers.items():
        if name not in ("Content-Type", "Content-Length"):
            answer.headers[name] = value
    return answer


def _unknown_fault(request: HttpRequest) -> NovaError:
    return NovaError("internal error")


_ERROR_OF_STATUS: dict[int, Callable[[HttpRequest], NovaError]] = {
    400: lambda _: BadInputError("the request or its Host is not one of this site", code=PARAMS_INVALID),
    401: lambda _: UnauthorisedError("sign in, or send Authorization: Bearer <API key>"),
    403: lambda _: ForbiddenError("this is not allowed"),
    404: lambda request: UnknownPathError(f"there is nothing at {request.path[:_SHOWN_PATH_CHARACTERS]}"),
    405: lambda request: MethodError(f"{request.method} is not a method of this path"),
    413: lambda _: TooLargeError("the body is too large"),
}


def input_error(errors: list[dict[str, Any]]) -> BadInputError:
    """The first fault of a body by dotted name; a channel that is missing or blank has a code of its own."""
    named = [(_dotted(item["loc"]), item["type"], item["msg"]) for item in errors]
    if any(field == "channel_name" and kind in ("missing", CHANNEL_EMPTY_FAULT) for field, kind, _ in named):
        return BadInputError("channel empty", field="channel_name", code=CHANNEL_EMPTY)
    field, kind, message = named[0]
    text = "unknown field" if kind == "extra_forbidden" else message
    return BadInputError(f"params invalid: {field or 'body'}: {text}", field=field or None, code=PARAMS_INVALID)


def _dotted(location: tuple[int | str, ...]) -> str:
    """ninja puts the parameter's place and name in front: ("body", "body", "uid")."""
    parts = location[2:] if location[:1] == ("body",) else location
    return ".".join(str(part) for part in parts)


def add_error_handlers(api: NinjaAPI) -> None:
    handlers: dict[type[Exception], Any] = {
        NovaError: error_response,
        ValidationError: _validation_failed,
        HttpError: _http_error,
        RequestDataTooBig: _too_large,
        DjangoDatabaseError: _database_failed,
        Exception: _unforeseen,
    }
    for error_type, handler in handlers.items():
        api.add_exception_handler(error_type, handler)


def _validation_failed(request: HttpRequest, error: ValidationError) -> JsonResponse:
    return error_response(request, input_error(error.errors))


def _http_error(request: HttpRequest, error: HttpError) -> JsonResponse:
    """ninja wraps what the body parser raises."""
    cause = error.__cause__
    if isinstance(cause, NovaError):
        return error_response(request, cause)
    return error_response(request, BadInputError(f"params invalid: {error.message}", code=PARAMS_INVALID))


def _too_large(request: HttpRequest, error: RequestDataTooBig) -> JsonResponse:
    return error_response(request, TooLargeError("the body is too large"))


def _database_failed(request: HttpRequest, error: DjangoDatabaseError) -> JsonResponse:
    log.warning("database failed", error=type(error).__name__)
    return error_response(request, RowsUnavailableError("the database cannot be reached; try again in a moment"))


def _unforeseen(request: HttpRequest, error: Exception) -> JsonResponse:
    log.error("request failed", path=request.path, exc_info=error)
    return error_response(request, NovaError("internal error"))
