# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that the machine may not have, out of Debian 13's packages: compose, a registry, and an engine that is newer than the machine's."""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t
from pathlib import Path

from tests.lab import apt, shell
from tests.lab.settings import CACHE

_SUITE = "trixie"
_COMPOSE = "usr/libexec/docker/cli-plugins/docker-compose"
_ENGINE = "usr/sbin/dockerd"
_REGISTRY = "usr/bin/docker-registry"


def compose() -> Path:
    """The compose program."""
    return _unpacked("compose", _COMPOSE, "docker-compose") / _COMPOSE


def engine() -> list[Path]:
    """Folders that hold dockerd and containerd. It never starts a container, for which runc would be needed."""
    tree = _unpacked("engine", _ENGINE, "docker.io", "containerd")
    return [tree / "usr/sbin", tree / "usr/bin"]


def registry() -> Path:
    """The folder that holds docker-registry."""
    return (_unpacked("registry", _REGISTRY, "docker-registry") / _REGISTRY).parent


def _unpacked(name: str, sign: str, *packages: str) -> Path:
    """A folder with these packages' files, which are fetched once, checked by apt and unpacked into the cache.

    :raises LabError: the machine has no mirror that serves them.
    """
    final = CACHE / f"{name}-{_SUITE}"
    if not (final / sign).exists():
        final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=final.parent) as scratch:
            tree = Path(scratch) / "tree"
            for package in _fetched(Path(scratch), packages):
                shell.run(["dpkg-deb", "-x", str(package), str(tree)])
            shutil.rmtree(final, ignore_errors=True)
            os.replace(tree, final)
    return final


def _fetched(scratch: Path, packages: t.Sequence[str]) -> list[Path]:
    """The packages, fetched with a configuration of its own that knows the machine's mirror and another release."""
    (scratch / "lists/partial").mkdir(parents=True)
    (scratch / "archives/partial").mkdir(parents=True)
    (scratch / "status").touch()
    (scratch / "sources.list").write_text("".join(each.line() + "\n" for each in apt.debian_sources(_SUITE)))
    places = {"Dir::Etc::SourceList": "sources.list", "Dir::State": "", "Dir::State::lists": "lists", "Dir::State::status": "status", "Dir::Cache": ""}
    own = [f"-o{name}={scratch / place}" for name, place in places.items()]
    command = ["apt-get", "-qq", *own, "-oDir::Etc::SourceParts=/dev/null", "-oAPT::Sandbox::User=", "-oAcquire::Languages=none"]
    shell.run([*command, "update"], timeout=300)
    # Into the present folder, which is the only place where it puts what it downloads.
    shell.run(["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(scratch), *command, "download", *packages], timeout=300)
    return sorted(scratch.glob("*.deb"))
