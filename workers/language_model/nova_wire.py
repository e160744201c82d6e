"""The shape of a ConverseStream request for Nova; pure: typed request in, keyword arguments of boto3 out."""

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
from workers.language_model.nova_tools import ToolNames, nova_schema, wire_id

# Nova's limits (reliability.md 5.1): the request stays under 25 MB with base64's third on top.
MAX_PICTURE_BYTES = 3_750_000
MAX_ALL_PICTURES_BYTES = 17_000_000
MAX_PICTURES = 20
MAX_PICTURES_NOVA_2 = 5


def converse_arguments(request: ModelRequest) -> dict[str, Any]:
    """Keyword arguments of `converse_stream`; `maxTokens` is in every one of them."""
    options = request.options
    names = ToolNames.of(request.tools)
    arguments: dict[str, Any] = {
        "modelId": options.model,
        "messages": [_message(message, names) for message in _sendable(request)],
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
        arguments["toolConfig"] = {"tools": _tools(request.tools, names)}
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


def _message(message: ModelMessage, names: ToolNames) -> dict[str, Any]:
    return {"role": message.role, "content": [_block(part, names) for part in message.parts]}


def _block(part: ModelPart, names: ToolNames) -> dict[str, Any]:
    match part:
        case TextPart(text=text):
            return {"text": text}
        case PicturePart(data=data, format=picture_format):
            return {"image": {"format": picture_format, "source": {"bytes": data}}}
        case ToolUsePart(tool_use_id=tool_use_id, name=name, arguments=arguments):
            return {"toolUse": {"toolUseId": wire_id(tool_use_id), "name": names.wire(name), "input": arguments}}
        case ToolResultPart(tool_use_id=tool_use_id, content=content, is_error=is_error):
            status = "error" if is_error else "success"
            result = {"toolUseId": wire_id(tool_use_id), "content": [{"text": content}], "status": status}
            return {"toolResult": result}


def _tools(tools: tuple[ToolSpec, ...], names: ToolNames) -> list[dict[str, Any]]:
    """Two tools of one name are one to the service: the first stays."""
    by_name = {tool.name: tool for tool in reversed(tools)}
    return [_tool(by_name[original], wire) for wire, original in names.by_wire_name.items()]


def _tool(tool: ToolSpec, wire_name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": wire_name, "inputSchema": {"json": nova_schema(tool.parameters)}}
    if tool.description.strip():
        spec["description"] = tool.description
    return {"toolSpec": spec}
