"""`python -m tests.settings_table`: prints the README's table of settings, made from the fields of nova_site/env.py."""

from typing import Any, get_args

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from nova_site.env import Environment

HEAD = ["| variable | default | meaning |", "|---|---|---|"]


def settings_table() -> str:
    rows = [_row(name.upper(), field) for name, field in Environment.model_fields.items()]
    return "\n".join([*HEAD, *rows])


def _row(variable: str, field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    meaning = field.description or ""
    if choices:
        meaning = f"{meaning}; one of {', '.join(f'`{choice}`' for choice in choices)}" if meaning else meaning
    return f"| `{variable}` | {_default(field.default)} | {meaning} |"


def _choices(annotation: Any) -> list[str]:
    """Values of a Literal; of a type that is none, nothing."""
    values = get_args(annotation)
    return [value for value in values if isinstance(value, str)] if len(values) > 1 else []


def _default(value: Any) -> str:
    if value is None or value is PydanticUndefined or value == ():
        return "-"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{text}`"


if __name__ == "__main__":
    print(settings_table())
