"""Makes any history one that Converse accepts; pure, and knows nothing of the wire."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Literal

from workers.language_model.contract import (
    ModelMessage,
    ModelPart,
    PicturePart,
    TextPart,
    ToolResultPart,
    ToolUsePart,
)

Role = Literal["user", "assistant"]

BEGINNING = TextPart("(The conversation begins.)")
GO_ON = TextPart("(Go on.)")


def legal_messages(messages: tuple[ModelMessage, ...]) -> tuple[ModelMessage, ...]:
    """Return an equivalent history that breaks no rule of the service.

    The first and last message are the user's, roles alternate, no text is blank, pictures are the user's
    only and come before text, each tool use is answered right after it, no result lacks its use.
    """
    answered = _pair_tools(messages)
    merged = _merge_neighbours([message for message in map(_cleaned, answered) if message.parts])
    if not merged or merged[0].role == "assistant":
        merged.insert(0, ModelMessage("user", (BEGINNING,)))
    if merged[-1].role == "assistant":
        merged.append(ModelMessage("user", (GO_ON,)))
    return tuple(with_parts(message, _ordered(message.parts)) for message in merged)


def with_parts(message: ModelMessage, parts: Iterable[ModelPart]) -> ModelMessage:
    """Most messages of a long history stay what they are, and are not made anew."""
    kept = tuple(parts)
    return message if kept == message.parts else ModelMessage(message.role, kept)


def without_tools(messages: tuple[ModelMessage, ...]) -> tuple[ModelMessage, ...]:
    """The same history for a request that offers no tools: results become words of the user, uses go."""
    return tuple(with_parts(message, map(_as_text, message.parts)) for message in messages)


def shortened(messages: tuple[ModelMessage, ...]) -> tuple[ModelMessage, ...]:
    """The newer half, for a context that was full; legal again only after `legal_messages`."""
    return messages[len(messages) // 2 :]


def newest_pictures(messages: tuple[ModelMessage, ...], *, count: int, max_bytes: int) -> tuple[ModelMessage, ...]:
    """Keep the newest `count` pictures of the whole history that together weigh at most `max_bytes`."""
    kept: list[ModelMessage] = []
    pictures_left, bytes_left = count, max_bytes
    for message in reversed(messages):
        parts: list[ModelPart] = []
        for part in reversed(message.parts):
            if isinstance(part, PicturePart):
                if not pictures_left or len(part.data) > bytes_left:
                    pictures_left = 0
                    continue
                pictures_left -= 1
                bytes_left -= len(part.data)
            parts.append(part)
        kept.append(with_parts(message, reversed(parts)))
    return tuple(reversed(kept))


def _pair_tools(messages: tuple[ModelMessage, ...]) -> list[ModelMessage]:
    """Move each result to a user message right after its use; drop what has no partner, and repeated ids."""
    results = _first_results(messages)
    answered: set[str] = set()
    paired: list[ModelMessage] = []
    for position, message in enumerate(messages):
        parts: list[ModelPart] = []
        replies: list[ModelPart] = []
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                continue
            if isinstance(part, ToolUsePart):
                result = _result_after(results, part, position)
                if message.role != "assistant" or result is None or part.tool_use_id in answered:
                    continue
                answered.add(part.tool_use_id)
                replies.append(result)
            parts.append(part)
        paired.append(with_parts(message, parts))
        if replies:
            paired.append(ModelMessage("user", tuple(replies)))
    return paired


def _first_results(messages: tuple[ModelMessage, ...]) -> dict[str, list[tuple[int, ToolResultPart]]]:
    results: dict[str, list[tuple[int, ToolResultPart]]] = {}
    for position, message in enumerate(messages):
        for part in message.parts:
            if message.role == "user" and isinstance(part, ToolResultPart):
                results.setdefault(part.tool_use_id, []).append((position, part))
    return results


def _result_after(
    results: dict[str, list[tuple[int, ToolResultPart]]], use: ToolUsePart, position: int
) -> ToolResultPart | None:
    return next((result for at, result in results.get(use.tool_use_id, ()) if at > position), None)


def _cleaned(message: ModelMessage) -> ModelMessage:
    return with_parts(message, [_filled(part) for part in message.parts if not _is_unwanted(message.role, part)])


def _is_unwanted(role: Role, part: ModelPart) -> bool:
    if isinstance(part, TextPart):
        return not part.text.strip()
    return isinstance(part, PicturePart) and role == "assistant"


def _filled(part: ModelPart) -> ModelPart:
    if isinstance(part, ToolResultPart) and not part.content.strip():
        return replace(part, content="(nothing)")
    return part


def _merge_neighbours(messages: list[ModelMessage]) -> list[ModelMessage]:
    merged: list[ModelMessage] = []
    for message in messages:
        if merged and merged[-1].role == message.role:
            merged[-1] = ModelMessage(message.role, merged[-1].parts + message.parts)
        else:
            merged.append(message)
    return merged


def _ordered(parts: tuple[ModelPart, ...]) -> tuple[ModelPart, ...]:
    """Results first, pictures before text, uses last; the order within each kind stays."""
    return tuple(sorted(parts, key=_rank)) if len(parts) > 1 else parts


def _rank(part: ModelPart) -> int:
    match part:
        case ToolResultPart():
            return 0
        case PicturePart():
            return 1
        case TextPart():
            return 2
        case _:
            return 3


def _as_text(part: ModelPart) -> ModelPart:
    match part:
        case ToolResultPart(content=content):
            return TextPart(f"(A tool answered: {content})" if content.strip() else "")
        case ToolUsePart():
            return TextPart("")
        case _:
            return part
