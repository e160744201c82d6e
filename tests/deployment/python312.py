"""The deployment checks' own Python 3.12 environment: some of their tools need it, and none belongs among ours.

Made once for each content of requirements.txt, under `.venv-deployment/` in the project's folder. Where no Python 3.12 is
found the checks that need it are left out aloud; under CI=true that is an error.
"""

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
FOLDER = ROOT / ".venv-deployment"
INSTALL_SECONDS = 900
LEFT_OUT = "the chart's rendering, its values matrix, mutations and policies, yamllint, checkov and cfn-lint"


class NoPython312Error(RuntimeError):
    """CI must not leave anything out."""


@functools.cache
def environment() -> Path | None:
    """The environment's python; None where it cannot be had, after saying so."""
    interpreter = find_interpreter()
    if interpreter is None:
        message = f"NOT RUN: {LEFT_OUT}, because no python3.12 is on PATH or in pyenv"
        if os.environ.get("CI") == "true":
            raise NoPython312Error(message)
        print(message, flush=True)
        return None
    return make_environment(interpreter)


def find_interpreter() -> str | None:
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [shutil.which("python3.12"), *map(str, sorted(pyenv.glob("versions/3.12.*/bin/python3.12")))]
    return next((found for found in candidates if found and is_usable(found)), None)


def is_usable(interpreter: str) -> bool:
    """pyenv's shims stand on PATH for versions that are not chosen, too."""
    code = "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] != (3, 12))"
    done = subprocess.run([interpreter, "-c", code], capture_output=True, timeout=30, check=False)
    return done.returncode == 0


def make_environment(interpreter: str) -> Path:
    """Two test runs may want it at once: the second waits for the first."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    python, mark = FOLDER / "bin" / "python", FOLDER / "made"
    with Path(f"{FOLDER}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if mark.exists() and mark.read_text() == digest:
            return python
        print(f"making {FOLDER.name} (once, about a minute) ...", flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        subprocess.run([interpreter, "-m", "venv", str(FOLDER)], check=True, timeout=120)
        install = [
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "-r",
            str(REQUIREMENTS),
        ]
        subprocess.run(install, check=True, timeout=INSTALL_SECONDS)
        mark.write_text(digest)
    return python


def main() -> int:
    """Makes it beforehand, so that no test's time limit has to allow for a slow network."""
    try:
        environment()
    except NoPython312Error as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
