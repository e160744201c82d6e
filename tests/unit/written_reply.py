"""One reply written as a worker does, without Redis: what its entries say, faults included."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from workers.errors import BadInputError
from workers.language_model.contract import (
    LanguageModel,
    ModelEvent,
    ModelOptions,
    ModelRequest,
    StoredMessage,
    TextPart,
    ToolSpec,
)
from workers.replying import ReplyWriter
from workers.streams.messages import Address, OutputEntry, ReplyRequest, ReplyWritten, SentenceWritten, WorkFailed
from workers.tool_answers import RunTool
from workers.transcript_table import TranscriptTable
from workers.work import TaskBorder

Entry = TypeVar("Entry", bound=OutputEntry)
MODEL_ID = "us.amazon.nova-pro-v1:0"
ADDRESS = Address("sess", 1, "resp", "output")
HELLO = (StoredMessage("user", (TextPart("hello"),)),)
CLOCK = ToolSpec("current_time", "The time.", {"type": "object", "properties": {"time_zone": {"type": "string"}}})
DOOR = ToolSpec("open_door", "Opens a door.", {"type": "object", "properties": {}}, runs_at="client")


class ScriptedModel:
    """Plays one round of events after the other; a function makes its own of the request."""

    def __init__(self, *rounds: list[ModelEvent] | Callable[[ModelRequest], Iterator[ModelEvent]]) -> None:
        self.requests: list[ModelRequest] = []
        self.is_closed = False
        self._rounds = list(rounds)

    def stream(self, request: ModelRequest) -> Iterator[ModelEvent]:
        self.requests.append(request)
        played = self._rounds.pop(0)
        try:
            yield from played(request) if callable(played) else played
        finally:
            self.is_closed = True


@dataclass
class Written:
    """Stands in for the output stream's writer and for the first sentence's own way."""

    entries: list[OutputEntry] = field(default_factory=list)

    def write(self, stream: str, entry: OutputEntry) -> None:
        self.entries.append(entry)

    def of(self, kind: type[Entry]) -> list[Entry]:
        return [entry for entry in self.entries if isinstance(entry, kind)]

    def write_first(self, entry: SentenceWritten) -> None:
        assert self.of(SentenceWritten) == []
        self.entries.append(entry)

    def withdraw(self) -> None:
        """Nothing waits here."""

    @property
    def text(self) -> str:
        return "".join(entry.separator + entry.text for entry in self.of(SentenceWritten))

    @property
    def end(self) -> ReplyWritten:
        (end,) = self.of(ReplyWritten)
        return end

    @property
    def fault(self) -> WorkFailed:
        (fault,) = self.of(WorkFailed)
        assert self.of(ReplyWritten) == []
        return fault


def time_tool(name: str, arguments: dict[str, Any]) -> str:
    if name != "current_time":
        raise BadInputError(f"there is no {name}")
    return "noon"


def write_reply(
    model: LanguageModel, *, run_tool: RunTool = time_tool, written: Written | None = None, **fields: Any
) -> Written:
    """`fields` are those of the ReplyRequest that the test is about."""
    request = ReplyRequest(
        **{"address": ADDRESS, "system": "Be brief.", "history": HELLO, "options": ModelOptions(MODEL_ID), **fields}
    )
    written = written or Written()
    with TaskBorder(cast(Any, written)).around("reply", ADDRESS):
        emit = lambda entry: written.write("output", entry)  # noqa: E731
        ReplyWriter(request, model, cast(Any, None), TranscriptTable(), run_tool, emit, written).write()
    return written
