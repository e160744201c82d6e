"""Reads a request's body: JSON, bounded, and nothing in it that a database cannot keep."""

from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest
from ninja.parser import Parser
from pydantic_core import from_json

from sessions.http.envelope import PARAMS_INVALID, MediaTypeError, TooLargeError
from workers.errors import BadInputError

MAX_BODY_BYTES = 65_536
JSON_TYPE = "application/json"


class JsonBody(Parser):  # type: ignore[misc,unused-ignore]
    """The API's parser."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        if request.content_type != JSON_TYPE:
            raise MediaTypeError(f"Content-Type must be {JSON_TYPE}")
        return read_json_object(request)


def read_json_object(request: HttpRequest) -> dict[str, Any]:
    """Raises TooLargeError or BadInputError; the parser bounds depth and refuses NaN and lone surrogates."""
    try:
        value = from_json(_body_bytes(request), allow_inf_nan=False)
    except ValueError as error:
        raise BadInputError(f"params invalid: the body is not JSON: {error}", code=PARAMS_INVALID) from error
    if not isinstance(value, dict):
        raise BadInputError("params invalid: the body must be a JSON object", code=PARAMS_INVALID)
    _refuse_nul(value, "")
    return value


def _body_bytes(request: HttpRequest) -> bytes:
    too_large = TooLargeError(f"the body may have {MAX_BODY_BYTES} bytes at most")
    try:
        body = request.body
    except RequestDataTooBig as error:
        raise too_large from error
    if len(body) > MAX_BODY_BYTES:
        raise too_large
    return body


def _refuse_nul(value: object, place: str) -> None:
    """PostgreSQL keeps no NUL character, neither in text nor in JSON."""
    if isinstance(value, str) and "\x00" in value:
        raise BadInputError(f"params invalid: {place}: contains a NUL character", field=place, code=PARAMS_INVALID)
    if isinstance(value, dict):
        for name, item in value.items():
            _refuse_nul(name, place or "body")
            _refuse_nul(item, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_nul(item, f"{place}.{index}")
