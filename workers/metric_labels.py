"""What metrics are made with: buckets, and labels whose values are bounded; what nobody expected counts as `other`."""

from collections.abc import Iterable
from typing import Final, Generic, TypeVar

from prometheus_client import Counter, disable_created_metrics
from prometheus_client.metrics import MetricWrapperBase

disable_created_metrics()  # type: ignore[no-untyped-call]

Metric = TypeVar("Metric", bound=MetricWrapperBase)
OTHER: Final = "other"
QUICK_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)
DELAY_SECONDS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
LONG_SECONDS: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 45.0)

TASKS: Final = ("generate_reply", "synthesize_speech", "compress_frame")
TASK_OUTCOMES: Final = ("done", "failed", "cancelled", "expired")
PROVIDERS: Final = ("bedrock", "polly", "transcribe")
MODELS: Final = ("nova-2-lite", "nova-2-pro", "nova-micro", "nova-lite", "nova-pro", "nova-premier")
ENGINES: Final = ("generative", "long-form", "neural", "standard")
STOP_REASONS: Final = ("end_turn", "max_tokens", "tool_use", "content_filtered", "stop_sequence", "cancelled")
ERROR_CODES: Final = (
    "aws_credentials",
    "first_token_late",
    "image_rejected",
    "internal",
    "llm_unavailable",
    "model_context_full",
    "model_malformed",
    "model_stalled",
    "provider_failed",
    "provider_refused",
    "provider_throttled",
    "provider_timeout",
    "provider_unavailable",
    "publish_queue_full",
    "reply_too_long",
    "request_expired",
    "speech_gap",
    "speech_throttled",
    "streams_unavailable",
    "stt_busy",
    "stt_closed",
    "stt_credentials",
    "stt_idle",
    "stt_slow",
    "stt_stalled",
    "worker_lost",
)


class Bounded(Generic[Metric]):
    """The children of a metric by its only label, so that an observation is one look into a table.

    Children of a counter are there from the start, at 0; a histogram's come with the first observation.
    """

    def __init__(self, metric: Metric, values: Iterable[str]) -> None:
        self.metric = metric
        self._values = frozenset(values)
        self._children: dict[str, Metric] = {}
        if isinstance(metric, Counter):
            for value in sorted(self._values):
                self.of(value)

    def of(self, value: str) -> Metric:
        child = self._children.get(value)
        if child is None:
            known = value if value in self._values else OTHER
            child = self._children[known] = self.metric.labels(known)
        return child


def bounded(value: str, values: Iterable[str]) -> str:
    return value if value in values else OTHER


def model_name(model_id: str) -> str:
    """`us.amazon.nova-pro-v1:0` is `nova-pro`; a model that is none of Nova's is `other`."""
    return next((name for name in MODELS if name in model_id), OTHER)


def error_code(code: str) -> str:
    return bounded(code, ERROR_CODES)
