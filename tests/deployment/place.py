"""How this place reaches its package servers (proxies, certificates); handed to a build, never part of what is built."""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.deployment.clean_root import Mount

VARIABLES = re.compile(
    r"^(PIP_(?!FIND_LINKS|NO_).*|SSL_CERT_.*|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(https?|no)_proxy)$", re.IGNORECASE
)
APT_SETTINGS = re.compile(r"^Acquire::(?:https?::|Check-).*$", re.MULTILINE)
# A folder of every root in which nothing is kept; the mounts of a command end with it.
FOLDER = "/run"


@dataclass(frozen=True, slots=True)
class Place:
    environment: dict[str, str]
    mounts: tuple[Mount, ...]


def this_place(folder: Path) -> Place:
    """Files that variables name are copied to `folder`, which is mounted where a build finds it."""
    environment: dict[str, str] = {}
    for name, value in os.environ.items():
        if VARIABLES.match(name):
            environment[name] = _moved(Path(value), folder) if value.startswith("/") else value
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    (folder / "apt.conf").write_text("\n".join(APT_SETTINGS.findall(done.stdout)) + "\n")
    environment["APT_CONFIG"] = f"{FOLDER}/apt.conf"
    return Place({name: value for name, value in environment.items() if value}, (Mount(str(folder), FOLDER),))


def _moved(path: Path, folder: Path) -> str:
    """The file's place in a build; empty for what is no file."""
    if not path.is_file():
        return ""
    copy = folder / path.name
    if not copy.exists():
        copy.write_bytes(path.read_bytes())
    return f"{FOLDER}/{copy.name}"
