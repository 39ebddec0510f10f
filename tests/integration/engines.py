# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker Engines of the tests' own, of three kinds, and images that they really unpack. No container is ever started.

Each has a network of its own, without a way out: an engine without a bridge removes ``docker0``, which must not be the machine's.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from tests.integration import programs

MACHINE = "the machine's"
CLASSIC = "26 classic"
CONTAINERD = "26 containerd"
KINDS = (MACHINE, CLASSIC, CONTAINERD)
OCI = "application/vnd.oci.image."
_WAIT = 60  # seconds for an engine to answer, and to end


class Private:
    """A dockerd with folders and a socket of its own, which are gone when it is closed."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.folder = Path(tempfile.mkdtemp(prefix="aa-engine-", dir="/var/tmp"))
        self.socket = str(self.folder / "docker.sock")
        self.engine = Engine(self.socket)
        places = [] if kind == MACHINE else [str(folder) for folder in programs.engine()]
        self._path = os.pathsep.join([*places, os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
        self._config = self.folder / "daemon.json"
        self._config.write_text(json.dumps({"features": {"containerd-snapshotter": kind == CONTAINERD}} if kind != MACHINE else {}))
        self._address = self.folder / "containerd.sock"
        # A process of its own, as under systemd: one that dockerd starts outlives it without a parent that would reap it.
        folders = {"address": self._address, "root": self.folder / "containerd", "state": self.folder / "state"}
        (self.folder / "containerd.toml").write_text(f'version = 2\n[ttrpc]\n  address = "{self.folder}/ttrpc.sock"\n')
        self._containerd = self._run("containerd", f"--config={self.folder}/containerd.toml", **folders)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = {"config-file": self._config, "data-root": self.folder / "data", "exec-root": self.folder / "exec", "pidfile": self.folder / "pid"}
        offline = ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"]
        self._process = self._run("dockerd", f"--host=unix://{self.socket}", *offline, containerd=self._address, **options)
        until = time.monotonic() + _WAIT
        while time.monotonic() < until:
            try:
                self.engine.version()
                return
            except AirgapError:
                assert self._process.poll() is None, self.log()
                time.sleep(0.1)
        raise AssertionError(self.log())

    def stop(self, kill: bool = False) -> None:
        """End it, by SIGKILL if asked."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            self._process.wait(_WAIT)
            self._process = None

    def close(self) -> None:
        """End it and remove its folders."""
        try:
            self.stop()
        finally:
            self._containerd.terminate()
            self._containerd.wait(_WAIT)
            self._unmount()
            shutil.rmtree(self.folder)

    def _run(self, name: str, *options: str, **named: t.Any) -> subprocess.Popen[bytes]:
        program = shutil.which(name, path=self._path)
        assert program, f"no {name}: install docker.io"
        command = [program, *options, *(f"--{option}={value}" for option, value in named.items())]
        if name == "dockerd":
            command = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command]
        with open(self.folder / "log", "ab") as log:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, "PATH": self._path})

    def beside(self, *command: str) -> subprocess.Popen[bytes]:
        """A program in the engine's network."""
        assert self._process is not None
        return subprocess.Popen(["nsenter", f"--net=/proc/{self._process.pid}/ns/net", *command], stdin=subprocess.DEVNULL)

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "log").read_text(errors="replace")[-2000:]

    def _unmount(self) -> None:
        for line in Path("/proc/mounts").read_text().splitlines()[::-1]:
            if line.split()[1].startswith(str(self.folder)):
                subprocess.run(["umount", "--lazy", line.split()[1]], check=False)


class Built(t.NamedTuple):
    """An image record and its blobs by digest."""

    record: dict[str, t.Any]
    blobs: dict[str, bytes]

    def lay(self, root: Path, without: t.Collection[str] = ()) -> None:
        """Put the blobs into a host's store."""
        folder = root / "store/blobs/sha256"
        folder.mkdir(parents=True, exist_ok=True)
        for digest, data in self.blobs.items():
            if digest not in without:
                (folder / digest[7:]).write_bytes(data)


def sha(data: bytes) -> str:
    """The digest of some bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layer(name: str, size: int) -> bytes:
    """A layer (tar) with /etc/passwd and one file that does not compress; the same for the same name and size."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as tar:
        for path, data in (("etc/passwd", b"nonroot:x:1000:1000::/:/bin/false\n"), (name, random.Random(name).randbytes(size))):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return target.getvalue()


def zstd(data: bytes) -> bytes:
    """Packed by the program zstd."""
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def build(*layers: tuple[str, int], packed: str = "gzip") -> Built:
    """An OCI image of layers by name and size."""
    pack = {"gzip": lambda data: gzip.compress(data, 1, mtime=0), "zstd": zstd}[packed]
    plain = [layer(*each) for each in layers]
    blobs = [pack(data) for data in plain]
    rootfs = {"type": "layers", "diff_ids": [sha(data) for data in plain]}
    config = json.dumps({"os": "linux", "architecture": "amd64", "config": {"User": "nonroot"}, "rootfs": rootfs}).encode()
    kinds = f"{OCI}layer.v1.tar+{packed}"
    described = [{"mediaType": kinds, "digest": sha(data), "size": len(data)} for data in blobs]
    head = {"mediaType": f"{OCI}config.v1+json", "digest": sha(config), "size": len(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": f"{OCI}manifest.v1+json", "config": head, "layers": described}).encode()
    record = {
        "service": "sentiment",
        "repository": "azure-cognitive-services/sentiment",
        "tag": "1.0",
        "manifest": sha(manifest),
        "media_type": f"{OCI}manifest.v1+json",
        "manifest_size": len(manifest),
        "config": sha(config),
        "config_size": len(config),
        "platform": "linux/amd64",
        "fetched": "2026-01-31T12:00:00Z",
        "layers": [{"digest": sha(blob), "size": len(blob), "media_type": kinds, "diff_id": sha(data)} for blob, data in zip(blobs, plain)],
    }
    return Built(record, {sha(data): data for data in (manifest, config, *blobs)})
