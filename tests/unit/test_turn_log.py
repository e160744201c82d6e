"""The engine's log survives JSON, rows and files, and a replay shows where another engine would decide otherwise."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from sessions.live.config import TurnSettings
from sessions.live.turn_taking.log import KEPT_LINES, Line, from_line, to_line
from sessions.management.replaying import replay
from sessions.models import DecisionLog, Session
from sessions.records.entries import read_record
from sessions.records.rows import write_batch
from tests.unit.turn_talk import FREE, SPEAKING, Talk, spoken
from workers.errors import BadInputError

SESSION = "sess_replayed"


@pytest.fixture
def lines() -> list[Line]:
    """A talk with one of everything, as it is kept."""
    from_voice = Talk(TurnSettings(idle_timeout_ms=5_000, backchannel_words=("go on",)))
    talk = from_voice.at(0, SPEAKING).at(300, spoken("mm-hm", "0", is_final=True)).at(4_000, FREE)
    talk.at(9_500, spoken("what time is it", settled=True)).wait_until(11_000)
    talk.at(12_000, spoken("What time is it?", is_final=True)).wait_until(60_000)
    return [json.loads(json.dumps(to_line(line))) for line in talk.engine.log]


@pytest.fixture
def session(db: None) -> Session:
    return Session.objects.create(id=SESSION, channel_name="c", graph_name="voice", owner="o", user_uid=1, bot_uid=2)


def record(lines: list[Line], generation: int = 1) -> dict[str, Any]:
    return {"kind": "decisions", "session_id": SESSION, "generation": generation, "lines": lines}


def write(*records: dict[str, Any]) -> None:
    write_batch([read_record(json.dumps(each)) for each in records])


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("replay_turns", SESSION, *arguments, stdout=out)
    return out.getvalue()


def test_lines_survive_json(lines: list[Line]) -> None:
    assert json.loads(json.dumps([to_line(from_line(line)) for line in lines])) == lines
    assert from_line(lines[0]).event.settings.backchannel_words == ("go on",)  # type: ignore[union-attr]


def test_an_equal_engine_shows_no_difference(lines: list[Line]) -> None:
    assert replay(lines) == []


def test_another_decision_is_shown(lines: list[Line]) -> None:
    ending = next(line for line in lines if any(value["is"] == "EndTurn" for value in line["decisions"]))
    ending["decisions"][-1]["text"] = "what was said before"
    (difference,) = replay(lines)
    assert difference.number == ending["number"]
    assert "what was said before" in difference.kept
    assert "what time is it" in difference.replayed


@pytest.mark.parametrize(
    "harm",
    [
        lambda lines: lines.pop(3),
        lambda lines: lines.pop(0),
        lambda lines: lines[2].pop("event"),
        lambda lines: lines[2]["event"].update(surprise=1),
        lambda lines: lines[2]["event"].update({"is": "Nonsense"}),
    ],
)
def test_a_log_that_is_not_whole_is_refused(lines: list[Line], harm: Callable[[list[Line]], object]) -> None:
    harm(lines)
    with pytest.raises(BadInputError):
        replay(lines)


def test_the_log_is_bounded_and_says_which_lines_are_left() -> None:
    talk = Talk()
    for n in range(2 * KEPT_LINES):
        talk.at(n, FREE)
    assert len(talk.engine.log) == talk.engine.log.untaken == KEPT_LINES
    taken = talk.engine.log.take()
    assert [taken[0].number, taken[-1].number] == [KEPT_LINES + 1, 2 * KEPT_LINES]
    assert talk.engine.log.take() == []


# --- rows and the command ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("session")
def test_batches_are_written_once_and_replayed_in_order(lines: list[Line]) -> None:
    late, early = record(lines[4:]), record(lines[:4])
    write(late, early, early)
    assert DecisionLog.objects.count() == 2
    assert f"generation 1: {len(lines)} lines, 0 differences" in run()


@pytest.mark.usefixtures("session")
def test_each_socket_of_a_session_has_its_own_log(lines: list[Line]) -> None:
    write(record(lines, generation=1))
    write(record(lines, generation=2))
    assert run().count("0 differences") == 2


@pytest.mark.usefixtures("session")
def test_words_with_a_nul_character_are_kept_without_it(lines: list[Line]) -> None:
    lines[2]["event"]["text"] = "a\x00b"
    write(record(lines))
    assert DecisionLog.objects.get().lines[2]["event"]["text"] == "ab"


@pytest.mark.usefixtures("db")
def test_decisions_of_an_unknown_session_are_dropped(lines: list[Line]) -> None:
    write(record(lines))
    assert not DecisionLog.objects.exists()


@pytest.mark.usefixtures("session")
def test_an_exported_file_replays_like_the_rows(lines: list[Line], tmp_path: Path) -> None:
    write(record(lines))
    run("--export", str(tmp_path / "log.jsonl"))
    DecisionLog.objects.all().delete()
    assert f"{len(lines)} lines, 0 differences" in run("--file", str(tmp_path / "log.jsonl"))


@pytest.mark.usefixtures("session")
def test_a_difference_is_exit_code_1_and_a_missing_log_2(lines: list[Line], tmp_path: Path) -> None:
    with pytest.raises(CommandError) as missing:
        run()
    lines[-1]["state"] = "speaking"
    write(record(lines))
    with pytest.raises(CommandError) as differs:
        run()
    (tmp_path / "nonsense.jsonl").write_text("{}\n")
    with pytest.raises(CommandError) as nonsense:
        run("--file", str(tmp_path / "nonsense.jsonl"))
    assert (missing.value.returncode, differs.value.returncode, nonsense.value.returncode) == (2, 1, 2)
