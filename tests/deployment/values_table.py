"""`python -m tests.deployment.values_table` writes the table of values into the chart's README, from values.yaml."""

import json
import re
from collections.abc import Iterator

import yaml

from tests.deployment.chart import CHART, Json

START, END = "<!-- values: python -m tests.deployment.values_table -->\n", "\n<!-- end of values -->"
README = CHART / "README.md"
KEY = re.compile(r"^( *)([A-Za-z][\w-]*):")
MEANING = "# -- "


def values_table() -> str:
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, default, meaning in described_values():
        lines.append(f"| `{path}` | {shown(default)} | {meaning.replace('|', '&#124;')} |")
    return "\n".join(lines)


def described_values() -> Iterator[tuple[str, object, str]]:
    """A value is what has a line of meaning over it; what lies inside one belongs to it."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    values: Json = yaml.safe_load(text)
    path: list[str] = []
    meaning = ""
    for line in text.splitlines():
        if line.strip().startswith(MEANING):
            meaning = line.strip().removeprefix(MEANING)
        elif match := KEY.match(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            if meaning:
                yield ".".join(path), value_at(values, path), meaning
            meaning = ""


def value_at(values: Json, path: list[str]) -> object:
    found: object = values
    for name in path:
        assert isinstance(found, dict), path
        found = found[name]
    return found


def undescribed(values: Json, described: set[str], path: str = "") -> Iterator[str]:
    """Values that no line of meaning covers, at their own place or further out."""
    for name, value in values.items():
        here = f"{path}.{name}".lstrip(".")
        if here in described:
            continue
        if isinstance(value, dict) and value:
            yield from undescribed(value, described, here)
        else:
            yield here


def shown(default: object) -> str:
    if default in ("", None, [], {}):
        return "-"
    return f"`{default}`" if isinstance(default, str) else f"`{json.dumps(default, ensure_ascii=False)}`"


def main() -> None:
    before, _, rest = README.read_text(encoding="utf-8").partition(START)
    README.write_text(f"{before}{START}{values_table()}{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
