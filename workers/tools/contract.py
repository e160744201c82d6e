"""The contract of a tool: a function that the model may call and a worker runs."""

from typing import Any, Protocol, runtime_checkable

from workers.language_model.contract import ToolSpec


@runtime_checkable
class Tool(Protocol):
    spec: ToolSpec

    def run(self, arguments: dict[str, Any]) -> str:
        """Return the result as text (JSON for structured data), at most 8 KiB. Raises BadInputError for bad arguments."""
        ...
