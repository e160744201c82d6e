"""Owns the rules Bedrock's Converse applies to a request, and the facts kept of it; answers nothing."""

import re
from itertools import pairwise
from typing import Any

from tests.aws_emulator.bedrock_pictures import check_images, image_facts, is_caption
from tests.aws_emulator.refusal import InvalidRequestError

Json = dict[str, Any]

MAX_PAYLOAD_BYTES = 25 * 1024 * 1024
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_LABEL = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]*")
_NOVA_SCHEMA_KEYS = {"type", "properties", "required"}
_BLOCKS = ("text", "image", "document", "video", "toolUse", "toolResult", "guardContent", "cachePoint")


def check_request(request: Json, model_id: str, facts: Json, model_pattern: str) -> None:
    if not re.search(model_pattern, model_id):
        raise InvalidRequestError("The provided model identifier is invalid.")
    _check_system(request.get("system", []))
    _check_inference(request.get("inferenceConfig", {}))
    messages = request.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequestError(
            "A conversation must start with a user message. Try again with a conversation "
            "that starts with a user message."
        )
    for index, message in enumerate(messages):
        _check_message(message, index)
    _check_roles(messages)
    _check_tool_config(request.get("toolConfig"), messages, model_id)
    _check_tool_pairs(messages)
    _check_metadata(request.get("requestMetadata", {}))
    check_images(facts["images"], model_id)


def request_facts(request: Json, model_id: str) -> Json:
    messages = [message for message in request.get("messages") or [] if isinstance(message, dict)]
    config = request.get("inferenceConfig")
    max_tokens = config.get("maxTokens") if isinstance(config, dict) else None
    tools = (request.get("toolConfig") or {}).get("tools") or []
    return {
        "model_id": model_id,
        "roles": [message.get("role") for message in messages],
        "last_user_text": _last_text(messages, "user"),
        "last_tool_result": _last_tool_result(messages),
        "system_text": " ".join(
            str(block.get("text", "")) for block in request.get("system") or [] if isinstance(block, dict)
        ),
        "max_tokens": max_tokens,
        "max_tokens_set": max_tokens is not None,
        "tools": [tool.get("toolSpec", {}).get("name") for tool in tools if isinstance(tool, dict)],
        "images": image_facts(messages),
        "metadata": request.get("requestMetadata", {}),
    }


def _check_metadata(metadata: Any) -> None:
    """Of botocore's model of Converse: up to 16 pairs of 256 plain characters."""
    pairs = metadata.items() if isinstance(metadata, dict) else [("requestMetadata", metadata)]
    if len(pairs) > 16 or not all(
        name and isinstance(text, str) and _LABEL.fullmatch(name + text) for name, text in pairs
    ):
        raise InvalidRequestError(
            "1 validation error detected: Value at 'requestMetadata' failed to satisfy constraint"
        )
    if any(len(name) > 256 or len(text) > 256 for name, text in pairs):
        raise InvalidRequestError("1 validation error detected: Value at 'requestMetadata' is longer than 256")


def _last_text(messages: list[Json], role: str) -> str:
    for message in reversed(messages):
        if message.get("role") == role:
            texts = _words(_blocks(message))
            if texts:
                return " ".join(texts)
    return ""


def _words(blocks: list[Json]) -> list[str]:
    """Its texts without the captions of its pictures."""
    return [
        block["text"]
        for place, block in enumerate(blocks)
        if isinstance(block.get("text"), str) and not is_caption(blocks, place)
    ]


def _last_tool_result(messages: list[Json]) -> Any:
    last = _blocks(messages[-1]) if messages else []
    results = [block["toolResult"] for block in last if "toolResult" in block]
    if not results or not isinstance(results[-1], dict):
        return None
    content = results[-1].get("content") or [{}]
    return content[0].get("text", content[0].get("json")) if isinstance(content[0], dict) else None


def _blocks(message: Json) -> list[Json]:
    content = message.get("content")
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _check_system(system: Any) -> None:
    for index, block in enumerate(system or []):
        if isinstance(block, dict) and "text" in block and not str(block["text"]).strip():
            raise InvalidRequestError(
                f"The text field in the SystemContentBlock object at system.{index} is blank. "
                "Add text to the text field, and try again."
            )


def _check_inference(config: Any) -> None:
    for name, low, high in (("temperature", 0, 1), ("topP", 0, 1), ("maxTokens", 1, 10_000_000)):
        value = config.get(name) if isinstance(config, dict) else None
        if value is not None and not low <= value <= high:
            raise InvalidRequestError(
                f"1 validation error detected: Value '{value}' at 'inferenceConfig.{name}' failed to satisfy "
                f"constraint: Member must have value between {low} and {high}"
            )


def _check_message(message: Any, index: int) -> None:
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant"):
        raise InvalidRequestError(
            f"1 validation error detected: Value at 'messages.{index + 1}.member.role' failed to satisfy "
            "constraint: Member must satisfy enum value set: [user, assistant]"
        )
    content = message.get("content")
    if not isinstance(content, list) or not content:
        raise InvalidRequestError(
            f"The content field in the Message object at messages.{index} is empty. "
            "Add a ContentBlock object to the content field and try again."
        )
    for number, block in enumerate(content):
        _check_block(block, message["role"], f"messages.{index}.content.{number}")


def _check_block(block: Any, role: str, where: str) -> None:
    kinds = [kind for kind in _BLOCKS if isinstance(block, dict) and kind in block]
    if len(kinds) != 1:
        raise InvalidRequestError(
            f"The ContentBlock object at {where} must set one of the following keys: {', '.join(_BLOCKS)}."
        )
    kind = kinds[0]
    if kind == "text" and not str(block["text"]).strip():
        raise InvalidRequestError(
            f"The text field in the ContentBlock object at {where} is blank. Add text to the text field, and try again."
        )
    if kind in ("image", "document", "video", "toolResult") and role == "assistant":
        raise InvalidRequestError(f"The {kind} block at {where} is only supported in a user message.")
    if kind == "toolUse" and role == "user":
        raise InvalidRequestError(f"The toolUse block at {where} is only supported in an assistant message.")
    if kind in ("toolUse", "toolResult"):
        _check_tool_block(block[kind], f"{where}.{kind}")


def _check_tool_block(block: Json, where: str) -> None:
    """A result has no name."""
    for key, value in (("toolUseId", _tool_use_id(block)), ("name", str(block.get("name", "none")))):
        if not _TOOL_NAME.fullmatch(value):
            raise InvalidRequestError(
                f"1 validation error detected: Value '{value}' at '{where}.{key}' failed to satisfy constraint: "
                "Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            )


def _check_roles(messages: list[Json]) -> None:
    roles = [message["role"] for message in messages]
    if roles[0] != "user":
        raise InvalidRequestError(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    if any(before == after for before, after in pairwise(roles)):
        raise InvalidRequestError(
            "A conversation must alternate between user and assistant roles. Make sure the conversation "
            "alternates between user and assistant roles and try again."
        )


def _check_tool_config(config: Any, messages: list[Json], model_id: str) -> None:
    uses_tools = any("toolUse" in block or "toolResult" in block for m in messages for block in _blocks(m))
    if not config:
        if uses_tools:
            raise InvalidRequestError(
                "The toolConfig field must be defined when using toolUse and toolResult content blocks."
            )
        return
    if not config.get("tools"):
        raise InvalidRequestError("The toolConfig.tools field must hold at least one tool.")
    for index, tool in enumerate(config["tools"]):
        _check_tool(tool, f"toolConfig.tools.{index}", "amazon.nova" in model_id)
    names = [tool["toolSpec"]["name"] for tool in config["tools"] if "toolSpec" in tool]
    if len(set(names)) != len(names):
        raise InvalidRequestError(f"The toolConfig.tools field contains duplicate names: {', '.join(names)}")
    if "amazon.nova" in model_id and "tool" in (config.get("toolChoice") or {}):
        raise InvalidRequestError(
            "This model doesn't support the toolConfig.toolChoice.tool field. "
            "Remove toolConfig.toolChoice.tool and try again."
        )


def _check_tool(tool: Any, where: str, is_nova: bool) -> None:
    if "cachePoint" in tool:
        return
    specification = tool.get("toolSpec") or {}
    name = str(specification.get("name", ""))
    if not _TOOL_NAME.fullmatch(name):
        raise InvalidRequestError(
            f"1 validation error detected: Value '{name}' at '{where}.toolSpec.name' failed to satisfy "
            "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
        )
    schema = (specification.get("inputSchema") or {}).get("json")
    if not isinstance(schema, dict) or schema.get("type") != "object":
        raise InvalidRequestError(
            f"The value at {where}.toolSpec.inputSchema.json.type must be one of the following: object."
        )
    for key in sorted(set(schema) - _NOVA_SCHEMA_KEYS) if is_nova else ():
        raise InvalidRequestError(f"The key {key} at {where}.toolSpec.inputSchema.json is not supported.")


def _check_tool_pairs(messages: list[Json]) -> None:
    asked: list[str] = []
    for index, message in enumerate(messages):
        where = f"messages.{index}.content"
        blocks = _blocks(message)
        answered = [_tool_use_id(block["toolResult"]) for block in blocks if "toolResult" in block]
        missing = [tool_id for tool_id in asked if tool_id not in answered]
        if missing:
            raise InvalidRequestError(
                f"Expected toolResult blocks at {where} for the following Ids: {', '.join(missing)}"
            )
        if len(answered) > len(asked):
            raise InvalidRequestError(
                f"The number of toolResult blocks at {where} exceeds the number of toolUse blocks of previous turn."
            )
        asked = [_tool_use_id(block["toolUse"]) for block in blocks if "toolUse" in block]
        if len(set(asked)) != len(asked):
            raise InvalidRequestError(f"The toolUse blocks at {where} contain duplicate Ids: {', '.join(asked)}")


def _tool_use_id(block: Any) -> str:
    return str(block.get("toolUseId")) if isinstance(block, dict) else ""
