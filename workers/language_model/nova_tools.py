"""Tools as Nova takes them: names it does not stumble over, and schemas of three keys without references; pure."""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Final

from workers.language_model.contract import ToolSpec

MAX_NAME_CHARACTERS: Final = 64
MAX_REFERENCE_DEPTH: Final = 8
# References can multiply: ten in each of eight levels would be a hundred million nodes.
MAX_SCHEMA_NODES: Final = 5_000

_SCHEMA_KEYS = ("properties", "required")
_DEFINITION_KEYS = ("$defs", "definitions")
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9_]")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WIRE_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class ToolNames:
    """Nova fails on a hyphen in a tool's name, so the wire has another name than the catalogue; no two are alike."""

    by_wire_name: dict[str, str]

    @classmethod
    def of(cls, tools: tuple[ToolSpec, ...]) -> "ToolNames":
        names: dict[str, str] = {}
        for tool in tools:
            if tool.name not in names.values():
                names[_unused(wire_name(tool.name), names)] = tool.name
        return cls(names)

    def original(self, name: str) -> str:
        return self.by_wire_name.get(name, name)

    def wire(self, name: str) -> str:
        """The name of an offered tool, or of one that only the history knows."""
        return next((wire for wire, original in self.by_wire_name.items() if original == name), wire_name(name))


def wire_name(name: str) -> str:
    """`name` as `[a-z][a-z0-9_]{0,63}`."""
    plain = _NOT_IN_A_NAME.sub("_", _HUMP.sub("_", name).lower())
    if not plain[:1].isalpha():
        plain = f"t_{plain}"
    return plain[:MAX_NAME_CHARACTERS]


def _unused(name: str, taken: dict[str, str]) -> str:
    number, free = 2, name
    while free in taken:
        suffix = f"_{number}"
        free = name[: MAX_NAME_CHARACTERS - len(suffix)] + suffix
        number += 1
    return free


def wire_id(tool_use_id: str) -> str:
    """An id the service takes; a client's own shape of id is replaced by its hash, the same in use and result."""
    if _WIRE_ID.fullmatch(tool_use_id):
        return tool_use_id
    return "call_" + hashlib.sha256(tool_use_id.encode(errors="replace")).hexdigest()[:32]


def nova_schema(parameters: dict[str, Any]) -> dict[str, Any]:
    """Only `type`, `properties` and `required` stand at the top: Nova refuses `definitions` and `$defs`."""
    whole = _Inliner(parameters).inlined(parameters, MAX_REFERENCE_DEPTH)
    properties, required = (whole.get(key) for key in _SCHEMA_KEYS)
    schema: dict[str, Any] = {"type": "object", "properties": properties if isinstance(properties, dict) else {}}
    if isinstance(required, list) and required:
        schema["required"] = [name for name in required if name in schema["properties"]]
    return schema


class _Inliner:
    """Replaces local references by what they point at; a circle, or too much in all, ends as an empty schema."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._nodes_left = MAX_SCHEMA_NODES

    def inlined(self, node: Any, depth: int) -> Any:
        self._nodes_left -= 1
        if self._nodes_left < 0:
            return {}
        if isinstance(node, list):
            return [self.inlined(child, depth) for child in node]
        if not isinstance(node, dict):
            return node
        if isinstance(node.get("$ref"), str):
            return self._followed(node, depth)
        children = {key: child for key, child in node.items() if key not in _DEFINITION_KEYS}
        return {key: self._keyword(key, child, depth) for key, child in children.items()}

    def _keyword(self, key: str, child: Any, depth: int) -> Any:
        """Below `properties` the keys are names: one called `definitions` or `$ref` is a property like any other."""
        if key == "properties" and isinstance(child, dict):
            return {name: self.inlined(schema, depth) for name, schema in child.items()}
        return self.inlined(child, depth)

    def _followed(self, node: dict[str, Any], depth: int) -> Any:
        if not depth:
            return {}
        rest = {key: child for key, child in node.items() if key != "$ref"}
        return self.inlined(self._referenced(node["$ref"]) | rest, depth - 1)

    def _referenced(self, reference: str) -> dict[str, Any]:
        node: Any = self._root
        for name in filter(None, reference.removeprefix("#").split("/")):
            plain = name.replace("~1", "/").replace("~0", "~")
            node = node.get(plain, {}) if isinstance(node, dict) else {}
        return node if isinstance(node, dict) else {}
