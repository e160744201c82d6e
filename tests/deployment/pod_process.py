"""A rendered pod as a plain process of this machine: its arguments, variables, probes, hooks and grace are the chart's.

The image's entry `nova` is our tree's, by the same link as in the Dockerfile. Of its own a pod has a loopback address, where
a cluster gives one, and a folder in the place of its /tmp.
"""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.deployment.chart import Json, Pod
from tests.deployment.dockerfile import read_dockerfile
from tests.house import ROOT, HouseError, Process

REFERENCE = re.compile(r"\$\((\w+)\)")
COMPILED = ROOT / ".run" / "compiled"
LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Kept:
    """The cluster's ConfigMaps and Secrets, by name."""

    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]


def variables_of(container: Json, kept: Kept) -> dict[str, str]:
    """As the kubelet makes them: a later one may hold an earlier one's value as $(NAME)."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= kept.config_maps[source["configMapRef"]["name"]]
    for variable in container.get("env", []):
        if "valueFrom" in variable:
            reference = variable["valueFrom"]["secretKeyRef"]
            found[variable["name"]] = kept.secrets[reference["name"]][reference["key"]]
        else:
            found[variable["name"]] = REFERENCE.sub(lambda name: found.get(name[1], name[0]), variable["value"])
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """What the probes of a pod that is on its way out say."""

    is_ready: bool
    is_alive: bool


@dataclass(slots=True)
class Ending:
    """How a pod went. `hook_code` is that of its preStop, None without one; `looks` are those while it still ran."""

    pod: str
    grace_seconds: float
    hook_code: int | None = None
    exit_code: int | None = None
    seconds: float = 0.0
    was_killed: bool = False
    looks: list[Look] = field(default_factory=list)


class PodProcess(Process):
    def __init__(self, name: str, pod: Pod, kept: Kept, address: str, folder: Path) -> None:
        self.component = pod.component
        self.address = address
        self._container = pod.main
        self._grace_seconds = float(pod.spec.get("terminationGracePeriodSeconds", 30))
        image = read_dockerfile((ROOT / "Dockerfile").read_text()).stages[-1]
        own_folder = folder / f"{name}.tmp"
        own_folder.mkdir()
        environment = {key: value for line in image.of("ENV") for key, value in line.pairs().items()}
        environment |= variables_of(pod.main, kept)
        environment |= {"HOST": address, "NOVA_METRICS_HOST": address}
        environment |= {"PATH": _path(folder), "HOME": str(own_folder), "TMPDIR": str(own_folder)}
        environment["NOVA_WORKER_BEAT_FILE"] = str(own_folder / "nova-worker.beat")
        # Everything is compiled in the image; here the first process of a machine does it.
        environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(COMPILED)}
        self.variables = environment
        entry = image.of("ENTRYPOINT")[-1].listed()
        command = [*entry[entry.index("--") + 1 :], *pod.main["args"]]
        super().__init__(name, command, environment, folder)

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self._port('http')}"

    def run_to_its_end(self) -> None:
        done = subprocess.run(
            self._command, env=self.variables, capture_output=True, text=True, timeout=90, check=False
        )
        if done.returncode:
            raise HouseError(f"{self.name}: {done.stdout}{done.stderr}"[-3_000:])

    # --- its probes -------------------------------------------------------------------------------------------------

    def wait_until_ready(self) -> None:
        """By its startup probe and then its readiness probe, each at its own pace and with its own patience."""
        for name in ("startupProbe", "readinessProbe"):
            probe = self._container[name]
            for _ in range(probe["failureThreshold"]):
                if self.is_well(name):
                    break
                if not self.is_running():
                    raise HouseError(f"{self.name} ended before its {name} succeeded\n{self.log()[-3_000:]}")
                time.sleep(probe["periodSeconds"])
            else:
                raise HouseError(f"{self.name}: its {name} never succeeded\n{self.log()[-3_000:]}")

    def look(self) -> Look:
        return Look(self.is_well("readinessProbe"), self.is_well("livenessProbe"))

    def is_well(self, probe_name: str) -> bool:
        probe = self._container[probe_name]
        limit_seconds = probe["timeoutSeconds"]
        if "exec" in probe:
            return self._executes(probe["exec"]["command"], limit_seconds)
        wish = probe["httpGet"]
        url = f"http://{self.address}:{self._port(wish['port'])}{wish['path']}"
        try:
            with urllib.request.urlopen(url, timeout=limit_seconds) as answer:
                return bool(200 <= answer.status < 400)
        except OSError:
            return False

    def _executes(self, command: list[str], limit_seconds: float) -> bool:
        try:
            done = subprocess.run(command, env=self.variables, capture_output=True, timeout=limit_seconds, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _port(self, name: str) -> int:
        return next(int(port["containerPort"]) for port in self._container["ports"] if port["name"] == name)

    # --- its end ----------------------------------------------------------------------------------------------------

    def end(self) -> Ending:
        """As the kubelet does it: preStop, then SIGTERM to the process itself, and SIGKILL when the grace for both is over."""
        ending = Ending(self.name, self._grace_seconds)
        began_at = time.monotonic()
        deadline = began_at + self._grace_seconds
        with self._hook() as hook:
            while hook is not None and hook.poll() is None and time.monotonic() < deadline:
                ending.looks.append(self.look())
                time.sleep(LOOK_SECONDS)
            ending.hook_code = hook.poll() if hook is not None else None
        if hook is not None:
            ending.looks.append(self.look())
        os.kill(self.pid, signal.SIGTERM)
        while self.is_running() and time.monotonic() < deadline:
            if hook is None:
                ending.looks.append(self.look())
            time.sleep(LOOK_SECONDS)
        if self.is_running():
            ending.was_killed = True
            self.kill()
        ending.seconds = time.monotonic() - began_at
        assert self._child is not None
        ending.exit_code = self._child.wait()
        return ending

    @contextmanager
    def _hook(self) -> "Iterator[subprocess.Popen[bytes] | None]":
        handler = self._container.get("lifecycle", {}).get("preStop")
        if handler is None:
            yield None
            return
        with self.log_path.open("ab") as log:
            process = subprocess.Popen(handler["exec"]["command"], env=self.variables, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _path(folder: Path) -> str:
    """With the image's link `nova`, and our own Python as the one it is run with."""
    link = folder / "bin" / "nova"
    if not link.is_symlink():
        link.parent.mkdir()
        link.symlink_to(ROOT / "nova_site" / "entry.py")
    return os.pathsep.join([str(link.parent), str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"])
