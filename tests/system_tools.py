"""`python -m tests.system_tools`: what only the system's package manager has is installed where that needs no question."""

import glob
import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from dataclasses import dataclass

APT = {"DEBIAN_FRONTEND": "noninteractive"}
INSTALL_SECONDS = 900
# debootstrap lies where only root's path leads.
PROGRAM_FOLDERS = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
PROGRAMS = {"flite": "flite", "ffmpeg": "ffmpeg", "debootstrap": "debootstrap", "nginx-light": "nginx"}


@dataclass(frozen=True, slots=True)
class SystemTool:
    """`tests` says what cannot be run without it."""

    package: str
    tests: str

    def is_present(self) -> bool:
        if self.package == "postgresql":
            return bool(postgres_folder())
        if self.package == "libatomic1":
            return find_library("atomic") is not None
        if self.package in PROGRAMS:
            return program(PROGRAMS[self.package]) is not None
        return chromium() is not None


def program(name: str) -> str | None:
    return shutil.which(name, path=PROGRAM_FOLDERS)


def chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def postgres_folder() -> str | None:
    """The newest folder with PostgreSQL's server programs."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    newest = max(found, key=lambda path: int(path.split("/")[4]), default=None)
    return os.path.dirname(newest) if newest else None


TOOLS = [
    SystemTool("chromium", "browser tests"),
    SystemTool("libatomic1", "browser tests"),  # for the node that playwright brings
    SystemTool("flite", "tests that speak to the local recogniser"),
    SystemTool("ffmpeg", "tests that show a video"),
    SystemTool("postgresql", "tests on PostgreSQL"),
    SystemTool("debootstrap", "tests of the image"),
    SystemTool("nginx-light", "the rolling update behind a proxy"),
]


def may_install() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: list[str]) -> None:
    environment = {**os.environ, **APT}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", *packages]):
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
        if done.returncode:
            print(f"{' '.join(command)} failed: {done.stderr[-500:]}")
            return


def main() -> int:
    missing = [tool for tool in TOOLS if not tool.is_present()]
    if missing and may_install():
        print(f"installing {', '.join(tool.package for tool in missing)} ...", flush=True)
        install([tool.package for tool in missing])
        missing = [tool for tool in TOOLS if not tool.is_present()]
    for tool in missing:
        print(f"NOT RUN: {tool.tests}, because {tool.package} is not installed (apt-get install {tool.package})")
    return 1 if missing and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
