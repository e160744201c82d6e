"""Owns what the emulator is told to answer: plans, their queues and the settings; sends nothing itself."""

import re
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Json = dict[str, Any]

DEFAULT_ENGLISH_REPLY = 'You said "{last_words}". Please tell me a little more about that.'
DEFAULT_CHINESE_REPLY = "你刚才说到{last_words}，我明白了。请再多告诉我一点，好吗？"
DEFAULT_AMPLITUDE = 0.5
DEFAULT_TOOL_REPLY = "The tool answered {tool_result}. Is there anything else?"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class PlannedError(_Strict):
    """An answer with an HTTP status instead of a stream; status and message default to the service's own."""

    type: str
    message: str | None = None
    status: int | None = None


class Plan(_Strict):
    """`match` names facts of the call, texts as regular expressions; `times` is how many calls it serves."""

    match: dict[str, str | int] = Field(default_factory=dict)
    times: int = Field(default=1, ge=1)
    error: PlannedError | None = None

    def fits(self, facts: Json) -> bool:
        return all(name in facts and _matches(wanted, facts[name]) for name, wanted in self.match.items())


class BedrockFault(_Strict):
    """Happens in place of event number `at_event` (0 is messageStart)."""

    at_event: int = Field(default=0, ge=0)
    kind: Literal["exception", "reset", "stall", "end", "cut", "bad_crc", "garbage"]
    exception: str = "modelStreamErrorException"
    message: str | None = None


class ToolUse(_Strict):
    name: str
    input: Any = Field(default_factory=dict)
    raw_input: str | None = None
    id: str | None = None


class Block(_Strict):
    """One content block: exactly one of the two."""

    text: str | None = None
    tool_use: ToolUse | None = None


class BedrockPlan(Plan):
    text: str | None = None
    deltas: list[str] | None = None
    content: list[Block] | None = None
    tool_use: ToolUse | None = None
    events: list[Json] | None = None
    stop_reason: str | None = None
    headers_ms: float | None = Field(default=None, ge=0)
    first_token_ms: float = Field(default=0, ge=0)
    token_ms: float = Field(default=0, ge=0)
    usage: dict[str, int] | None = None
    metadata: bool = True
    drip_bytes: int | None = Field(default=None, ge=1)
    fault: BedrockFault | None = None


class PollyFault(_Strict):
    at_bytes: int = Field(default=0, ge=0)
    kind: Literal["reset", "stall", "end", "cut"]


class PollyPlan(Plan):
    """`pace` is how many times faster than real time the sound leaves; 0 is all at once."""

    first_byte_ms: float = Field(default=0, ge=0)
    pace: float = Field(default=0, ge=0)
    ms_per_character: float = Field(default=60, ge=0)
    duration_ms: float | None = Field(default=None, ge=0)
    tone_hz: int | None = Field(default=None, ge=1)
    amplitude: float = Field(default=DEFAULT_AMPLITUDE, ge=0, le=1)
    content_type: str | None = None
    fault: PollyFault | None = None

    def spoken_ms(self, characters: int) -> float:
        return characters * self.ms_per_character if self.duration_ms is None else self.duration_ms


class ScriptedItem(_Strict):
    content: str
    stable: bool | None = None
    type: Literal["pronunciation", "punctuation"] = "pronunciation"
    start_ms: float | None = None
    end_ms: float | None = None


class ScriptedResult(_Strict):
    """Sent when the stream has received `at_audio_ms` of sound, `delay_ms` later on the clock."""

    at_audio_ms: float = Field(ge=0)
    text: str
    is_partial: bool = False
    delay_ms: float = Field(default=0, ge=0)
    result_id: str | None = None
    items: list[ScriptedItem] | None = None
    start_ms: float | None = None
    end_ms: float | None = None
    alternatives: bool = True


class TranscribeFault(_Strict):
    at_audio_ms: float = Field(default=0, ge=0)
    kind: Literal["exception", "end", "reset", "cut", "goaway", "reset_stream", "bad_crc", "garbage", "silence"]
    exception: str = "InternalFailureException"
    message: str | None = None


class TranscribePlan(Plan):
    """Without `results`, speech is found by its energy and each utterance takes the next text.

    With a `vocabulary` the words are in the sound: see tone_words.
    """

    handshake_ms: float = Field(default=0, ge=0)
    results: list[ScriptedResult] | None = None
    texts: list[str] | None = None
    text: str | None = None
    vocabulary: list[str] | None = None
    final_ms: float = Field(default=400, ge=0)
    stable_ms: float | None = Field(default=None, ge=0)
    partials: bool = True
    ms_per_word: float = Field(default=250, gt=0)
    threshold_dbfs: float = -45
    min_speech_ms: float = Field(default=60, ge=0)
    faults: list[TranscribeFault] = Field(default_factory=list)


class Settings(_Strict):
    """Limits are those of the service; None switches one off. Quotas are off until a test sets them."""

    accept_unknown_keys: bool = False
    expired_keys: list[str] = Field(default_factory=list)
    keep_audio: bool = True
    record_pids: bool = False
    bedrock_model_pattern: str = r"amazon\.nova|anthropic\.|meta\.|mistral\.|^arn:aws"
    bedrock_requests_per_second: float | None = Field(default=None, gt=0)
    polly_requests_per_second: float | None = Field(default=None, gt=0)
    polly_concurrent: int | None = Field(default=None, ge=1)
    transcribe_streams: int | None = Field(default=None, ge=1)
    transcribe_starts_per_second: float | None = Field(default=None, gt=0)
    transcribe_idle_seconds: float = Field(default=15, gt=0)
    transcribe_stream_seconds: float = Field(default=4 * 3600, gt=0)


class Defaults(_Strict):
    bedrock: BedrockPlan = Field(default_factory=BedrockPlan)
    polly: PollyPlan = Field(default_factory=PollyPlan)
    polly_marks: PollyPlan = Field(default_factory=PollyPlan)
    transcribe: TranscribePlan = Field(default_factory=TranscribePlan)


class ScriptUpdate(_Strict):
    """The body of POST /_script: queues grow, defaults and settings change only the fields that are named."""

    bedrock: list[BedrockPlan] = Field(default_factory=list)
    polly: list[PollyPlan] = Field(default_factory=list)
    polly_marks: list[PollyPlan] = Field(default_factory=list)
    transcribe: list[TranscribePlan] = Field(default_factory=list)
    texts: list[str] = Field(default_factory=list)
    defaults: Defaults = Field(default_factory=Defaults)
    settings: Settings = Field(default_factory=Settings)


PlanT = TypeVar("PlanT", bound=Plan)
ModelT = TypeVar("ModelT", bound=BaseModel)


class PlanQueue(Generic[PlanT]):
    """Plans for coming calls; the first that fits a call is laid over the default and used up.

    With none waiting, `choose` is asked for one (only in the emulator's own process).
    """

    def __init__(self, default: PlanT) -> None:
        self.default = default
        self.waiting: deque[PlanT] = deque(maxlen=10_000)
        self.choose: Callable[[Json], PlanT | None] | None = None
        self._calls = 0

    def take(self, facts: Json) -> PlanT:
        self._calls += 1
        known = {**facts, "call": self._calls}
        plan = next((plan for plan in self.waiting if plan.fits(known)), None)
        if plan is None:
            chosen = self.choose(known) if self.choose is not None else None
            return self.default if chosen is None else overlay(self.default, chosen)
        if plan.times > 1:
            plan.times -= 1
        else:
            self.waiting.remove(plan)
        return overlay(self.default, plan)


class Script:
    """Everything the emulator was told; `texts` serve utterances of all streams, in the order they begin."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.bedrock = PlanQueue(BedrockPlan())
        self.polly = PlanQueue(PollyPlan())
        self.polly_marks = PlanQueue(PollyPlan())
        self.transcribe = PlanQueue(TranscribePlan())
        self.texts: deque[str] = deque(maxlen=10_000)
        self.settings = Settings()

    def apply(self, update: ScriptUpdate) -> None:
        self.bedrock.waiting.extend(update.bedrock)
        self.polly.waiting.extend(update.polly)
        self.polly_marks.waiting.extend(update.polly_marks)
        self.transcribe.waiting.extend(update.transcribe)
        self.texts.extend(update.texts)
        self.bedrock.default = overlay(self.bedrock.default, update.defaults.bedrock)
        self.polly.default = overlay(self.polly.default, update.defaults.polly)
        self.polly_marks.default = overlay(self.polly_marks.default, update.defaults.polly_marks)
        self.transcribe.default = overlay(self.transcribe.default, update.defaults.transcribe)
        self.settings = overlay(self.settings, update.settings)

    def state(self) -> Json:
        return {
            "bedrock": [plan.model_dump(exclude_unset=True) for plan in self.bedrock.waiting],
            "polly": [plan.model_dump(exclude_unset=True) for plan in self.polly.waiting],
            "polly_marks": [plan.model_dump(exclude_unset=True) for plan in self.polly_marks.waiting],
            "transcribe": [plan.model_dump(exclude_unset=True) for plan in self.transcribe.waiting],
            "texts": list(self.texts),
            "defaults": {
                "bedrock": self.bedrock.default.model_dump(),
                "polly": self.polly.default.model_dump(),
                "polly_marks": self.polly_marks.default.model_dump(),
                "transcribe": self.transcribe.default.model_dump(),
            },
            "settings": self.settings.model_dump(),
        }


def overlay(base: ModelT, changes: ModelT) -> ModelT:
    named = {name: getattr(changes, name) for name in changes.model_fields_set}
    return base.model_copy(update=named)


def _matches(wanted: str | int, value: Any) -> bool:
    if isinstance(wanted, str) and isinstance(value, str):
        return re.search(wanted, value) is not None
    return bool(wanted == value)
