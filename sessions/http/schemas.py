"""The bodies of the HTTP API, as typed models; strict: unknown fields and other types are refused by name."""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from sessions.lifecycle import NEVER

Data = TypeVar("Data")
MAX_TIMEOUT_SECONDS = 86_400

CHANNEL_EMPTY_FAULT = "channel_empty"


def _not_blank(value: object) -> object:
    if value is None or (isinstance(value, str) and not value.strip()):
        raise PydanticCustomError(CHANNEL_EMPTY_FAULT, "channel empty")
    return value


ChannelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_-]{1,64}$", description="letters, digits, _ and -"),
    BeforeValidator(_not_blank),
]
Uid = Annotated[int, Field(ge=0, le=4_294_967_295, description="uint32; 0 or absent: one is chosen")]
RequestId = Annotated[str, Field(max_length=128, description="for tracing only")]


class StrictBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    request_id: RequestId = ""


class GenerateBody(StrictBody):
    channel_name: ChannelName | None = Field(default=None, description="absent: one with 128 random bits is made")
    uid: Uid = 0


class StartBody(StrictBody):
    channel_name: ChannelName
    graph_name: str = Field(max_length=64)
    user_uid: Uid | None = None
    bot_uid: Uid | None = None
    properties: dict[str, Any] = Field(default_factory=dict, description="node name -> property -> value")
    timeout: int = Field(
        default=0,
        ge=NEVER,
        le=MAX_TIMEOUT_SECONDS,
        description="idle seconds after which the session ends; 0: the server's default; -1: never",
    )
    token: str | None = Field(default=None, max_length=4_096, description="accepted and ignored")
    worker_http_server_port: int | None = Field(default=None, description="accepted and ignored")


class ChannelBody(StrictBody):
    channel_name: ChannelName


class RealtimeAccess(BaseModel):
    url: str
    client_secret: str
    expires_at: int = Field(description="seconds since 1970")


class Generated(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    app_id: str | None = Field(alias="appId")
    channel_name: str
    uid: int
    token: str | None = Field(description="Agora RTC token, null without an Agora app")
    realtime: RealtimeAccess


class StartedSession(BaseModel):
    session_id: str
    channel_name: str


class ListedSession(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    channel_name: str = Field(alias="channelName")
    created_at: int = Field(alias="createTs", description="seconds since 1970")
    graph_name: str
    session_id: str


class ListedGraph(BaseModel):
    name: str
    uuid: str
    auto_start: bool
    description: str
    languages: list[str]


class Envelope(BaseModel, Generic[Data]):
    code: Literal["0"]
    msg: str
    data: Data


class FaultyField(BaseModel):
    field: str


class ErrorEnvelope(BaseModel):
    code: str
    msg: str
    data: FaultyField | None


class ExpiresAfter(BaseModel):
    model_config = ConfigDict(strict=True)

    anchor: Literal["created_at"] = "created_at"
    seconds: int = Field(default=600, ge=10, le=7_200, description="a secret lives 600 seconds at most")


class ClientSecretBody(BaseModel):
    """OpenAI's clients send more than we know, so unknown fields pass here."""

    model_config = ConfigDict(strict=True)

    expires_after: ExpiresAfter = Field(default_factory=ExpiresAfter)
    session: dict[str, Any] = Field(default_factory=dict)


class ClientSecret(BaseModel):
    value: str
    expires_at: int
    session: dict[str, Any]


class OpenAiFault(BaseModel):
    type: str
    code: str
    message: str
    param: str | None


class OpenAiErrorBody(BaseModel):
    error: OpenAiFault
