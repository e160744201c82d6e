"""The shape of a ConverseStream request for Nova; pure: typed request in, keyword arguments of boto3 out."""

import re
from typing import Any, Final

from workers.language_model.contract import (
    ModelMessage,
    ModelPart,
    ModelRequest,
    PicturePart,
    TextPart,
    ToolResultPart,
    ToolSpec,
    ToolUsePart,
)
from workers.language_model.legal_history import legal_messages, newest_pictures, with_parts, without_tools
from workers.language_model.model_table import ModelFacts, model_facts
from workers.language_model.nova_tools import ToolNames, nova_schema, wire_id
from workers.vision.picture_size import picture_size

_NO_LABEL: Final = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,\-.]")
_LONGEST_LABEL: Final = 256


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
    if request.labels:
        arguments["requestMetadata"] = {name: _as_label(text) for name, text in request.labels}
    return arguments


def _as_label(text: str) -> str:
    """Bedrock takes few characters, and 256 of them: https://docs.aws.amazon.com/bedrock/latest/APIReference (Converse)."""
    return _NO_LABEL.sub("_", text)[:_LONGEST_LABEL]


def _sendable(request: ModelRequest) -> tuple[ModelMessage, ...]:
    """Tool parts need a toolConfig beside them, so a request without tools tells of results in words."""
    messages = request.messages if request.tools else without_tools(request.messages)
    facts = model_facts(request.options.model)
    messages = tuple(_without_unfit(message, facts) for message in messages)
    messages = newest_pictures(messages, count=facts.max_pictures, max_bytes=facts.max_all_pictures_bytes)
    return legal_messages(messages)


def _without_unfit(message: ModelMessage, facts: ModelFacts) -> ModelMessage:
    return with_parts(message, [part for part in message.parts if not _is_unfit(part, facts)])


def _is_unfit(part: ModelPart, facts: ModelFacts) -> bool:
    """A picture the service would refuse, and the whole request with it."""
    if not isinstance(part, PicturePart):
        return False
    size = picture_size(part.data)
    return len(part.data) > facts.max_picture_bytes or size is None or max(size) > facts.max_side_px


def _message(message: ModelMessage, names: ToolNames) -> dict[str, Any]:
    return {"role": message.role, "content": [block for part in message.parts for block in _blocks(part, names)]}


def _blocks(part: ModelPart, names: ToolNames) -> list[dict[str, Any]]:
    match part:
        case TextPart(text=text):
            return [{"text": text}]
        case PicturePart(data=data, format=picture_format, caption=caption):
            picture = {"image": {"format": picture_format, "source": {"bytes": data}}}
            return [{"text": caption}, picture] if caption.strip() else [picture]
        case ToolUsePart(tool_use_id=tool_use_id, name=name, arguments=arguments):
            return [{"toolUse": {"toolUseId": wire_id(tool_use_id), "name": names.wire(name), "input": arguments}}]
        case ToolResultPart(tool_use_id=tool_use_id, content=content, is_error=is_error):
            status = "error" if is_error else "success"
            result = {"toolUseId": wire_id(tool_use_id), "content": [{"text": content}], "status": status}
            return [{"toolResult": result}]


def _tools(tools: tuple[ToolSpec, ...], names: ToolNames) -> list[dict[str, Any]]:
    """Two tools of one name are one to the service: the first stays."""
    by_name = {tool.name: tool for tool in reversed(tools)}
    return [_tool(by_name[original], wire) for wire, original in names.by_wire_name.items()]


def _tool(tool: ToolSpec, wire_name: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"name": wire_name, "inputSchema": {"json": nova_schema(tool.parameters)}}
    if tool.description.strip():
        spec["description"] = tool.description
    return {"toolSpec": spec}
