"""Builds the image of our Dockerfile without an engine: its RUN and COPY lines, in order, in clean roots."""

import fnmatch
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from tests.deployment.clean_root import KEPT, ROOT, Mount, RootCommand, clean_base
from tests.deployment.dockerfile import Dockerfile, Instruction, Stage, read_dockerfile
from tests.deployment.place import Place, this_place

RUN_SECONDS = 420
ENGINE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Image:
    """A built root and what an engine would remember of it."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": ENGINE_PATH})
    folder: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def size_bytes(self) -> int:
        """As an engine counts layers: the files' own sizes, hard links once."""
        sizes: dict[tuple[int, int], int] = {}
        for folder, _, names in os.walk(self.root):
            for name in names:
                found = os.lstat(os.path.join(folder, name))
                sizes[found.st_dev, found.st_ino] = found.st_size
        return sum(sizes.values())


class Builder:
    """Stages are built in `folder`; `arguments` are the build's `--build-arg`."""

    def __init__(self, folder: Path, arguments: dict[str, str] | None = None) -> None:
        self._folder = folder
        self._arguments = arguments or {}
        self._dockerfile: Dockerfile = read_dockerfile((ROOT / "Dockerfile").read_text())
        self._stages: dict[str, Image] = {}
        self._ignored = DockerIgnore((ROOT / ".dockerignore").read_text())
        place_folder = folder / "place"
        place_folder.mkdir()
        self._place: Place = this_place(place_folder)

    def build(self) -> Image:
        for number, stage in enumerate(self._dockerfile.stages):
            image = self._build_stage(stage, self._folder / (stage.name or f"stage{number}"))
            self._stages[stage.name] = image
        return image

    def _build_stage(self, stage: Stage, root: Path) -> Image:
        subprocess.run(["cp", "-a", str(clean_base(self._dockerfile.base_of(stage))), str(root)], check=True)
        image = Image(root)
        arguments: dict[str, str] = {}
        for instruction in stage.instructions:
            match instruction.word:
                case "ARG":
                    defaults = instruction.pairs()
                    arguments |= {name: self._arguments.get(name, value) for name, value in defaults.items()}
                case "RUN":
                    self._run(image, instruction, arguments)
                case "COPY":
                    self._copy(image, instruction)
                case _:
                    _remember(image, instruction)
        return image

    def _run(self, image: Image, instruction: Instruction, arguments: dict[str, str]) -> None:
        command = RootCommand(
            root=image.root,
            command=["/bin/sh", "-c", instruction.rest],
            environment={**arguments, **image.environment, **self._place.environment},
            folder=image.folder,
            mounts=(*_cache_mounts(image.root, instruction), *self._place.mounts, *_name_servers()),
        )
        done = subprocess.run(command.argv(), capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
        if done.returncode:
            raise RuntimeError(f"Dockerfile line {instruction.line} failed: {(done.stdout + done.stderr)[-3_000:]}")

    def _copy(self, image: Image, instruction: Instruction) -> None:
        *sources, target = instruction.rest.split()
        stage = instruction.flags.get("from")
        there = image.root / os.path.join(image.folder, target).lstrip("/")
        for source in sources:
            if stage is not None:
                shutil.copytree(self._stages[stage].root / source.lstrip("/"), there, symlinks=True)
            else:
                self._copy_from_context(ROOT / source, there / source if target.endswith("/") else there)

    def _copy_from_context(self, source: Path, there: Path) -> None:
        name = str(source.relative_to(ROOT))
        if self._ignored.hides(name):
            raise FileNotFoundError(f"{name} is not in the build's context: .dockerignore hides it")
        there.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, there, ignore=self._ignored.hidden_in, dirs_exist_ok=True)
        else:
            shutil.copy2(source, there)


class DockerIgnore:
    """An allow-list (`*`, then `!name` of the top level), and `**/pattern` for what is left out below."""

    def __init__(self, text: str) -> None:
        lines = [line for line in text.splitlines() if line and not line.startswith("#")]
        if lines[:1] != ["*"]:
            raise ValueError(".dockerignore must begin with *: what is not named must not reach a build")
        self.allowed = {line[1:] for line in lines if line.startswith("!")}
        self.below = [line.removeprefix("**/") for line in lines[1:] if not line.startswith("!")]

    def hides(self, name: str) -> bool:
        parts = Path(name).parts
        return parts[0] not in self.allowed or any(
            fnmatch.fnmatch(part, pattern) for part in parts for pattern in self.below
        )

    def hidden_in(self, _: object, names: list[str]) -> set[str]:
        return {name for name in names for pattern in self.below if fnmatch.fnmatch(name, pattern)}


def _remember(image: Image, instruction: Instruction) -> None:
    match instruction.word:
        case "ENV":
            image.environment |= instruction.pairs()
        case "WORKDIR":
            image.folder = os.path.join(image.folder, instruction.text)
            (image.root / image.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        case "USER":
            image.user = instruction.text
        case "ENTRYPOINT":
            image.entrypoint = instruction.listed()
        case "CMD":
            image.command = instruction.listed()
        case "HEALTHCHECK":
            image.health_check = Instruction("CMD", instruction.rest.partition("CMD ")[2], instruction.line).listed()


def _cache_mounts(root: Path, instruction: Instruction) -> list[Mount]:
    """`--mount=type=cache,target=...`: kept for later builds of this machine, and no part of the image."""
    settings = dict(part.partition("=")[::2] for part in instruction.flags.get("mount", "").split(",") if part)
    if not settings:
        return []
    if settings.get("type") != "cache":
        raise ValueError(f"line {instruction.line}: only cache mounts are known here")
    kept = KEPT / "cache" / settings["target"].strip("/").replace("/", "-")
    kept.mkdir(parents=True, exist_ok=True)
    (root / settings["target"].lstrip("/")).mkdir(parents=True, exist_ok=True)
    return [Mount(str(kept), settings["target"])]


def _name_servers() -> list[Mount]:
    """An engine gives a container this machine's name servers."""
    return [Mount(os.path.realpath("/etc/resolv.conf"), "/etc/resolv.conf")]
