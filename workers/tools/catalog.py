"""The table of tools that a worker can run; a tool is loaded when it is first asked for."""

import functools
from typing import Any, Final

from workers.errors import BadInputError, ConfigurationError
from workers.language_model.contract import ToolSpec
from workers.plugins import load_object
from workers.tools.contract import Tool

TOOLS: Final[dict[str, str]] = {
    "current_time": "workers.tools.current_time.CurrentTime",
    "look": "workers.tools.look.Look",
}
MAX_RESULT_BYTES: Final = 8 * 1024


def tool_specs(names: tuple[str, ...] | list[str]) -> tuple[ToolSpec, ...]:
    """The specs in the order of `names`. Raises BadInputError naming an unknown tool."""
    return tuple(_tool(name).spec for name in names)


def run_tool(name: str, arguments: dict[str, Any]) -> str:
    """Run a tool; the caller limits the time. A result beyond 8 KiB is cut. Raises BadInputError."""
    return _bounded(_tool(name).run(arguments))


@functools.cache
def _tool(name: str) -> Tool:
    if name not in TOOLS:
        raise BadInputError(f"there is no tool called {name!r}; there are: {', '.join(TOOLS)}", field="name")
    tool = load_object(TOOLS[name])()
    if not isinstance(tool, Tool) or tool.spec.name != name:
        raise ConfigurationError(f"{TOOLS[name]!r} is no tool called {name!r}")
    return tool


def _bounded(result: str) -> str:
    encoded = result.encode()
    if len(encoded) <= MAX_RESULT_BYTES:
        return result
    mark = " [cut]"
    return encoded[: MAX_RESULT_BYTES - len(mark)].decode(errors="ignore") + mark
