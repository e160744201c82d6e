"""The tool that tells date and time; asks nobody but the machine's clock."""

import json
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from workers.errors import BadInputError
from workers.language_model.contract import ToolSpec


class CurrentTime:
    spec = ToolSpec(
        name="current_time",
        description="The current date and time, in the server's own time zone or in a named one.",
        parameters={
            "type": "object",
            "properties": {
                "time_zone": {
                    "type": "string",
                    "description": "An IANA time zone such as Asia/Shanghai or Europe/Paris",
                },
            },
            "additionalProperties": False,
        },
    )

    def run(self, arguments: dict[str, Any]) -> str:
        unknown = sorted(set(arguments) - {"time_zone"})
        if unknown:
            raise BadInputError(f"current_time takes no argument called {unknown[0]!r}", field=unknown[0])
        zone_name = arguments.get("time_zone")
        now = datetime.now().astimezone(_zone(zone_name))
        return json.dumps(
            {
                "time_zone": zone_name or now.tzname(),
                "date": now.strftime("%Y-%m-%d"),
                "weekday": now.strftime("%A"),
                "time": now.strftime("%H:%M"),
                "utc_offset": now.strftime("%z"),
            }
        )


def _zone(name: Any) -> tzinfo | None:
    """None, for the server's own zone, when no name is given."""
    if name is None or name == "":
        return None
    if not isinstance(name, str) or len(name) > 64:
        raise BadInputError("time_zone must be the name of an IANA time zone", field="time_zone")
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInputError(f"there is no time zone called {name!r}", field="time_zone") from error
