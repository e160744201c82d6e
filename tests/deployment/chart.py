"""The chart as a cluster would get it: real Helm in a process of its own, asked by many tests at once, each answer kept."""

import copy
import json
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "nova-realtime"
ANSWER_SECONDS = 90
POD_TEMPLATES = {"Deployment", "StatefulSet", "Job"}


class HelmProcess:
    """One process for all tests; answers come in any order and are told apart by their number."""

    def __init__(self, python: Path) -> None:
        environment = {**os.environ, "HELM_DRIVER": "memory"}
        self._process = subprocess.Popen(
            [python, "-m", "tests.deployment.helm_process"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._waiting: dict[int, Future[Json]] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self, action: str, **request: Any) -> "Future[Json]":
        future: Future[Json] = Future()
        with self._lock:
            number = len(self._waiting)
            self._waiting[number] = future
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"id": number, "action": action, **request}) + "\n")
            self._process.stdin.flush()
        return future

    def ask(self, action: str, **request: Any) -> Json:
        return self.begin(action, **request).result(ANSWER_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer = json.loads(line)
            self._waiting[answer["id"]].set_result(answer)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(RuntimeError("the Helm process has ended"))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._reader.join(5)


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as it would run, whatever makes it."""

    owner: str
    component: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    spec: Json

    @property
    def containers(self) -> list[Json]:
        return [*self.spec.get("initContainers", []), *self.spec["containers"]]

    @property
    def main(self) -> Json:
        found: Json = self.spec["containers"][0]
        return found


@dataclass(frozen=True)
class Step:
    """What one installation or upgrade wrote."""

    manifest: list[Json]
    hooks: list[Json]
    notes: str
    applied: list[Json]
    journal: list[str]

    @property
    def objects(self) -> list[Json]:
        return [*self.manifest, *self.hooks]

    def of(self, kind: str) -> list[Json]:
        return [item for item in self.objects if item["kind"] == kind]

    def find(self, kind: str, component: str) -> Json | None:
        """The object of the release `nova-...` whose name ends with the component's."""
        found = [item for item in self.of(kind) if item["metadata"]["name"].endswith(f"-{component}")]
        return found[0] if found else None

    def one(self, kind: str, component: str) -> Json:
        found = self.find(kind, component)
        assert found is not None, f"no {kind} of {component}"
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        return list(pods_of(self.objects))

    def pod(self, component: str) -> Pod:
        found = [pod for pod in self.pods if pod.component == component]
        assert found, f"no pod of {component}"
        return found[0]


def pods_of(objects: list[Json]) -> Iterator[Pod]:
    for item in objects:
        owner = f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] in POD_TEMPLATES:
            template = item["spec"]["template"]
        elif item["kind"] == "CronJob":
            template = item["spec"]["jobTemplate"]["spec"]["template"]
        elif item["kind"] == "Pod":
            template = item
        else:
            continue
        metadata = template["metadata"]
        labels = metadata.get("labels", {})
        component = labels.get("app.kubernetes.io/component", "")
        yield Pod(owner, component, labels, metadata.get("annotations") or {}, template["spec"])


@dataclass(frozen=True, slots=True)
class Installation:
    """`error` is Helm's own message when it refused."""

    error: str | None
    steps: list[Step]

    @property
    def step(self) -> Step:
        assert self.error is None, self.error
        return self.steps[0]


@dataclass
class Chart:
    """A chart in a folder: ours, or a mutated copy. The same request is asked once."""

    helm: HelmProcess
    folder: Path = CHART
    _kept: dict[str, "Future[Json]"] = field(default_factory=dict)

    def begin(self, values: Json, release: str = "nova", namespace: str = "talk", **request: Any) -> "Future[Json]":
        key = json.dumps([values, release, namespace, request], sort_keys=True)
        if key not in self._kept:
            self._kept[key] = self.helm.begin(
                "install", chart=str(self.folder), values=values, release=release, namespace=namespace, **request
            )
        return self._kept[key]

    def install(self, values: Json, release: str = "nova", namespace: str = "talk", **request: Any) -> Installation:
        answer = self.begin(values, release, namespace, **request).result(ANSWER_SECONDS)
        return Installation(answer["error"], [Step(**step) for step in answer["steps"]])

    def render(self, values: Json, release: str = "nova", namespace: str = "talk") -> Step:
        """Raises AssertionError with Helm's message when it refuses."""
        return self.install(values, release, namespace).step

    def file(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def yaml(self, name: str) -> Json:
        found: Json = yaml.safe_load(self.file(name))
        return found


def changed(values: Json, **changes: Any) -> Json:
    """A copy with some values replaced; `web__replicas=3` reaches inside."""
    result = copy.deepcopy(values)
    for path, value in changes.items():
        inner = result
        *outer, last = path.split("__")
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return result
