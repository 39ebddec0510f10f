# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host that a plan is judged by, read from /proc, /etc and the file system.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.zstd import PROGRAM
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import networks

CPU_FLAGS = frozenset(("sse4_2", "avx", "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vnni", "amx_tile", "fma", "f16c"))
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_DEVICE = re.compile(r"nvidia\d+")
_HOOK = "nvidia-container-runtime-hook"  # where it is installed, an engine gives GPUs to containers without a runtime of that name
_LISTEN = "0A"  # state of a socket in /proc/net/tcp


def facts(folders: t.Sequence[str], packages: t.Sequence[str], proc: str = "/proc", etc: str = "/etc") -> dict[str, t.Any]:
    """os, arch, python, cpus, cpu_flags, memory (bytes), disk, now, packages, tools, listening, routes."""
    return {
        "os": os_name(_read(os.path.join(etc, "os-release"))),
        "arch": _ARCHITECTURES.get(platform.machine(), platform.machine()),
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 1,
        "cpu_flags": cpu_flags(_read(os.path.join(proc, "cpuinfo"))),
        "memory": memory(_read(os.path.join(proc, "meminfo"))),
        "disk": {folder: disk(folder) for folder in folders},
        "now": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "packages": installed(packages),
        "tools": tools(),
        "listening": sorted({port for name in ("tcp", "tcp6") for port in listening(_read(os.path.join(proc, "net", name)))}),
        "routes": networks.routes(_read(os.path.join(proc, "net", "route"))),
    }


def os_name(text: str) -> str:
    """``debian-12`` from an os-release file."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    name, version = (values.get(key, "").strip().strip("'\"") for key in ("ID", "VERSION_ID"))
    return "-".join(part for part in (name or "unknown", version) if part)


def cpu_flags(text: str) -> list[str]:
    """The instruction sets of interest in /proc/cpuinfo."""
    found = next((line.partition(":")[2].split() for line in text.splitlines() if line.startswith(("flags", "Features"))), [])
    return sorted(CPU_FLAGS & set(found))


def memory(text: str) -> int:
    """Bytes of memory in /proc/meminfo."""
    total = next((line.split() for line in text.splitlines() if line.startswith("MemTotal:")), ["", "0"])
    return int(total[1]) * 1024


def listening(text: str) -> list[int]:
    """Ports on which something listens, from /proc/net/tcp or tcp6."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [int(row[1].rpartition(":")[2], 16) for row in rows if len(row) > 3 and row[3] == _LISTEN]


def gpus(runtimes: t.Sequence[str], proc: str = "/proc", dev: str = "/dev") -> dict[str, t.Any]:
    """{count, runtime}: NVIDIA devices that the driver shows, and whether the engine can give them to containers.

    :param runtimes: names of the engine's runtimes
    """
    driven = len(_listed(os.path.join(proc, "driver", "nvidia", "gpus")))
    devices = sum(_DEVICE.fullmatch(name) is not None for name in _listed(dev))
    return {"count": max(driven, devices), "runtime": "nvidia" in runtimes or shutil.which(_HOOK) is not None}


def disk(folder: str) -> dict[str, int]:
    """Free (for anyone) and total bytes of the file system on which ``folder`` lies or would lie."""
    path = os.path.abspath(folder)
    while not os.path.exists(path):
        path = os.path.dirname(path)
    state = os.statvfs(path)
    return {"free": state.f_bavail * state.f_frsize, "total": state.f_blocks * state.f_frsize}


def installed(names: t.Sequence[str]) -> dict[str, str]:
    """Versions of those Debian packages that are installed; empty on a system without dpkg."""
    if not names:
        return {}
    command = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package} ${Version}\\n", "--", *sorted(set(names))]
    try:
        # It fails when it knows none of one name, and tells the others all the same.
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        return {}
    rows = [line.split() for line in done.stdout.splitlines()]
    return {row[1]: row[2] for row in rows if len(row) == 3 and row[0] == "installed"}


def tools() -> dict[str, bool]:
    """Whether there is what a rollout needs besides the engine, wherever it came from: {rsync, zstd, requests (to the Python that runs this)}."""
    return {**{name: shutil.which(name) is not None for name in ("rsync", PROGRAM)}, "requests": importlib.util.find_spec("requests") is not None}


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""
