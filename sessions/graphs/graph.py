"""A graph: the named set-up of an agent, overrides checked by name, and the configuration it yields."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sessions.graphs import languages
from sessions.graphs.properties import (
    AgoraRtcProperties,
    LlmProperties,
    NoProperties,
    Properties,
    SttProperties,
    TenLlmProperties,
    TenSttProperties,
    TenTtsProperties,
    TtsProperties,
    TurnsProperties,
    VisionProperties,
    VoiceLlmProperties,
    WatchProperties,
)
from sessions.live.config import SessionConfig, TurnSettings, VisionSettings, WatchSettings
from sessions.settings import WebSettings
from workers.errors import BadInputError
from workers.language_model.contract import ModelOptions, ToolSpec
from workers.language_model.model_table import model_facts
from workers.prices import price_table
from workers.text_to_speech.contract import VoiceOptions
from workers.text_to_speech.polly_voices import is_known, language_of_voice, mismatch
from workers.tools.catalog import tool_specs
from workers.tools.look import LOOK

Overrides = Mapping[str, Any]
Limit = TypeVar("Limit", int, float)
BAD_PROPERTIES = "10100"

log = structlog.get_logger(__name__)


class VoiceNodes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    stt: SttProperties = SttProperties()
    llm: VoiceLlmProperties = VoiceLlmProperties()
    tts: TtsProperties = TtsProperties()
    turns: TurnsProperties = TurnsProperties()
    vision: VisionProperties = VisionProperties()
    watch: WatchProperties = WatchProperties()

    def turn_settings(self, settings: WebSettings) -> TurnSettings:
        wanted = self.turns.model_dump()
        wanted["backchannel_words"] = tuple(wanted["backchannel_words"])
        wanted["speculation"] = settings.speculation if wanted["speculation"] is None else wanted["speculation"]
        return TurnSettings(**wanted)

    def filler_ms(self, settings: WebSettings) -> int:
        return settings.filler_ms if self.llm.filler_ms is None else self.llm.filler_ms

    def vision_properties(self) -> VisionProperties:
        return self.vision

    def watch_settings(self) -> WatchSettings | None:
        return WatchSettings(**self.watch.model_dump()) if self.watch.question.strip() else None

    def tool_names(self) -> list[str]:
        return self.llm.tools


class TenNodes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    agora_rtc: AgoraRtcProperties = AgoraRtcProperties()
    stt: TenSttProperties = TenSttProperties()
    llm: TenLlmProperties = TenLlmProperties()
    tts: TenTtsProperties = TenTtsProperties()
    interrupt_detector: NoProperties = NoProperties()
    message_collector: NoProperties = NoProperties()

    def turn_settings(self, settings: WebSettings) -> TurnSettings:
        return TurnSettings(speculation=settings.speculation)

    def filler_ms(self, settings: WebSettings) -> int:
        return settings.filler_ms

    def vision_properties(self) -> VisionProperties:
        return VisionProperties()

    def watch_settings(self) -> WatchSettings | None:
        return None

    def tool_names(self) -> list[str]:
        return []


Nodes = VoiceNodes | TenNodes


class _Graph(BaseModel):
    """`locked` are properties ("llm.model") that the operator's file may set and a client may not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str
    languages: tuple[str, ...] = ("en-US", "zh-CN")
    locked: tuple[str, ...] = ("llm.model",)
    user_uid: int = 123
    bot_uid: int = 1234
    nodes: Nodes

    def checked(self, overrides: Overrides) -> dict[str, dict[str, Any]]:
        """The overrides, refused by dotted name (BadInputError) or fit to be kept and used."""
        checked: dict[str, dict[str, Any]] = {}
        for node, properties in overrides.items():
            current = self._node(node)
            if not isinstance(properties, Mapping):
                raise _refusal(f"properties.{node}", "must be an object of properties")
            for name in properties:
                self._check_settable(node, current, name)
            _merged(node, current, properties)
            checked[node] = dict(properties)
        return checked

    def with_operator_properties(self, properties: Overrides) -> Self:
        """This graph with an operator's properties, which may be locked ones too. Raises BadInputError."""
        merged: dict[str, Properties] = {}
        for node, values in properties.items():
            current = self._node(node)
            if not isinstance(values, Mapping):
                raise _refusal(f"properties.{node}", "must be an object of properties")
            for name in values:
                if name not in _names(current):
                    raise _refusal(f"properties.{node}.{name}", "there is no such property")
            merged[node] = _merged(node, current, values)
        return self.model_copy(update={"nodes": self.nodes.model_copy(update=merged)})

    def inert_names(self, checked: dict[str, dict[str, Any]]) -> list[str]:
        """Dotted names of checked overrides that have no effect on this server."""
        return [
            f"{node}.{name}"
            for node, properties in checked.items()
            for name in properties
            if self._node(node).marker(_names(self._node(node))[name]) is not None
        ]

    def without_unknown(self, overrides: Overrides) -> tuple[dict[str, dict[str, Any]], list[str]]:
        """The overrides that a client may set here, and the dotted names of all others."""
        known: dict[str, dict[str, Any]] = {}
        ignored: list[str] = []
        for node, properties in overrides.items():
            if node not in type(self.nodes).model_fields or not isinstance(properties, Mapping):
                ignored.append(node)
                continue
            settable, refused = self._split(node, properties)
            known[node] = settable
            ignored.extend(refused)
        return known, ignored

    def session_config(self, overrides: Overrides, settings: WebSettings) -> SessionConfig:
        """Merge by node, then by property; the settings give the rest. Raises BadInputError."""
        nodes = self._merge(self.checked(overrides))
        heard, voice = _languages(nodes, settings)
        return SessionConfig(
            graph_name=self.name,
            instructions=nodes.llm.prompt or languages.default_prompt(voice.language),
            greeting=_greeting(nodes.llm, voice.language),
            not_heard=languages.not_heard(voice.language),
            model=_model_options(nodes, voice, settings),
            voice=voice,
            listening_language=heard,
            turns=nodes.turn_settings(settings),
            vision=_vision(nodes, settings),
            watch=nodes.watch_settings(),
            tools=_tools(nodes, settings),
            max_history_messages=nodes.llm.max_memory_length,
            is_memory_enabled=nodes.llm.is_memory_enabled,
            filler_ms=nodes.filler_ms(settings),
        )

    def _node(self, node: str) -> Properties:
        nodes = self.nodes
        if node not in type(nodes).model_fields:
            raise _refusal(f"properties.{node}", f"graph {self.name} has no such node")
        properties: Properties = getattr(nodes, node)
        return properties

    def _check_settable(self, node: str, current: Properties, name: str) -> None:
        names = _names(current)
        dotted = f"properties.{node}.{name}"
        if name not in names:
            raise _refusal(dotted, "there is no such property")
        marker = current.marker(names[name])
        if f"{node}.{name}" in self.locked or (marker is not None and marker.kind == "refused"):
            raise _refusal(dotted, "not allowed to be set by clients")

    def _split(self, node: str, properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
        settable: dict[str, Any] = {}
        refused: list[str] = []
        for name, value in properties.items():
            try:
                self._check_settable(node, self._node(node), name)
                settable[name] = value
            except BadInputError:
                refused.append(f"{node}.{name}")
        return settable, refused

    def _merge(self, overrides: dict[str, dict[str, Any]]) -> Nodes:
        merged = {node: _merged(node, self._node(node), properties) for node, properties in overrides.items()}
        return self.nodes.model_copy(update=merged)


class VoiceGraph(_Graph):
    layout: Literal["voice"]
    nodes: VoiceNodes


class TenGraph(_Graph):
    layout: Literal["ten"]
    nodes: TenNodes


Graph = VoiceGraph | TenGraph


def _names(properties: Properties) -> dict[str, str]:
    """Public property name -> field name."""
    return {item.alias or name: name for name, item in type(properties).model_fields.items()}


def _merged(node: str, current: Properties, overrides: Mapping[str, Any]) -> Properties:
    values = {**current.model_dump(by_alias=True, exclude_unset=True), **overrides}
    try:
        return type(current).model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        raise _refusal(f"properties.{node}.{first['loc'][0]}", first["msg"]) from error


def _refusal(dotted_name: str, reason: str) -> BadInputError:
    return BadInputError(f"{dotted_name}: {reason}", field=dotted_name, code=BAD_PROPERTIES)


def _languages(nodes: Nodes, settings: WebSettings) -> tuple[str, VoiceOptions]:
    """What is heard and what is spoken; whichever is not given follows the other."""
    spoken_wanted = nodes.tts.lang_code
    if spoken_wanted is None and nodes.stt.lang_code is None and nodes.tts.voice is not None:
        spoken_wanted = language_of_voice(nodes.tts.voice, languages.spoken_language(settings.language))
    default_heard = languages.heard_language(spoken_wanted) if spoken_wanted else settings.language
    heard = nodes.stt.lang_code or default_heard
    voice = _voice(nodes.tts, spoken_wanted or languages.spoken_language(heard), settings)
    if (fault := mismatch(voice)) is not None:
        raise _refusal(f"properties.tts.{fault[0]}", fault[1])
    if not is_known(voice.voice):
        log.warning("voice_unknown", voice=voice.voice, engine=voice.engine, language=voice.language)
    return heard, voice


def _voice(tts: TtsProperties, language: str, settings: WebSettings) -> VoiceOptions:
    if tts.voice is not None:
        engine = tts.engine or languages.engine_of_voice(tts.voice) or settings.engine
        return VoiceOptions(tts.voice, engine, language)
    if language == languages.spoken_language(settings.language):
        return VoiceOptions(settings.voice, tts.engine or settings.engine, language)
    default = languages.DEFAULT_VOICES.get(language)
    if default is None:
        raise _refusal("properties.tts.voice", f"there is no default voice for {language}; name one")
    return VoiceOptions(default.voice, tts.engine or default.engine, language)


def _greeting(llm: LlmProperties, language: str) -> str:
    """An empty greeting is a wish too: the agent then waits for the user."""
    return languages.default_greeting(language) if llm.greeting is None else llm.greeting


def _model_options(nodes: Nodes, voice: VoiceOptions, settings: WebSettings) -> ModelOptions:
    return ModelOptions(
        model=nodes.llm.model or settings.model_id,
        max_tokens=nodes.llm.max_tokens,
        temperature=nodes.llm.temperature,
        top_p=nodes.llm.top_p,
        top_k=nodes.llm.top_k,
        language=languages.heard_language(voice.language),
    )


def _vision(nodes: Nodes, settings: WebSettings) -> VisionSettings:
    """The interval that was asked for comes first; the bounds that it may adapt in make room for it."""
    wanted = nodes.vision_properties()
    interval_ms = wanted.frame_interval_ms or math.ceil(settings.video_frame_interval_seconds * 1_000)
    fastest_ms = wanted.fastest_interval_ms or settings.vision.fastest_interval_ms
    slowest_ms = wanted.slowest_interval_ms or settings.vision.slowest_interval_ms
    return VisionSettings(
        enabled=wanted.enabled and nodes.llm.is_enable_video,
        frame_interval_ms=interval_ms,
        fastest_interval_ms=min(fastest_ms, interval_ms),
        slowest_interval_ms=max(slowest_ms, interval_ms),
        frames_per_turn=wanted.frames_per_turn,
        max_side_px=wanted.max_side_px,
        frames=wanted.frames,
        history_mosaics=wanted.history_mosaics,
        tokens_per_minute=_smaller(wanted.tokens_per_minute, settings.vision.tokens_per_minute),
        tokens_per_session=_smaller(wanted.tokens_per_session, settings.vision.tokens_per_session),
        usd_per_session=_smaller(wanted.usd_per_session, settings.vision.usd_per_session),
        usd_per_million_tokens=_token_price_usd(nodes, settings),
    )


def _token_price_usd(nodes: Nodes, settings: WebSettings) -> float | None:
    """For a million tokens of pictures; None for a model whose price is not known."""
    price = price_table(settings.vision.prices_path).language_model(nodes.llm.model or settings.model_id)
    return float(price.input_usd) if price.is_known else None


def _smaller(wanted: Limit | None, most: Limit | None) -> Limit | None:
    """A client may bound its session more than the server does, never less."""
    given = [limit for limit in (wanted, most) if limit is not None]
    return min(given) if given else None


def _tools(nodes: Nodes, settings: WebSettings) -> tuple[ToolSpec, ...]:
    """A model without eyes is not offered to look."""
    model, vision = nodes.llm.model or settings.model_id, nodes.vision_properties()
    can_look = vision.enabled and nodes.llm.is_enable_video and model_facts(model).sees
    names = [name for name in nodes.tool_names() if name != LOOK or can_look]
    try:
        return tuple(tool_specs(names))
    except BadInputError as error:
        raise _refusal("properties.llm.tools", error.text) from error
