"""Reads a Dockerfile into stages of instructions; knows the few forms that ours uses and refuses others."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

KNOWN = {
    *("FROM", "ARG", "ENV", "LABEL", "RUN", "COPY", "WORKDIR", "USER", "EXPOSE"),
    *("HEALTHCHECK", "ENTRYPOINT", "CMD"),
}
VARIABLE = re.compile(r"\$\{(\w+)\}|\$(\w+)")
PAIR = re.compile(r"""([\w.]+)=("(?:[^"\\]|\\.)*"|\S*)""")


class DockerfileError(ValueError):
    """A line that this reader does not know how to follow."""


@dataclass(frozen=True, slots=True)
class Instruction:
    word: str
    text: str
    line: int

    @property
    def flags(self) -> dict[str, str]:
        """`--from=build` and the like, which stand before the rest."""
        found = re.match(r"(?:--\S+\s+)*", self.text)
        words = found.group().split() if found else []
        return dict(word.removeprefix("--").partition("=")[::2] for word in words)

    @property
    def rest(self) -> str:
        return re.sub(r"^(?:--\S+\s+)*", "", self.text)

    def listed(self) -> list[str]:
        """The words of a form in brackets, which needs no shell."""
        words = json.loads(self.rest)
        if not isinstance(words, list):
            raise DockerfileError(f"line {self.line}: {self.word} is not in brackets")
        return [str(word) for word in words]

    def pairs(self) -> dict[str, str]:
        return {name: value.strip('"') for name, value in PAIR.findall(self.text)}


@dataclass(slots=True)
class Stage:
    """`base` still holds the variables of its FROM line."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.word == word]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    arguments: dict[str, str]
    stages: list[Stage]

    def base_of(self, stage: Stage) -> str:
        return substituted(stage.base, self.arguments)


def substituted(text: str, values: dict[str, str]) -> str:
    return VARIABLE.sub(lambda match: values.get(match[1] or match[2], ""), text)


def read_dockerfile(text: str) -> Dockerfile:
    arguments: dict[str, str] = {}
    stages: list[Stage] = []
    for instruction in _instructions(text.splitlines()):
        if instruction.word == "FROM":
            stages.append(_stage(instruction))
        elif stages:
            stages[-1].instructions.append(instruction)
        elif instruction.word == "ARG":
            arguments.update(instruction.pairs())
        else:
            raise DockerfileError(f"line {instruction.line}: {instruction.word} before the first FROM")
    return Dockerfile(arguments, stages)


def _instructions(lines: Iterable[str]) -> Iterable[Instruction]:
    """Continued lines are one; comments and empty lines between them are left out."""
    parts: list[str] = []
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        parts.append(stripped.removesuffix("\\").strip())
        if stripped.endswith("\\"):
            continue
        word, _, text = " ".join(parts).partition(" ")
        if word not in KNOWN:
            raise DockerfileError(f"line {number}: {word} is not known here")
        yield Instruction(word, text.strip(), number)
        parts = []


def _stage(instruction: Instruction) -> Stage:
    base, _, name = instruction.text.partition(" AS ")
    return Stage(base.strip(), name.strip())
