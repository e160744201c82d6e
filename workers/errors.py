"""The error tree: each fault has a code for programs, a retriable flag and a text for people.

NovaError
├── ConfigurationError            a setting is missing or wrong; the process refuses to start
├── BadInputError                 what a client sent is wrong; names the field
├── PictureRejectedError          bytes that are no picture, or one too large
├── StreamsUnavailableError       Redis or the broker cannot be reached
├── RequestExpiredError           a task came after its request's life
└── ProviderError                 an outside ear, mind or mouth failed
    ├── ProviderThrottledError    asked too often; may be retried
    ├── ProviderUnavailableError  not reachable, reset, or broken in mid-stream; may be retried
    ├── ProviderTimeoutError      a time limit of ours ran out; may be retried
    │   ├── FirstTokenLateError   the model wrote nothing in time; nothing was spoken
    │   └── ModelStalledError     the model fell silent in the middle of its answer
    ├── ProviderRefusedError      the request or the credentials are wrong; never retried
    │   └── ModelUnavailableError no access to the model, no such model, or it rests after failing again and again
    ├── MalformedOutputError      the model wrote what cannot be read, with tools and without
    └── ContextFullError          the history is longer than the model reads, its newer half too
"""

from typing import Final


class NovaError(Exception):
    """A fault with a code, a retriable flag and a text that may be shown to a person."""

    code = "internal"
    retriable = False

    def __init__(self, text: str, *, code: str | None = None, retriable: bool | None = None) -> None:
        super().__init__(text)
        self.text = text
        if code is not None:
            self.code = code
        if retriable is not None:
            self.retriable = retriable


class ConfigurationError(NovaError):
    code = "configuration"


class BadInputError(NovaError):
    """`field` is the dotted name of what was wrong, or None when the whole message was."""

    code = "bad_input"

    def __init__(self, text: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(text, code=code)
        self.field = field


class PictureRejectedError(NovaError):
    code = "image_rejected"


class StreamsUnavailableError(NovaError):
    code = "streams_unavailable"
    retriable = True


class RequestExpiredError(NovaError):
    code = "request_expired"
    retriable = True


class ProviderError(NovaError):
    code = "provider_failed"


class ProviderThrottledError(ProviderError):
    code = "provider_throttled"
    retriable = True


class ProviderUnavailableError(ProviderError):
    code = "provider_unavailable"
    retriable = True


class ProviderTimeoutError(ProviderError):
    code = "provider_timeout"
    retriable = True


class ProviderRefusedError(ProviderError):
    code = "provider_refused"


class FirstTokenLateError(ProviderTimeoutError):
    code = "first_token_late"


class ModelStalledError(ProviderTimeoutError):
    code = "model_stalled"


class ModelUnavailableError(ProviderRefusedError):
    code = "llm_unavailable"


class MalformedOutputError(ProviderError):
    code = "model_malformed"


class ContextFullError(ProviderError):
    code = "model_context_full"


class ReplyCancelled(BaseException):
    """Thrown into the greenlet of a task whose reply was cancelled.

    A BaseException, so that no SDK's `except Exception` can turn it into an error of its own.
    """


# Every code by which a model can end a reply, and whether asking again later may help. The worker has done its own
# retries by then, so the same reply is not run again for one of these. An answer that was filtered is no fault: it ends
# as `content_filtered`, and one that was cut as `max_tokens`.
MODEL_FAULTS: Final[dict[str, bool]] = {
    "provider_throttled": True,
    "provider_unavailable": True,
    "provider_timeout": True,
    "first_token_late": True,
    "model_stalled": True,
    "reply_too_long": True,
    "provider_refused": False,
    "aws_credentials": False,
    "llm_unavailable": False,
    "model_malformed": False,
    "model_context_full": False,
}
