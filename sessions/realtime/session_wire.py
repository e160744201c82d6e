"""The protocol's session object from the effective configuration, and a client's wishes to changes of it."""

import re
from dataclasses import replace
from typing import Any

from sessions.live.changes import joined_tools
from sessions.live.config import SessionConfig, ToolChoice, TurnSettings
from sessions.live.transport import ConfigChanges
from sessions.session_fields import (
    AudioFormatName,
    AudioInput,
    AudioOutput,
    FunctionTool,
    SessionFields,
    ToolChoiceFields,
    TurnDetection,
)
from workers.errors import BadInputError
from workers.language_model.contract import FrameSource, ToolSpec
from workers.language_model.model_table import useful_side_px

Wire = dict[str, Any]
_SILENCES_MS_BY_EAGERNESS = {"low": (8_000, 800, 500), "medium": (4_000, 500, 300), "high": (2_000, 300, 200)}
"""The longest silence of a turn is the protocol's; after settled and after final words it is ours."""
_LIVE_SOURCES: tuple[FrameSource, ...] = ("camera", "screen")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,2}")
_LANGUAGE_TAGS = (
    "ar-SA cs-CZ da-DK de-DE el-GR en-US es-US fi-FI fr-FR he-IL hi-IN id-ID it-IT ja-JP "
    "ko-KR nl-NL no-NO pl-PL pt-BR ro-RO ru-RU sv-SE th-TH tr-TR uk-UA vi-VN zh-CN"
)
_COUNTRY_BY_LANGUAGE = {tag[:2]: tag[3:] for tag in _LANGUAGE_TAGS.split()}
"""Clients name a language alone ("zh"); speech services want a place with it."""


def session_to_wire(session_id: str, config: SessionConfig) -> Wire:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": config.announced_model or config.model.model,
        "instructions": config.instructions,
        "output_modalities": [config.output_modality],
        "audio": {"input": _input_to_wire(config), "output": _output_to_wire(config)},
        "tools": [_tool_to_wire(tool) for tool in config.tools if tool.runs_at == "client"],
        "tool_choice": _choice_to_wire(config.tool_choice),
        "max_output_tokens": config.model.max_tokens,
        "tracing": None,
        "truncation": "auto",
        "include": None,
        "prompt": None,
    }


def frame_sides_px(config: SessionConfig) -> Wire:
    """The longer side of a frame that is worth sending, by source: what is larger is shrunk here."""
    model, limit_px = config.model.model, config.vision.max_side_px
    return {source: useful_side_px(model, source, limit_px) for source in _LIVE_SOURCES}


def _input_to_wire(config: SessionConfig) -> Wire:
    return {
        "format": format_to_wire(config.input_format, config.input_rate_hz),
        "transcription": {"language": config.listening_language},
        "noise_reduction": None,
        "turn_detection": _turns_to_wire(config.turns),
    }


def _output_to_wire(config: SessionConfig) -> Wire:
    return {
        "format": format_to_wire(config.output_format, config.output_rate_hz),
        "voice": voice_name(config),
        "speed": 1.0,
    }


def voice_name(config: SessionConfig) -> str:
    return config.announced_voice or config.voice.voice


def format_to_wire(name: AudioFormatName, rate_hz: int) -> Wire:
    return {"type": name, "rate": rate_hz} if name == "audio/pcm" else {"type": name}


def _turns_to_wire(turns: TurnSettings) -> Wire | None:
    if turns.mode == "manual":
        return None
    common = {
        "type": turns.mode,
        "create_response": turns.creates_reply,
        "interrupt_response": turns.interrupts_reply,
    }
    if turns.mode == "semantic_vad":
        return {**common, "eagerness": _eagerness(turns.long_end_silence_ms)}
    return {
        **common,
        "threshold": turns.voice_threshold,
        "prefix_padding_ms": turns.prefix_padding_ms,
        "silence_duration_ms": turns.end_silence_ms,
        "idle_timeout_ms": turns.idle_timeout_ms,
    }


def _eagerness(long_end_silence_ms: int) -> str:
    for name in ("high", "medium"):
        if long_end_silence_ms <= _SILENCES_MS_BY_EAGERNESS[name][0]:
            return name
    return "low"


def _tool_to_wire(tool: ToolSpec) -> Wire:
    described = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", **described}


def _choice_to_wire(choice: ToolChoice) -> str | Wire:
    return {"type": "function", "name": choice.name} if choice.mode == "function" else choice.mode


def choice_from_client(wanted: ToolChoiceFields | None) -> ToolChoice | None:
    return None if wanted is None else ToolChoice(wanted.type, wanted.name or "")


def check_tool_choice(choice: ToolChoice, tools: tuple[ToolSpec, ...], place: str) -> None:
    """Raises BadInputError for a choice that these tools cannot fulfil."""
    if choice.mode == "function" and choice.name not in {tool.name for tool in tools}:
        raise BadInputError(f"there is no function {choice.name!r}", field=f"{place}.name", code="invalid_value")
    if choice.mode == "required" and not tools:
        raise BadInputError("required needs at least one function", field=place, code="invalid_value")


def tools_from_client(tools: list[FunctionTool] | None) -> tuple[ToolSpec, ...] | None:
    if tools is None:
        return None
    empty = {"type": "object", "properties": {}}
    return tuple(
        ToolSpec(tool.name, tool.description or tool.name, tool.parameters or empty, runs_at="client") for tool in tools
    )


def modality_from_client(modalities: list[Any] | None) -> Any:
    """Speech always comes with its text, so asking for both is asking for speech."""
    if modalities is None:
        return None
    return "audio" if "audio" in modalities else "text"


def changes_from_client(session: SessionFields, config: SessionConfig) -> ConfigChanges:
    changes = ConfigChanges(
        instructions=session.instructions,
        output_modality=modality_from_client(session.output_modalities),
        model=session.model,
        tools=tools_from_client(session.tools),
        tool_choice=choice_from_client(session.tool_choice),
        max_output_tokens=session.max_output_tokens,
    )
    if changes.tools is not None or changes.tool_choice is not None:
        tools = joined_tools(config.tools, changes.tools)
        check_tool_choice(changes.tool_choice or config.tool_choice, tools, "session.tool_choice")
    if session.audio is None:
        return changes
    changes = _with_input(changes, session.audio.input, config)
    return _with_output(changes, session.audio.output)


def _with_input(changes: ConfigChanges, wanted: AudioInput | None, config: SessionConfig) -> ConfigChanges:
    if wanted is None:
        return changes
    if wanted.format is not None:
        changes = replace(changes, input_format=wanted.format.name, input_rate_hz=wanted.format.rate_hz)
    if wanted.transcription is not None and wanted.transcription.language:
        changes = replace(changes, language=language_tag(wanted.transcription.language))
    if "turn_detection" in wanted.model_fields_set:
        changes = replace(changes, turns=_turns_from_client(wanted.turn_detection, config.turns))
    return changes


def _with_output(changes: ConfigChanges, wanted: AudioOutput | None) -> ConfigChanges:
    if wanted is None:
        return changes
    if wanted.format is not None:
        changes = replace(changes, output_format=wanted.format.name, output_rate_hz=wanted.format.rate_hz)
    return replace(changes, voice=wanted.voice_name)


def _turns_from_client(wanted: TurnDetection | None, now: TurnSettings) -> TurnSettings:
    """What the client leaves out stays as it is."""
    if wanted is None or wanted.type == "none":
        return replace(now, mode="manual")
    changes: dict[str, Any] = {
        "voice_threshold": wanted.threshold,
        "prefix_padding_ms": wanted.prefix_padding_ms,
        "creates_reply": wanted.create_response,
        "interrupts_reply": wanted.interrupt_response,
        **_silences(wanted, now),
    }
    changes = {name: value for name, value in changes.items() if value is not None}
    if "idle_timeout_ms" in wanted.model_fields_set:
        changes["idle_timeout_ms"] = wanted.idle_timeout_ms
    return replace(now, mode=wanted.type, **changes)


def _silences(wanted: TurnDetection, now: TurnSettings) -> dict[str, int]:
    """A client that names a silence gets that one, learned from nothing; semantic detection begins as `auto`, our medium."""
    if wanted.type == "server_vad":
        silence_ms = wanted.silence_duration_ms
        if silence_ms is None:
            return {}
        silences = {"end_silence_ms": silence_ms, "final_silence_ms": silence_ms, "slow_end_silence_ms": 0}
        return {**silences, "long_end_silence_ms": max(silence_ms, now.long_end_silence_ms)}
    eagerness = wanted.eagerness or ("" if now.mode == "semantic_vad" else "auto")
    if not eagerness:
        return {}
    long_ms, end_ms, final_ms = _SILENCES_MS_BY_EAGERNESS["medium" if eagerness == "auto" else eagerness]
    silences = {"long_end_silence_ms": long_ms, "end_silence_ms": end_ms, "final_silence_ms": final_ms}
    return {**silences, "slow_end_silence_ms": TurnSettings().slow_end_silence_ms}


def language_tag(name: str) -> str:
    place = "session.audio.input.transcription.language"
    if _LANGUAGE.fullmatch(name) is None:
        raise BadInputError("is no language tag such as en-US or zh", field=place, code="invalid_value")
    language, *rest = name.split("-")
    if rest:
        return "-".join([language.lower(), *(part.upper() if len(part) == 2 else part.title() for part in rest)])
    country = _COUNTRY_BY_LANGUAGE.get(language.lower())
    if country is None:
        raise BadInputError("needs a country, as in en-US", field=place, code="invalid_value")
    return f"{language.lower()}-{country}"
