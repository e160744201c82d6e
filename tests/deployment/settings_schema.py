"""`python -m tests.deployment.settings_schema` writes the application's settings into the chart's values.schema.json.

Helm then refuses a setting that does not exist or has a wrong value, before a pod would. Secrets, and what the chart makes
from its other values, are left out.
"""

import json
from typing import Any

from nova_site.env import Environment
from tests.deployment.chart import CHART

Json = dict[str, Any]

SCHEMA = CHART / "values.schema.json"
# The chart makes these from other values; each of the others may stand under `settings`.
MADE_BY_THE_CHART = frozenset(
    """
    AGORA_APP_ID AWS_REGION CELERY_BROKER_URL DATABASE_URL DJANGO_ALLOWED_HOSTS HOST NOVA_ADMIN_HOSTS NOVA_ALLOWED_ORIGINS
    NOVA_AUTH NOVA_API_KEYS NOVA_DRAIN_SECONDS NOVA_METRICS_HOST NOVA_METRICS_PORT NOVA_PROVIDERS NOVA_WORKER_STOP_SECONDS
    PORT REDIS_URL WEB_PROCESSES
    """.split()
)
KEPT = (
    "type",
    "enum",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "pattern",
    "minLength",
    "maxLength",
)


def settings_schema() -> Json:
    fields: Json = Environment.model_json_schema(mode="validation")["properties"]
    known = {name.upper(): one_of(found) for name, found in fields.items()}
    properties = {
        name: {**{key: found[key] for key in KEPT if key in found}, "description": found.get("description", "")}
        for name, found in sorted(known.items())
        if name not in MADE_BY_THE_CHART and not is_secret(found)
    }
    for found in properties.values():
        if found.get("type") == "array":
            found["type"] = "string"
    return {"type": "object", "additionalProperties": False, "properties": properties}


def one_of(found: Json) -> Json:
    """An optional setting is its other kind, or not there."""
    kinds = [kind for kind in found.get("anyOf", []) if kind.get("type") != "null"]
    return {**found, **kinds[0]} if kinds else found


def is_secret(found: Json) -> bool:
    return bool(found.get("writeOnly")) or found.get("format") == "password"


def secret_names() -> set[str]:
    fields: Json = Environment.model_json_schema(mode="validation")["properties"]
    return {name.upper() for name, found in fields.items() if is_secret(one_of(found))}


def main() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    schema["properties"]["settings"] = settings_schema()
    SCHEMA.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
