"""A kept log of the turn engine, read, checked for gaps, and replayed into a fresh engine."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sessions.live.turn_taking.engine import TurnEngine
from sessions.live.turn_taking.events import SettingsChanged
from sessions.live.turn_taking.log import Decided, from_line
from sessions.models import DecisionLog
from workers.errors import BadInputError

Kept = dict[int, list[dict[str, Any]]]
"""Lines by generation: each socket that took the channel had an engine of its own."""


@dataclass(frozen=True, slots=True)
class Difference:
    number: int
    at_ms: float
    event: str
    kept: str
    replayed: str


def kept_in_database(session_id: str) -> Kept:
    """Raises DatabaseError. Empty for a session without a log."""
    kept: Kept = {}
    for row in DecisionLog.objects.filter(session_id=session_id).order_by("generation", "first_number"):
        kept.setdefault(row.generation, []).extend(row.lines)
    return kept


def kept_in_file(path: Path, session_id: str) -> Kept:
    """Raises BadInputError for what is no export of this session."""
    kept: Kept = {}
    for count, text in enumerate(_lines_of(path), 1):
        try:
            entry = json.loads(text)
            if entry["session_id"] == session_id:
                kept.setdefault(int(entry["generation"]), []).append(entry["line"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInputError(f"{path}:{count} is no line of a turn engine's log") from error
    return kept


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInputError(f"cannot read {path}: {error}") from error


def export_lines(session_id: str, kept: Kept) -> Iterator[str]:
    for generation, lines in kept.items():
        for line in lines:
            yield json.dumps({"session_id": session_id, "generation": generation, "line": line}, ensure_ascii=False)


def replay(lines: Iterable[dict[str, Any]]) -> list[Difference]:
    """Raises BadInputError when a line is missing or is none: without all events the decisions cannot be the same."""
    decided = [_parsed(line) for line in lines]
    for number, line in enumerate(decided):
        if line.number != number:
            raise BadInputError(f"line {number} of the log is missing; the next one is {line.number}")
    first = decided[0].event if decided else None
    if not isinstance(first, SettingsChanged):
        raise BadInputError("the log does not begin with the engine's settings")
    engine = TurnEngine(first.settings)
    return [difference for line in decided[1:] if (difference := _difference(engine, line)) is not None]


def _parsed(line: dict[str, Any]) -> Decided:
    try:
        return from_line(line)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(f"{str(line)[:80]} is no line of a turn engine's log") from error


def _difference(engine: TurnEngine, line: Decided) -> Difference | None:
    decisions = engine.handle(line.event, line.at_ms)
    if (decisions, engine.state) == (line.decisions, line.state):
        return None
    return Difference(
        number=line.number,
        at_ms=line.at_ms,
        event=str(line.event),
        kept=_shown(line.decisions, line.state),
        replayed=_shown(decisions, engine.state),
    )


def _shown(decisions: Iterable[object], state: str) -> str:
    return f"{', '.join(map(str, decisions)) or 'nothing'} -> {state}"
