"""The tool by which the model asks to see: checks what it asks for; workers.looking puts the picture beside the answer."""

from typing import Any, Final

from workers.errors import BadInputError
from workers.language_model.contract import ToolSpec

LOOK: Final = "look"
SOURCES: Final = ("camera", "screen")


class Look:
    spec = ToolSpec(
        name=LOOK,
        description=(
            "Shows you what the user's camera or shared screen shows at this very moment. Call it whenever you need to "
            "see something to answer; you see nothing without it."
        ),
        parameters={
            "type": "object",
            "properties": {
                "source": {
                    "type": "string",
                    "enum": list(SOURCES),
                    "description": "What to look at; whatever is shown when it is left out",
                },
            },
            "additionalProperties": False,
        },
    )

    def run(self, arguments: dict[str, Any]) -> str:
        """The source that is wanted; empty for any."""
        unknown = sorted(set(arguments) - {"source"})
        if unknown:
            raise BadInputError(f"look takes no argument called {unknown[0]!r}", field=unknown[0])
        source = arguments.get("source") or ""
        if source and source not in SOURCES:
            raise BadInputError(f"source must be one of {', '.join(SOURCES)}", field="source")
        return str(source)
