"""Clean Debian roots and commands in them: what a container engine would do, with debootstrap, namespaces and chroot."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / ".run" / "image"
MIRROR = "http://deb.debian.org/debian"
SUITES = {"12": "bookworm"}
DEBOOTSTRAP_SECONDS = 400
SBIN = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
# As in Debian's slim images: what their packages never bring along.
NOT_SLIM = ("doc", "man", "info", "locale", "groff", "lintian", "linda")


def reason_not_here() -> str | None:
    """Why images cannot be built on this machine, or None."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "building a root needs Linux and root"
    for program in ("debootstrap", "unshare", "chroot", "nsenter"):
        if shutil.which(program, path=SBIN) is None:
            return f"{program} is not installed"
    done = subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"], capture_output=True, check=False)
    return None if done.returncode == 0 else "mounting is not allowed here"


def need_roots() -> None:
    reason = reason_not_here()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and under CI=true nothing may be skipped")
    print(f"NOT RUN: tests of the image, because {reason}")
    pytest.skip(reason)


@dataclass(frozen=True, slots=True)
class Mount:
    """`source` is a folder or file of this machine, or "tmpfs:SIZE"; `target` a path in the root that exists there."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class RootCommand:
    """A command in a root. `user` drops every privilege; `is_contained` makes it process 1 on a read-only root."""

    root: Path
    command: list[str]
    environment: dict[str, str]
    folder: str = "/"
    user: str | None = None
    is_contained: bool = False
    mounts: tuple[Mount, ...] = field(default=())

    def argv(self) -> list[str]:
        namespaces = ["unshare", "--mount", "--propagation", "private"]
        if self.is_contained:
            namespaces += ["--pid", "--fork", "--kill-child=SIGKILL"]
        return [*namespaces, "/bin/sh", "-ec", self._script()]

    def _script(self) -> str:
        root = shlex.quote(str(self.root))
        lines = [f"mount --bind {root} {root}"]
        if self.is_contained:
            lines.append(f"mount -o remount,bind,ro {root}")
        lines += [f"mount -t proc proc {root}/proc", f"mount --rbind /dev {root}/dev"]
        lines += [self._mount_line(mount) for mount in self.mounts]
        return "\n".join([*lines, f"PATH={SBIN} exec {shlex.join(self.inner())}"])

    def _mount_line(self, mount: Mount) -> str:
        target = shlex.quote(f"{self.root}{mount.target}")
        if mount.source.startswith("tmpfs:"):
            return f"mount -t tmpfs -o size={mount.source.partition(':')[2]},mode=1777 tmpfs {target}"
        return f"mount --bind {shlex.quote(mount.source)} {target}"

    def inner(self) -> list[str]:
        """From inside the namespaces on."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        begin = ["chroot", str(self.root), "/usr/bin/env", "-i", "-C", self.folder]
        return [*begin, *variables, *dropped(self.user), *self.command]


def dropped(user: str | None) -> list[str]:
    """What `runAsUser`, `allowPrivilegeEscalation: false` and `drop: [ALL]` mean."""
    if user is None:
        return []
    uid, _, gid = user.partition(":")
    limits = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    return ["/usr/bin/setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *limits]


def clean_base(image: str) -> Path:
    """A root as `image` (debian:12.15-slim) has it; made once, and kept for later runs on this machine."""
    version = re.fullmatch(r"debian:(\d+)\.\d+-slim", image)
    if version is None or version[1] not in SUITES:
        raise ValueError(f"{image} cannot be made here: a slim Debian of {', '.join(SUITES)} is expected")
    root = KEPT / f"base-{version[1]}"
    if not root.exists():
        KEPT.mkdir(parents=True, exist_ok=True)
        draft = KEPT / f"base-{version[1]}.{os.getpid()}"
        try:
            _debootstrap(draft, SUITES[version[1]])
            _make_slim(draft)
            draft.rename(root)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return root


def _debootstrap(folder: Path, suite: str) -> None:
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{SBIN}"}
    done = subprocess.run(
        ["debootstrap", "--variant=minbase", suite, str(folder), MIRROR],
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEBOOTSTRAP_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"debootstrap failed: {(done.stdout + done.stderr)[-2_000:]}")
    sources = [f"deb {MIRROR} {suite} main", f"deb {MIRROR} {suite}-updates main"]
    sources.append(f"deb {MIRROR}-security {suite}-security main")
    (folder / "etc/apt/sources.list").write_text("\n".join(sources) + "\n")


def _make_slim(folder: Path) -> None:
    excluded = [f"path-exclude /usr/share/{name}/*" for name in NOT_SLIM]
    (folder / "etc/dpkg/dpkg.cfg.d/docker").write_text("\n".join(excluded) + "\n")
    kept_small = ['Dir::Cache::pkgcache "";', 'Dir::Cache::srcpkgcache "";', 'Acquire::Languages "none";']
    (folder / "etc/apt/apt.conf.d/docker").write_text("\n".join(kept_small) + "\n")
    for name in NOT_SLIM:
        shutil.rmtree(folder / "usr/share" / name, ignore_errors=True)
    for name in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log"):
        for path in (folder / name).iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
