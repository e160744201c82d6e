"""The figures of a worker process, as Prometheus names; imports prometheus_client only. docs/metrics.md lists them all."""

from typing import Final

from prometheus_client import Counter, Histogram

from workers.metric_labels import (
    DELAY_SECONDS,
    ENGINES,
    LONG_SECONDS,
    MODELS,
    PROVIDERS,
    QUICK_SECONDS,
    STOP_REASONS,
    TASK_OUTCOMES,
    TASKS,
    Bounded,
    bounded,
    error_code,
    model_name,
)

# --- tasks ------------------------------------------------------------------------------------------------------------

TASKS_ENDED: Final = Counter("nova_tasks_total", "Tasks that have ended", ["task", "outcome"])
TASK_SECONDS: Final = Bounded(
    Histogram("nova_task_seconds", "One task, its wait for its request included", ["task"], buckets=LONG_SECONDS), TASKS
)
TASK_QUEUE_SECONDS: Final = Bounded(
    Histogram("nova_task_queue_seconds", "Age of a task when a worker begins it", ["task"], buckets=QUICK_SECONDS),
    TASKS,
)
WORKER_LOOP_LAG_SECONDS: Final = Histogram(
    "nova_worker_loop_lag_seconds",
    "How late the worker's loop wakes: every voice of it waits so",
    buckets=QUICK_SECONDS,
)

# --- outside calls ----------------------------------------------------------------------------------------------------

PROVIDER_ERRORS: Final = Counter(
    "nova_provider_errors_total", "Failed calls of an outside service, retried ones included", ["provider", "code"]
)
PROVIDER_RETRIES: Final = Bounded(
    Counter("nova_provider_retries_total", "Calls made again before anything came", ["provider"]), PROVIDERS
)

# --- the model --------------------------------------------------------------------------------------------------------

MODEL_FIRST_TOKEN_SECONDS: Final = Bounded(
    Histogram("nova_model_first_token_seconds", "Asked to the first word", ["model"], buckets=DELAY_SECONDS), MODELS
)
MODEL_TOKENS: Final = Counter("nova_model_tokens_total", "Tokens, as the model counted them", ["model", "direction"])
MODEL_STOPS: Final = Bounded(
    Counter("nova_model_stops_total", "Why the model ended its answers", ["reason"]), STOP_REASONS
)
MODEL_FALL_BACKS: Final = Counter("nova_model_fall_backs_total", "Answers that the second model was asked for")
MODEL_CIRCUITS_OPENED: Final = Counter(
    "nova_model_circuits_opened_total", "Times a model was given a rest after failing again and again"
)
TOOL_CALLS: Final = Counter("nova_tool_calls_total", "Calls of tools that a worker runs", ["tool", "outcome"])

# --- the voice --------------------------------------------------------------------------------------------------------

VOICE_FIRST_BYTE_SECONDS: Final = Bounded(
    Histogram("nova_voice_first_byte_seconds", "Asked to the first sound", ["engine"], buckets=DELAY_SECONDS), ENGINES
)
VOICE_CHARACTERS: Final = Counter(
    "nova_voice_characters_total", "Characters billed, speech and word times apart", ["engine", "purpose"]
)
VOICE_ENGINE_FALL_BACKS: Final = Counter(
    "nova_voice_engine_fall_backs_total", "Times a voice was found to lack its engine", ["wanted", "used"]
)
VOICE_THROTTLED: Final = Bounded(
    Counter("nova_voice_throttled_total", "Calls that Polly refused for its quota", ["engine"]), ENGINES
)
VOICE_PLACE_WAIT_SECONDS: Final = Histogram(
    "nova_voice_place_wait_seconds", "Wait of a call for its place under Polly's quota", buckets=QUICK_SECONDS
)
VOICE_PLACES_REFUSED: Final = Counter("nova_voice_places_refused_total", "Calls given up because no place came free")
PHRASES: Final = Bounded(
    Counter("nova_phrases_total", "Fixed phrases looked for among the kept ones", ["result"]), ("kept", "made")
)


def count_provider_error(provider: str, code: str) -> None:
    PROVIDER_ERRORS.labels(bounded(provider, PROVIDERS), error_code(code)).inc()


def count_task_end(task: str, outcome: str) -> None:
    TASKS_ENDED.labels(bounded(task, TASKS), bounded(outcome, TASK_OUTCOMES)).inc()


def count_answer(model_id: str, stop_reason: str, first_token_ms: float, input_tokens: int, output_tokens: int) -> None:
    """One reply of the model, all its rounds together."""
    model = model_name(model_id)
    if first_token_ms > 0:
        MODEL_FIRST_TOKEN_SECONDS.of(model).observe(first_token_ms / 1_000)
    MODEL_TOKENS.labels(model, "input").inc(input_tokens)
    MODEL_TOKENS.labels(model, "output").inc(output_tokens)
    MODEL_STOPS.of(stop_reason).inc()


def count_engine_fall_back(wanted: str, used: str) -> None:
    VOICE_ENGINE_FALL_BACKS.labels(bounded(wanted, ENGINES), bounded(used, ENGINES)).inc()


def count_characters(engine: str, purpose: str, characters: int) -> None:
    kind = "word_marks" if purpose == "word_marks" else "speech"
    VOICE_CHARACTERS.labels(bounded(engine, ENGINES), kind).inc(characters)
