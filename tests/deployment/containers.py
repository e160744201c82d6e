"""Containers of our image without an engine: process 1 on a read-only root, no privileges, /tmp alone to write in."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from sessions.management.redis_server import free_port
from tests.aws_emulator.process import EmulatorProcess
from tests.deployment.clean_root import Mount, RootCommand
from tests.deployment.image_build import Image
from tests.house import House, Process

RUN_SECONDS = 90
STOP_SECONDS = 30
TEMPORARY_SIZE = "64m"
# In every root, empty, and good for what a test must hand in.
HANDED_IN = "/mnt"


def contained(
    image: Image, command: list[str], environment: dict[str, str], mounts: tuple[Mount, ...] = ()
) -> RootCommand:
    return RootCommand(
        root=image.root,
        command=command,
        environment={**image.environment, **environment},
        folder=image.folder,
        user=image.user,
        is_contained=True,
        mounts=(Mount(f"tmpfs:{TEMPORARY_SIZE}", "/tmp"), *mounts),
    )


def run_once(command: RootCommand) -> "subprocess.CompletedProcess[str]":
    """A container that ends by itself."""
    return subprocess.run(command.argv(), capture_output=True, text=True, timeout=RUN_SECONDS, check=False)


class Container(Process):
    """One that stays, until it is stopped as Kubernetes does it: SIGTERM to process 1."""

    def __init__(self, name: str, command: RootCommand, folder: Path) -> None:
        self._contained = command
        super().__init__(name, command.argv(), dict(os.environ), folder)

    @property
    def first_pid(self) -> int:
        """Process 1 of the container, as this machine numbers it; 0 while it is not there."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return int(children[0]) if children else 0

    @property
    def main_pid(self) -> int:
        """The one process below tini."""
        [child] = Path(f"/proc/{self.first_pid}/task/{self.first_pid}/children").read_text().split()
        return int(child)

    def status(self) -> dict[str, str]:
        lines = Path(f"/proc/{self.main_pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def execute(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """As an exec probe does: in the container, with its user and its variables."""
        _chroot, _root, *inner = replace(self._contained, command=list(command)).inner()
        enter = ["nsenter", "--target", str(self.first_pid), "--mount", "--pid", "--root", "--"]
        return subprocess.run([*enter, *inner], capture_output=True, text=True, timeout=RUN_SECONDS, check=False)

    def end(self, seconds: float = STOP_SECONDS) -> int:
        """SIGTERM, and the code with which it ended; raises TimeoutExpired when it does not."""
        assert self._child is not None
        os.kill(self.first_pid, 15)
        return self._child.wait(seconds)

    def stop(self) -> None:
        if not self.is_running():
            return
        try:
            self.end()
        except (subprocess.TimeoutExpired, ProcessLookupError):
            self.kill()


class ContainerHouse(House):
    """A house whose processes are containers of the image; Redis, PostgreSQL and the emulator stay outside."""

    def __init__(self, image: Image, database_url: str) -> None:
        super().__init__("aws", database_url=database_url)
        self._image = image
        self.containers: dict[str, Container] = {}

    def _start(self) -> None:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="nova-containers-")))
        self.aws = self._stack.enter_context(EmulatorProcess())
        self._start_redis()
        self.ports.append(free_port())
        self.environment = self._make_environment()
        migrated = run_once(self.command("migrate"))
        assert migrated.returncode == 0, migrated.stdout + migrated.stderr
        self.webs.append(self.contain("web", "web"))
        self.talker = self.contain("talker", "worker", "reply", "speech")
        self.seer = self.contain("seer", "worker", "vision")
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        for worker in (self.talker, self.seer):
            worker.wait_for_log(" ready.")
        self.webs[0].wait_for_url(f"{self.url}/readyz")

    def _make_environment(self) -> dict[str, str]:
        """Nothing of this machine: what the image does not set and a deployment would not give is missing."""
        given = self._own_environment()
        folder = self.folder / "handed_in"
        folder.mkdir(mode=0o755)
        shutil.copy(given["AWS_CA_BUNDLE"], folder / "ca.pem")
        self._handed_in = (Mount(str(folder), HANDED_IN),)
        del given["HOST"]
        return {**given, "PORT": str(self.ports[0]), "AWS_CA_BUNDLE": f"{HANDED_IN}/ca.pem"}

    def contain(self, name: str, *arguments: str) -> Container:
        container = Container(name, self.command(*arguments), self.folder)
        container.start()
        self._stack.callback(container.stop)
        self.containers[name] = container
        return container

    def command(self, *arguments: str, **environment: str) -> RootCommand:
        """What a pod's `args` are, with the house's environment."""
        whole = {**self.environment, **environment}
        return contained(self._image, [*self._image.entrypoint, *arguments], whole, self._handed_in)
