"""A client's session.update applied to a configuration; pure."""

from dataclasses import replace

from sessions.live.config import SessionConfig
from sessions.live.transport import ConfigChanges
from workers.language_model.contract import ToolSpec

KNOWN_VOICES = frozenset(
    "Ruth Matthew Joanna Stephen Danielle Gregory Ivy Kendra Kimberly Salli Joey Justin Kevin Amy Emma Brian Arthur "
    "Olivia Zhiyu Hiujin Lea Remi Vicki Daniel Lucia Sergio Takumi Kazuha Tomoko Seoyeon Bianca Adriano Camila Thiago".split()
)


def apply_changes(config: SessionConfig, changes: ConfigChanges) -> SessionConfig:
    """Unknown voices and models are echoed and mapped to the graph's own; client tools join the graph's."""
    voice = config.voice
    if changes.voice in KNOWN_VOICES:
        voice = replace(voice, voice=changes.voice)
    model = config.model
    if changes.max_output_tokens is not None:
        model = replace(model, max_tokens=changes.max_output_tokens)
    language = changes.language or config.listening_language
    return replace(
        config,
        instructions=_or(changes.instructions, config.instructions),
        input_rate_hz=changes.input_rate_hz or config.input_rate_hz,
        input_format=changes.input_format or config.input_format,
        output_rate_hz=changes.output_rate_hz or config.output_rate_hz,
        output_format=changes.output_format or config.output_format,
        output_modality=changes.output_modality or config.output_modality,
        voice=voice,
        model=model,
        turns=changes.turns or config.turns,
        tools=joined_tools(config.tools, changes.tools),
        tool_choice=changes.tool_choice or config.tool_choice,
        listening_language=language,
        announced_voice=changes.voice or config.announced_voice,
        announced_model=changes.model or config.announced_model,
    )


def _or(wanted: str | None, known: str) -> str:
    return known if wanted is None else wanted


def joined_tools(known: tuple[ToolSpec, ...], wanted: tuple[ToolSpec, ...] | None) -> tuple[ToolSpec, ...]:
    """A client replaces its own tools; those that workers run belong to the graph and stay."""
    if wanted is None:
        return known
    names = {tool.name for tool in wanted}
    return (*wanted, *(tool for tool in known if tool.runs_at == "worker" and tool.name not in names))
