"""Answers the tool calls of one reply: runs those a worker runs, refuses what cannot be run in words for the model."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import structlog

from workers import metrics, tracing
from workers.errors import BadInputError, NovaError
from workers.language_model.contract import ModelPart, StoredMessage, ToolResultPart, ToolSpec, ToolUse, ToolUsePart
from workers.looking import NOTHING_SHOWN, Looking
from workers.metric_labels import bounded
from workers.streams.messages import OutputEntry, ToolCalled, ToolReturned
from workers.tools.catalog import TOOLS
from workers.tools.look import LOOK

logger = structlog.get_logger(__name__)
RunTool = Callable[[str, dict[str, Any]], str]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}


class ToolAnswers:
    """`had_fault`: the model called a tool that is not there, or with arguments that no tool takes."""

    def __init__(
        self,
        tools: tuple[ToolSpec, ...],
        history: Iterable[StoredMessage],
        run_tool: RunTool,
        emit: Callable[[OutputEntry], None],
        ids: tuple[str, int, str],
        looking: Looking,
    ) -> None:
        self.had_fault = False
        self._tools = {tool.name: tool for tool in tools}
        self._used_ids = {
            part.tool_use_id for message in history for part in message.parts if isinstance(part, ToolUsePart)
        }
        self._run_tool = run_tool
        self._emit = emit
        self._ids = ids
        self._looking = looking

    def named_apart(self, use: ToolUse) -> ToolUse:
        """The same call under an id that no other call of the conversation has."""
        number, tool_use_id = 2, use.tool_use_id
        while tool_use_id in self._used_ids:
            tool_use_id = f"{use.tool_use_id}_{number}"
            number += 1
        self._used_ids.add(tool_use_id)
        return replace(use, tool_use_id=tool_use_id)

    def is_clients(self, use: ToolUse) -> bool:
        return use.name in self._tools and self._tools[use.name].runs_at == "client"

    def hand_to_client(self, use: ToolUse) -> None:
        self._emit(ToolCalled(*self._ids, use.tool_use_id, use.name, use.arguments, "client"))

    def answer(self, use: ToolUse) -> tuple[ModelPart, ...]:
        """A call that cannot be run is told to the model alone: nobody else can do anything with it."""
        fault = self._fault(use)
        if fault is not None:
            self.had_fault = True
            logger.warning("tool_call_refused", reply_id=self._ids[2], tool=use.name, reason=fault)
            return (ToolResultPart(use.tool_use_id, f"{fault} Answer without this tool.", is_error=True),)
        self._emit(ToolCalled(*self._ids, use.tool_use_id, use.name, use.arguments, "worker"))
        with tracing.span(f"execute_tool {use.name}") as told:
            told.update({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": use.name})
            told["gen_ai.tool.call.id"] = use.tool_use_id
            try:
                content, is_error = self._run_tool(use.name, use.arguments), False
            except NovaError as error:
                content, is_error = error.text, True
                told["error.type"] = error.code
        metrics.TOOL_CALLS.labels(bounded(use.name, TOOLS), "failed" if is_error else "done").inc()
        if use.name == LOOK and not is_error:
            return self._seen(use, content)
        self._emit(ToolReturned(*self._ids, use.tool_use_id, content, is_error))
        return (ToolResultPart(use.tool_use_id, content, is_error),)

    def _seen(self, use: ToolUse, source: str) -> tuple[ModelPart, ...]:
        """The newest picture stands beside the result: a result itself holds words alone."""
        sight = self._looking.look(source)
        if sight is None:
            self._emit(ToolReturned(*self._ids, use.tool_use_id, NOTHING_SHOWN, False))
            return (ToolResultPart(use.tool_use_id, NOTHING_SHOWN),)
        self._emit(ToolReturned(*self._ids, use.tool_use_id, sight.remembered, False, sight.frame_id))
        return (ToolResultPart(use.tool_use_id, sight.told), *sight.parts)

    def _fault(self, use: ToolUse) -> str | None:
        tool = self._tools.get(use.name)
        if tool is None:
            return f"There is no tool called {use.name!r}."
        try:
            check_arguments(tool.parameters, use.arguments)
        except BadInputError as error:
            return f"{error.text}."
        return None


def check_arguments(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    """The names that are required and the types at the top; the rest is the tool's own affair. Raises BadInputError."""
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    for name in schema.get("required") or ():
        if name not in arguments:
            raise BadInputError(f"The argument {name!r} is missing", field=str(name))
    for name, value in arguments.items():
        property_schema = properties.get(name)
        if isinstance(property_schema, dict) and not _is_of_type(property_schema.get("type"), value):
            raise BadInputError(f"The argument {name!r} must be of type {property_schema['type']}", field=name)


def _is_of_type(wanted: Any, value: Any) -> bool:
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not all(isinstance(name, str) and name in _TYPES for name in names):
        return True
    if isinstance(value, bool):
        return "boolean" in names
    return any(isinstance(value, _TYPES[name]) for name in names)
