"""The engine's log: every event with its time and decisions, as values and as JSON, enough to replay them all."""

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, get_args

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.decisions import Decision
from sessions.live.turn_taking.events import SettingsChanged, TurnEvent
from sessions.live.turn_taking.situation import State

KEPT_LINES = 500
Line = dict[str, Any]
_KINDS: dict[str, type[Any]] = {kind.__name__: kind for kind in (*get_args(TurnEvent), *get_args(Decision))}


@dataclass(frozen=True, slots=True)
class Decided:
    """One line of the log. `number` counts from 0, so that a missing line is noticed."""

    number: int
    at_ms: float
    event: TurnEvent
    state: State
    decisions: tuple[Decision, ...]


class TurnLog:
    """The newest 500 lines. The first line of all is the settings that the engine began with."""

    def __init__(self, settings: TurnSettings) -> None:
        first = Decided(0, 0.0, SettingsChanged(settings), "waiting", ())
        self._lines: deque[Decided] = deque([first], maxlen=KEPT_LINES)
        self._untaken = 1

    def __iter__(self) -> Iterator[Decided]:
        return iter(tuple(self._lines))

    def __len__(self) -> int:
        return len(self._lines)

    @property
    def untaken(self) -> int:
        """How many lines the next `take` brings; those that were pushed out before are lost."""
        return min(self._untaken, len(self._lines))

    def add(self, at_ms: float, event: TurnEvent, state: State, decisions: tuple[Decision, ...]) -> None:
        number = self._lines[-1].number + 1
        self._lines.append(Decided(number, at_ms, event, state, decisions))
        self._untaken += 1

    def take(self) -> list[Decided]:
        """The lines since the last call."""
        count, self._untaken = self.untaken, 0
        return list(self._lines)[len(self._lines) - count :]


def to_line(decided: Decided) -> Line:
    return {
        "number": decided.number,
        "at_ms": decided.at_ms,
        "event": _to_value(decided.event),
        "state": decided.state,
        "decisions": [_to_value(decision) for decision in decided.decisions],
    }


def from_line(line: Line) -> Decided:
    """Raises KeyError, TypeError or ValueError for what is no line."""
    decisions = tuple(_from_value(value) for value in line["decisions"])
    return Decided(int(line["number"]), float(line["at_ms"]), _from_value(line["event"]), line["state"], decisions)


def _to_value(value: TurnEvent | Decision) -> Line:
    return {"is": type(value).__name__, **asdict(value)}


def _from_value(value: Line) -> Any:
    fields = {name: field for name, field in value.items() if name != "is"}
    if value["is"] == "SettingsChanged":
        settings = dict(fields["settings"])
        settings["backchannel_words"] = tuple(settings["backchannel_words"])
        return SettingsChanged(TurnSettings(**settings))
    return _KINDS[value["is"]](**fields)
