"""The catalogue of tools and the one tool in it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workers.errors import BadInputError
from workers.tools import catalog
from workers.tools.catalog import MAX_RESULT_BYTES, TOOLS, run_tool, tool_specs
from workers.tools.contract import Tool


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_of_the_table_has_its_own_name_and_a_schema(name: str) -> None:
    (spec,) = tool_specs([name])
    assert (spec.name, spec.parameters["type"], spec.runs_at) == (name, "object", "worker")
    assert spec.description


def test_an_unknown_tool_is_named_in_the_error() -> None:
    with pytest.raises(BadInputError, match="no_such_tool"):
        tool_specs(["current_time", "no_such_tool"])
    with pytest.raises(BadInputError, match="no_such_tool"):
        run_tool("no_such_tool", {})


def test_the_time_in_a_named_zone_is_right() -> None:
    told = json.loads(run_tool("current_time", {"time_zone": "Asia/Shanghai"}))
    clock = datetime.fromisoformat(f"{told['date']}T{told['time']}{told['utc_offset']}")
    assert told["time_zone"] == "Asia/Shanghai"
    assert told["utc_offset"] == "+0800"
    assert told["weekday"] == clock.strftime("%A")
    assert abs(datetime.now(UTC) - clock) < timedelta(minutes=2)


def test_without_a_zone_the_servers_own_time_is_told() -> None:
    told = json.loads(run_tool("current_time", {}))
    assert told["utc_offset"] == datetime.now().astimezone().strftime("%z")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "/etc/passwd", "America", "x" * 999, 7, ["UTC"]])
def test_a_bad_zone_is_refused_by_name(zone: Any) -> None:
    with pytest.raises(BadInputError) as caught:
        run_tool("current_time", {"time_zone": zone})
    assert caught.value.field == "time_zone"


def test_an_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(BadInputError) as caught:
        run_tool("current_time", {"city": "Paris"})
    assert caught.value.field == "city"


class Chatterbox:
    spec = tool_specs(["current_time"])[0]

    def run(self, arguments: dict[str, Any]) -> str:
        return "好" * MAX_RESULT_BYTES


def test_a_long_result_is_cut_to_its_limit_and_stays_text(monkeypatch: pytest.MonkeyPatch) -> None:
    talker = Chatterbox()
    assert isinstance(talker, Tool)
    monkeypatch.setattr(catalog, "_tool", lambda name: talker)
    result = run_tool("current_time", {})
    assert MAX_RESULT_BYTES - 4 < len(result.encode()) <= MAX_RESULT_BYTES
    assert result.endswith("好 [cut]")
