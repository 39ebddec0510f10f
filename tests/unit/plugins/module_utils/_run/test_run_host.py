# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts of a host from the text of its files."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import host

TCP = """  sl  local_address rem_address   st tx_queue rx_queue
   0: 00000000:0016 00000000:0000 0A 00000000:00000000
   1: 0100007F:1389 00000000:0000 01 00000000:00000000
   2: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0
"""


@pytest.mark.parametrize(
    ("text", "name"),
    [('ID=debian\nVERSION_ID="12"\nNAME="x=y"\n', "debian-12"), ("ID='ubuntu'\nVERSION_ID='24.04'", "ubuntu-24.04"), ("ID=arch", "arch"), ("", "unknown")],
)
def test_os_name(text: str, name: str) -> None:
    assert host.os_name(text) == name


def test_listening_ports_only() -> None:
    assert host.listening(TCP) == [22, 8080]


def test_cpu_flags_and_memory() -> None:
    assert host.cpu_flags("processor: 0\nflags\t\t: fpu avx2 avx512f vme\nflags: none\n") == ["avx2", "avx512f"]
    assert host.memory("MemTotal:       16 kB\nMemFree: 1 kB\n") == 16384
    assert (host.cpu_flags(""), host.memory("")) == ([], 0)


def test_disk_of_a_folder_that_will_be(tmp_path: Path) -> None:
    assert host.disk(str(tmp_path / "a" / "b"))["total"] == host.disk(str(tmp_path))["total"] > 0


def test_packages_by_dpkg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    query = tmp_path / "dpkg-query"
    query.write_text("#!/bin/sh\necho 'installed rsync 3.2'\necho 'config-files old 1'\necho 'not-installed x '\nexit 1\n")
    query.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert host.installed(["rsync", "old", "x", "unknown"]) == {"rsync": "3.2"}
    monkeypatch.setenv("PATH", str(tmp_path / "none"))
    assert host.installed(["rsync"]) == {}
    assert host.installed([]) == {}


def test_tools_by_any_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "requests", raising=False)
    importlib.invalidate_caches()
    assert host.tools() == {"rsync": False, "zstd": False, "requests": False}
    for name in ("rsync", "zstd"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "requests.py").write_text("")
    importlib.invalidate_caches()
    assert host.tools() == {"rsync": True, "zstd": True, "requests": True}


def test_facts_of_a_host_made_of_files(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    for name, text in {
        "net/tcp": TCP,
        "net/tcp6": TCP,
        "cpuinfo": "flags: avx2",
        "meminfo": "MemTotal: 8 kB",
        "os-release": "ID=debian\nVERSION_ID=12",
    }.items():
        (tmp_path / name).write_text(text)
    found = host.facts([str(tmp_path)], [], proc=str(tmp_path), etc=str(tmp_path))
    assert (found["os"], found["listening"], found["cpu_flags"], found["memory"]) == ("debian-12", [22, 8080], ["avx2"], 8192)
    assert found["now"].endswith("Z")
    assert found["cpus"] >= 1


def test_gpus_by_driver_or_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, dev, path = tmp_path / "proc", tmp_path / "dev", tmp_path / "bin"
    for folder in (dev, path):
        folder.mkdir()
    monkeypatch.setenv("PATH", str(path))
    assert host.gpus([], proc=str(proc), dev=str(dev)) == {"count": 0, "runtime": False}
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "tty0"):
        (dev / name).touch()
    assert host.gpus(["runc", "nvidia"], proc=str(proc), dev=str(dev)) == {"count": 2, "runtime": True}
    for number in range(3):
        (proc / "driver" / "nvidia" / "gpus" / f"0000:0{number}:00.0").mkdir(parents=True)
    assert host.gpus(["runc"], proc=str(proc), dev=str(dev)) == {"count": 3, "runtime": False}
    hook = path / "nvidia-container-runtime-hook"
    hook.touch(mode=0o755)
    assert host.gpus([], proc=str(proc), dev=str(dev))["runtime"] is True
