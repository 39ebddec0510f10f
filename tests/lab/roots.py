# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian trees for the hosts and for the simulator's base layer: built by mmdebstrap, cached, never relied upon."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import tempfile
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.lab import apt, shell
from tests.lab.settings import CACHE, FILES, LAB, LABEL

BARE = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",
    "sudo",
    "iproute2",
    "iptables",
    "ca-certificates",
    "procps",
    "kmod",
)
STATION = (
    "docker.io",
    "skopeo",
    "rsync",
    "docker-registry",
    "python3-requests",
    "openssl",
    "apt",
    "gpgv",
    "debian-archive-keyring",
    "dnsmasq-base",
    "dpkg-dev",
)
_WITHOUT = ("man/*", "doc/*", "locale/*", "info/*", "lintian/*")


@dataclass(frozen=True)
class Root:
    """One tree: Debian release, packages on top of the variant or of the tree ``base``, the script that finishes it."""

    name: str
    suite: str
    packages: tuple[str, ...]
    variant: str = "minbase"
    script: str = "root-setup.sh"
    base: str = ""

    def key(self) -> str:
        """Everything that decides the content, hashed."""
        parts = [self.suite, self.packages, self.variant, _WITHOUT, (FILES / self.script).read_text(), [s.line() for s in apt.debian_sources(self.suite)]]
        parts += [root(self.base).key()] if self.base else []
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    @property
    def file(self) -> Path:
        """Where the compressed tree lies in the cache."""
        return CACHE / "roots" / f"{self.name}-{self.key()}.tar.zst"

    @property
    def image(self) -> str:
        """Name of the imported image on the machine's engine."""
        return f"azlab/{self.name}:{self.key()}"


ROOTS = (
    Root("bookworm", "bookworm", BARE),
    Root("trixie", "trixie", BARE),
    Root("station", "bookworm", STATION, variant="custom", base="bookworm"),
    Root("control", "bookworm", ("rsync", "openssh-client"), variant="custom", base="bookworm"),
)
DISTROLESS = Root("distroless", "bookworm", ("python3.11-minimal", "libpython3.11-stdlib"), variant="extract", script="distroless-setup.sh")
_LOCKS = {each.name: threading.Lock() for each in (*ROOTS, DISTROLESS)}


def root(name: str) -> Root:
    """The root of that name."""
    return next(each for each in (*ROOTS, DISTROLESS) if each.name == name)


def build(tree: Root) -> Path:
    """Make the cached file when it is not there; it appears whole or not at all. One thread at a time makes a tree."""
    # Once: the name must not change when somebody edits the script while this runs.
    final = tree.file
    with _LOCKS[tree.name]:
        if final.exists():
            return final
        base = whole(root(tree.base)) if tree.base else None
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with shell.step(f"root {tree.name}: build"), tempfile.TemporaryDirectory(prefix=".build-", dir=final.parent) as folder:
            part = Path(folder) / "root.tar.zst"
            shell.run(shell.as_root(_arguments(tree, base, part)), timeout=900)
            if os.geteuid():
                shell.run(shell.as_root(["chown", str(os.geteuid()), str(part)]))
            os.replace(part, final)
        for old in final.parent.glob(f"{tree.name}-{'?' * 16}.tar.zst"):
            if old != final:
                old.unlink(missing_ok=True)
    return final


def whole(tree: Root) -> Path:
    """The cached file, made anew when it is damaged: for those who build upon it."""
    file = build(tree)
    if shell.run(["zstd", "-tq", "--", str(file)], check=False).returncode:
        shell.say(f"          {file.name} is damaged, building it again")
        file.unlink(missing_ok=True)
        file = build(tree)
    return file


def _arguments(tree: Root, base: Path | None, part: Path) -> list[str]:
    """The command that makes one tree: from nothing, or from another tree's file."""
    argv = ["mmdebstrap", "--quiet", f"--variant={tree.variant}", "--mode=root"]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{pattern}" for pattern in _WITHOUT]
    # The tree is thrown away when the power fails, so its thousands of fsyncs buy nothing.
    argv += ["--dpkgopt=force-unsafe-io", '--aptopt=Acquire::Languages "none"', *(f"--aptopt={line}" for line in apt.machine_settings())]
    if base:
        # The base's own list is empty and would hide the one that was just written.
        argv += [f'--setup-hook=set -e; zstd -dcq -- {shlex.quote(str(base))} | tar -x --exclude=./etc/apt/sources.list -C "$1"']
        install = f"apt-get install -qq -y --no-install-recommends {' '.join(tree.packages)} >/dev/null"
        argv += [f'--customize-hook=DEBIAN_FRONTEND=noninteractive chroot "$1" {install}']
    else:
        argv += [f"--include={','.join(tree.packages)}"]
    # Packages that are only extracted are never configured, so mmdebstrap ends before its customize hooks.
    hook = "extract" if tree.variant == "extract" else "customize"
    argv += [f'--{hook}-hook={shlex.quote(str(FILES / tree.script))} "$1"', tree.suite, str(part)]
    return [*argv, *(each.line() for each in apt.debian_sources(tree.suite))]


def load(tree: Root) -> str:
    """Import the tree as an image and return its name; a broken cache file is removed and made anew, once."""
    if shell.docker("image", "ls", "-q", tree.image):
        return tree.image
    for last in (False, True):
        file = build(tree)
        with shell.step(f"root {tree.name}: import"):
            change = f"LABEL {LABEL}={LAB}"
            # pipefail: zstd notices a damaged file, docker import alone would take what came before it.
            script = 'set -o pipefail; f=$1; shift; zstd -dcq -- "$f" | "$@"'
            importing = shell.as_root(["docker", "import", "-c", change, "-c", 'CMD ["/sbin/lab-init"]', "-c", "ENV container=docker", "-", tree.image])
            done = shell.run(["bash", "-c", script, "bash", str(file), *importing], check=False, timeout=300)
        if done.returncode == 0:
            return tree.image
        shell.run(shell.as_root(["docker", "image", "rm", "-f", tree.image]), check=False)
        if last:
            raise shell.LabError(f"{file}: cannot be imported: {done.stderr.decode(errors='replace')[-300:]}")
        shell.say(f"          {file.name} is damaged, building it again")
        file.unlink(missing_ok=True)
    raise AssertionError("unreachable")


def prepare(work: t.Callable[[Root], object], trees: t.Sequence[Root] = (*ROOTS, DISTROLESS)) -> None:
    """Do ``work`` (build or load) for all trees at once; the first failure is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=3) as pool:
        for outcome in [pool.submit(work, tree) for tree in trees]:
            outcome.result()
