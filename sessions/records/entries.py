"""What stands on the records stream, typed: turns, what was heard after all, decisions, connections; usage, events beside."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter

from sessions.live.turn_taking.log import KEPT_LINES

MAX_ID = 64
MAX_PARTS = 1_000


def clean(value: Any) -> Any:
    """Without what PostgreSQL's text and JSON refuse: the NUL character and halves of surrogate pairs."""
    match value:
        case str():
            return value.replace("\x00", "").encode("utf-8", "replace").decode()
        case list():
            return [clean(each) for each in value]
        case dict():
            return {clean(name): clean(each) for name, each in value.items()}
        case _:
            return value


def _cut(characters: int) -> AfterValidator:
    return AfterValidator(lambda text: text[:characters])


Text = Annotated[str, BeforeValidator(clean)]
Values = Annotated[dict[str, Any], BeforeValidator(clean)]
Id = Annotated[str, Field(max_length=MAX_ID)]
Code = Annotated[Text, _cut(64)]
Name = Annotated[Text, _cut(128)]
ModelName = Annotated[Text, _cut(200)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Milliseconds = Annotated[float, Field(allow_inf_nan=False)]
Usd = Annotated[str, Field(pattern=r"^-?\d{1,8}(\.\d+)?(E-\d{1,2})?$")]


class _Entry(BaseModel):
    """Times are ISO 8601 with a zone, or (milli)seconds since 1970. Fields of a newer release are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class UsageEntry(_Entry):
    usage_id: str = Field(min_length=1, max_length=160)
    reply_id: Id = ""
    at: AwareDatetime
    service: Literal["speech_to_text", "language_model", "text_to_speech"]
    provider: Name
    model: ModelName = ""
    purpose: Literal["talk", "speculation", "retry"] = "talk"
    seconds: Milliseconds = 0
    billed_seconds: Milliseconds = 0
    input_tokens: Count = 0
    cached_input_tokens: Count = 0
    picture_tokens: Count = 0
    output_tokens: Count = 0
    characters: Count = 0
    word_mark_characters: Count = 0
    is_estimated: bool = False
    estimated_usd: Usd = "0"
    cost_usd: Usd = "0"
    price_version: Annotated[Text, _cut(32)] = ""


class EventEntry(_Entry):
    event_id: str = Field(min_length=1, max_length=128)
    reply_id: Id = ""
    at: AwareDatetime
    kind: Annotated[Text, _cut(32)]
    code: Code = ""
    text: Text = ""
    details: Values = Field(default_factory=dict)


class ToolEntry(_Entry):
    number: int = Field(ge=0, le=1_000)
    tool_use_id: Name
    name: Name
    arguments: Values = Field(default_factory=dict)
    runs_at: Annotated[Text, _cut(16)]
    is_error: bool | None = None
    result_bytes: Count | None = None
    lasted_ms: Milliseconds | None = None
    called_at: AwareDatetime


class ReplyEntry(_Entry):
    status: Annotated[Text, _cut(32)] = ""
    reason: Code = ""
    error_text: Text = ""
    is_speculative: bool = False
    attempts: int = Field(default=1, ge=0, le=100)
    model_id: ModelName = ""
    voice: Code = ""
    engine: Code = ""
    generated_text: Text = ""
    synthesised_text: Text = ""
    sent_text: Text = ""
    asked_at: AwareDatetime | None = None
    sent_ms: Milliseconds = 0
    heard_ms: Milliseconds = 0


class Record(_Entry):
    """What every entry may carry beside its own matter."""

    session_id: Id
    generation: int = Field(default=0, ge=0, lt=2**63)
    usages: list[UsageEntry] = Field(default_factory=list, max_length=MAX_PARTS)
    events: list[EventEntry] = Field(default_factory=list, max_length=MAX_PARTS)


class TurnRecord(Record):
    kind: Literal["turn"] = "turn"
    turn_id: str = Field(min_length=1, max_length=MAX_ID)
    reply_id: Id = ""
    graph_name: Annotated[Text, _cut(64)] = ""
    user_text: Text = ""
    reply_text: Text = ""
    heard_text: Text = ""
    status: Annotated[Text, _cut(32)] = ""
    started_at: AwareDatetime
    paused_at: AwareDatetime | None = None
    ended_at: AwareDatetime | None = None
    delays: dict[Code, Milliseconds] = Field(default_factory=dict)
    speculations: Count = 0
    dropped_speculations: Count = 0
    error_code: Code = ""
    reply: ReplyEntry | None = None
    tools: list[ToolEntry] = Field(default_factory=list, max_length=MAX_PARTS)
    frames: list[Values] = Field(default_factory=list, max_length=MAX_PARTS)


class HeardRecord(Record):
    """A reply was cut off after its end had been recorded: this is what was really heard of it."""

    kind: Literal["heard"]
    reply_id: Id
    heard_text: Text


class DecisionsRecord(Record):
    """Lines of the turn engine's log as sessions.live.turn_taking.log writes them."""

    kind: Literal["decisions"]
    started_at: AwareDatetime | None = None
    lines: list[Values] = Field(min_length=1, max_length=KEPT_LINES)


class ConnectionRecord(Record):
    """A client's socket was opened or lost."""

    kind: Literal["connection"]
    connected_at: AwareDatetime | None = None
    disconnected_at: AwareDatetime | None = None
    providers: Values = Field(default_factory=dict)


class MoreRecord(Record):
    """Usage and events that no turn could take along."""

    kind: Literal["more"]


AnyRecord = TurnRecord | HeardRecord | DecisionsRecord | ConnectionRecord | MoreRecord
_ADAPTER: TypeAdapter[AnyRecord] = TypeAdapter(Annotated[AnyRecord, Field(discriminator="kind")])


def read_record(body: bytes | str) -> AnyRecord:
    """Raises ValueError (pydantic.ValidationError is one) for what is no record."""
    return _ADAPTER.validate_python(json.loads(body))
