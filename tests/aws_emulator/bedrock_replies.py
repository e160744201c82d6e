"""Owns turning a Bedrock plan into the events of a ConverseStream answer; pure, no clock, no socket."""

import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import uuid4

from tests.aws_emulator.script import (
    DEFAULT_CHINESE_REPLY,
    DEFAULT_ENGLISH_REPLY,
    DEFAULT_TOOL_REPLY,
    BedrockPlan,
    Block,
    ToolUse,
)

Json = dict[str, Any]
Event = tuple[str, Json]

INVALID_TOOL_USE = (
    "Model produced invalid sequence as part of ToolUse. Please refer to the model tool use troubleshooting guide."
)
_HAN = re.compile(r"[\u4e00-\u9fff]")
_WORD_DELTAS = re.compile(r"\s*\S+\s*$|\s*\S+")
_HAN_DELTA_CHARACTERS = 2
_PLACEHOLDER = re.compile(r"\{(last_words|last_text|tool_result)\}")


def events_of(plan: BedrockPlan, facts: Json) -> Iterator[Event]:
    """The events without the closing metadata, whose latency only the server knows."""
    if plan.events is not None:
        yield from ((name, body) for event in plan.events for name, body in event.items())
        return
    yield "messageStart", {"role": "assistant"}
    blocks = _blocks(plan, facts)
    for index, block in enumerate(blocks):
        yield from _block_events(index, block)
    uses_tools = any(block.tool_use is not None for block, _ in blocks)
    yield "messageStop", {"stopReason": plan.stop_reason or ("tool_use" if uses_tools else "end_turn")}


def metadata(plan: BedrockPlan, facts: Json, output_characters: int, latency_ms: float) -> Event:
    usage = plan.usage or _estimated_usage(facts, output_characters)
    return "metadata", {"usage": usage, "metrics": {"latencyMs": round(latency_ms)}}


def breaks_tool_use(plan: BedrockPlan) -> bool:
    """Nova fails in mid-stream on tools whose name has a hyphen."""
    tools = [plan.tool_use] + [block.tool_use for block in plan.content or []]
    return any(tool is not None and "-" in tool.name for tool in tools)


def _blocks(plan: BedrockPlan, facts: Json) -> list[tuple[Block, list[str]]]:
    if plan.content is not None:
        return [(block, split_text(block.text or "")) for block in plan.content]
    if plan.deltas is not None:
        blocks = [(Block(text="".join(plan.deltas)), plan.deltas)]
    elif plan.text is not None or plan.tool_use is None:
        text = _filled(plan.text if plan.text is not None else _default_text(facts), facts)
        blocks = [(Block(text=text), split_text(text))]
    else:
        blocks = []
    if plan.tool_use is not None:
        blocks.append((Block(tool_use=plan.tool_use), []))
    return blocks


def split_text(text: str) -> list[str]:
    """Deltas of about a token: a word of spaced writing, two characters of Chinese."""
    if not _HAN.search(text):
        return _WORD_DELTAS.findall(text) if text.strip() else [text]
    step = _HAN_DELTA_CHARACTERS
    return [text[at : at + step] for at in range(0, len(text), step)]


def _block_events(index: int, block: tuple[Block, list[str]]) -> Iterable[Event]:
    content, deltas = block
    if content.tool_use is not None:
        yield from _tool_events(index, content.tool_use)
        return
    for delta in deltas:
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": delta}}
    yield "contentBlockStop", {"contentBlockIndex": index}


def _tool_events(index: int, tool: ToolUse) -> Iterator[Event]:
    tool_use_id = tool.id or f"tooluse_{uuid4().hex[:22]}"
    start = {"toolUse": {"name": tool.name, "toolUseId": tool_use_id}}
    yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
    written = tool.raw_input if tool.raw_input is not None else json.dumps(tool.input, ensure_ascii=False)
    middle = math.ceil(len(written) / 2)
    for part in filter(None, (written[:middle], written[middle:])):
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": part}}}
    yield "contentBlockStop", {"contentBlockIndex": index}


def _default_text(facts: Json) -> str:
    if facts.get("last_tool_result") is not None:
        return DEFAULT_TOOL_REPLY
    return DEFAULT_CHINESE_REPLY if _HAN.search(str(facts["last_user_text"])) else DEFAULT_ENGLISH_REPLY


def _filled(text: str, facts: Json) -> str:
    last_text = str(facts["last_user_text"]).strip()
    result = facts.get("last_tool_result")
    values = {
        "last_text": last_text,
        "last_words": _last_words(last_text),
        "tool_result": result if isinstance(result, str) else json.dumps(result, ensure_ascii=False),
    }
    return _PLACEHOLDER.sub(lambda found: values[found[1]], text)


def _last_words(text: str) -> str:
    plain = re.sub(r"[.!?。，！？、,\s]+$", "", text)
    if _HAN.search(plain):
        return plain[-8:]
    return " ".join(plain.split()[-5:]) or "nothing"


def _estimated_usage(facts: Json, output_characters: int) -> dict[str, int]:
    characters = len(str(facts["last_user_text"])) + len(str(facts["system_text"]))
    input_tokens = max(1, characters // 4) + sum(image["tokens"] for image in facts["images"])
    output_tokens = max(1, output_characters // 4)
    return {
        "inputTokens": input_tokens,
        "outputTokens": output_tokens,
        "totalTokens": input_tokens + output_tokens,
    }
