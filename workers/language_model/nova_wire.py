"""The shape of a ConverseStream request for Nova; pure: typed request in, keyword arguments of boto3 out."""

import re
from dataclasses import dataclass
from typing import Any

from workers.language_model.contract import (
    ModelMessage,
    ModelOptions,
    ModelPart,
    ModelRequest,
    PicturePart,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from workers.language_model.legal_history import legal_messages, newest_pictures, without_tools

# Nova's limits (reliability.md 5.1): the request stays under 25 MB with base64's third on top.
MAX_PICTURE_BYTES = 3_750_000
MAX_ALL_PICTURES_BYTES = 17_000_000
MAX_PICTURES = 20
MAX_PICTURES_NOVA_2 = 5
MAX_REFERENCE_DEPTH = 8

_SCHEMA_KEYS = ("type", "properties", "required")
_DEFINITION_KEYS = ("$defs", "definitions")
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_]")


@dataclass(frozen=True, slots=True)
class ToolNames:
    """Nova fails on a hyphen in a tool's name, so the wire has another name than the catalogue."""

    by_wire_name: dict[str, str]

    @classmethod
    def of(cls, tools: tuple[ToolSpec, ...]) -> "ToolNames":
        return cls({wire_name(tool.name): tool.name for tool in tools})

    def original(self, name: str) -> str:
        return self.by_wire_name.get(name, name)


def wire_name(name: str) -> str:
    return _NOT_IN_A_NAME.sub("_", name)[:64] or "tool"


def converse_arguments(request: ModelRequest) -> dict[str, Any]:
    """Keyword arguments of `converse_stream`; `maxTokens` is in every one of them."""
    options = request.options
    arguments: dict[str, Any] = {
        "modelId": options.model,
        "messages": [_message(message) for message in _sendable(request)],
        "inferenceConfig": {
            "maxTokens": options.max_tokens,
            "temperature": options.temperature,
            "topP": options.top_p,
        },
    }
    if request.system.strip():
        arguments["system"] = [{"text": request.system}]
    if options.top_k is not None:
        arguments["additionalModelRequestFields"] = {"inferenceConfig": {"topK": options.top_k}}
    if request.tools:
        arguments["toolConfig"] = {"tools": [_tool(tool) for tool in request.tools]}
        if options.must_use_tool:
            arguments["toolConfig"]["toolChoice"] = {"any": {}}
    return arguments


def max_pictures(options: ModelOptions) -> int:
    """How many pictures a whole request may carry to this model; Nova 1 Micro has no eyes."""
    if "nova-micro" in options.model:
        return 0
    return MAX_PICTURES_NOVA_2 if "nova-2" in options.model else MAX_PICTURES


def _sendable(request: ModelRequest) -> tuple[ModelMessage, ...]:
    """Tool parts need a toolConfig beside them, so a request without tools tells of results in words."""
    messages = request.messages if request.tools else without_tools(request.messages)
    messages = _without_heavy_pictures(messages)
    messages = newest_pictures(messages, count=max_pictures(request.options), max_bytes=MAX_ALL_PICTURES_BYTES)
    return legal_messages(messages)


def _without_heavy_pictures(messages: tuple[ModelMessage, ...]) -> tuple[ModelMessage, ...]:
    return tuple(
        ModelMessage(message.role, tuple(part for part in message.parts if not _is_too_heavy(part)))
        for message in messages
    )


def _is_too_heavy(part: ModelPart) -> bool:
    return isinstance(part, PicturePart) and len(part.data) > MAX_PICTURE_BYTES


def _message(message: ModelMessage) -> dict[str, Any]:
    return {"role": message.role, "content": [_block(part) for part in message.parts]}


def _block(part: ModelPart) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"text": text}
        case PicturePart(data=data, format=picture_format):
            return {"image": {"format": picture_format, "source": {"bytes": data}}}
        case ToolUsePart(tool_use_id=tool_use_id, name=name, arguments=arguments):
            return {"toolUse": {"toolUseId": tool_use_id, "name": wire_name(name), "input": arguments}}
        case ToolResultPart(tool_use_id=tool_use_id, content=content, is_error=is_error):
            status = "error" if is_error else "success"
            result = {"toolUseId": tool_use_id, "content": [{"text": content}], "status": status}
            return {"toolResult": result}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "name": wire_name(tool.name),
        "inputSchema": {"json": nova_schema(tool.parameters)},
    }
    if tool.description.strip():
        spec["description"] = tool.description
    return {"toolSpec": spec}


def nova_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """Only `type`, `properties` and `required` stand at the top: Nova refuses `definitions` and `$defs`."""
    whole = _inlined(parameters, parameters, MAX_REFERENCE_DEPTH)
    schema = {key: whole[key] for key in _SCHEMA_KEYS if key in whole}
    return {"type": "object", "properties": {}} | schema


def _inlined(node: Any, root: dict[str, Any], depth: int) -> Any:
    """`node` with its local references replaced by what they point at; a circle ends as an empty schema."""
    if isinstance(node, list):
        return [_inlined(child, root, depth) for child in node]
    if not isinstance(node, dict):
        return node
    reference = node.get("$ref")
    if isinstance(reference, str):
        target = _referenced(reference, root) if depth else {}
        rest = {key: child for key, child in node.items() if key != "$ref"}
        return _inlined(target | rest, root, depth - 1) if depth else {}
    return {key: _inlined(child, root, depth) for key, child in node.items() if key not in _DEFINITION_KEYS}


def _referenced(reference: str, root: dict[str, Any]) -> dict[str, Any]:
    node: Any = root
    for name in reference.removeprefix("#/").split("/"):
        node = node.get(name, {}) if isinstance(node, dict) else {}
    return node if isinstance(node, dict) else {}
