# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for benchmarks of a site: the lab's systemd containers with a real engine, reached over ssh, beside a lab that may stand."""

from __future__ import annotations

import fcntl
import subprocess
import typing as t
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.lab import hosts as lab_hosts
from tests.lab import machine, roots, seed, settings, shell

MARK = f"{settings.LABEL}=bench"
NETWORK = "azbench"
SUBNET = "10.79.0.0/24"
USER = "deploy"
_FIRST = 11  # last part of the first host's address
_PEAKS = "/var/tmp/peaks"
# Every Python of the host notes the most that it had resident when it ends: modules, not the engine.
_NOTE = f"""import atexit, os, resource, tempfile
def note(peak=resource.getrusage):
    with tempfile.NamedTemporaryFile("w", dir="{_PEAKS}", delete=False) as file:
        print(peak(0).ru_maxrss * 1024, file=file)
atexit.register(note)
"""
_SEED = f"""set -eu
useradd -m -s /bin/bash {USER}
echo '{USER}:*' | chpasswd -e
install -d -m 700 -o {USER} -g {USER} /home/{USER}/.ssh
install -m 600 -o {USER} -g {USER} /lab-seed/user.pub /home/{USER}/.ssh/authorized_keys
echo '{USER} ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/bench
install -d -m 1777 {_PEAKS}
ln -sf /dev/null /etc/systemd/system/docker-registry.service
"""


class Host(t.NamedTuple):
    """One host; ``name`` is that of its container, too."""

    name: str
    address: str

    def run(self, *argv: str) -> str:
        """What a command says, run as root."""
        return shell.inside(self.name, *argv, timeout=120)

    def script(self, text: str) -> str:
        """What a shell script says, run as root."""
        return self.run("sh", "-ec", text)

    def received(self) -> int:
        """Bytes that came over its network."""
        return int(self.script("cat /sys/class/net/eth*/statistics/rx_bytes"))

    def peak(self) -> int:
        """The most bytes that a Python had resident since this was last asked."""
        return max(map(int, self.script(f"find {_PEAKS} -type f -exec cat {{}} \\; -delete").split()), default=0)


@contextmanager
def up(folder: Path, count: int) -> t.Iterator[list[Host]]:
    """So many hosts; gone afterwards, with all that was made for them. Keys and ``ssh_config`` for them lie in ``folder``."""
    with _alone():
        yield from _up(folder, count)


@contextmanager
def _alone() -> t.Iterator[None]:
    """One run at a time has the names of the hosts."""
    settings.CACHE.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (settings.CACHE / "bench.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _up(folder: Path, count: int) -> t.Iterator[list[Host]]:
    machine.install_packages()
    mine = not machine.engine_answers()
    machine.start_engine()
    there = bool(shell.docker("image", "ls", "-q", roots.root("station").image))
    try:
        lab_hosts.remove(MARK)
        image = roots.load(roots.root("station"))
        shell.docker("network", "create", "--label", MARK, "--internal", "--subnet", SUBNET, "-o", f"com.docker.network.bridge.name={NETWORK}", NETWORK)
        found = [Host(f"{NETWORK}-{number}", f"{SUBNET.rpartition('.')[0]}.{_FIRST + number}") for number in range(count)]
        files = _files(folder, found)
        with shell.step(f"{count} hosts"), ThreadPoolExecutor(max_workers=3) as pool:
            list(pool.map(lambda host: _make(host, files, image), found))
        yield found
    finally:
        lab_hosts.remove(MARK)
        if not there:
            shell.docker("image", "rm", "-f", roots.root("station").image, check=False)
        if mine:
            machine.stop_engine()


def _files(folder: Path, found: t.Sequence[Host]) -> seed.Files:
    """What every host is given; one host key serves all."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)], check=True)
    key = " ".join((folder / "host.pub").read_text().split()[:2])
    (folder / "known_hosts").write_text("".join(f"{host.name},{host.address} {key}\n" for host in found))
    lines = [line for host in found for line in (f"Host {host.name} {host.address}", f"  HostName {host.address}")]
    lines += ["Host *", f"  User {USER}", f"  IdentityFile {folder}/user", "  IdentitiesOnly yes", "  BatchMode yes"]
    lines += [f"  UserKnownHostsFile {folder}/known_hosts", "  StrictHostKeyChecking yes", "  LogLevel ERROR"]
    (folder / "ssh_config").write_text("\n".join(lines) + "\n")
    return {
        "sbin/lab-init": ((settings.FILES / "lab-init").read_bytes(), 0o755),
        "etc/ssh/ssh_host_ed25519_key": ((folder / "host").read_bytes(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": ((folder / "host.pub").read_bytes(), 0o644),
        "etc/python3.11/sitecustomize.py": (_NOTE.encode(), 0o644),
        "lab-seed/user.pub": ((folder / "user.pub").read_bytes(), 0o644),
        "lab-seed/run": (_SEED.encode(), 0o700),
    }


def _make(host: Host, files: seed.Files, image: str) -> None:
    volume = f"{host.name}-docker"
    shell.docker("volume", "create", "--label", MARK, volume)
    argv = ["--name", host.name, "--hostname", host.name, "--label", MARK, "--pull", "never", *lab_hosts.RIGHTS, "--network", NETWORK, "--ip", host.address]
    shell.docker("create", *argv, "-v", f"{volume}:/var/lib/docker", image)
    shell.docker("cp", "-", f"{host.name}:/", stdin=seed.archive(files))
    shell.docker("start", host.name)
    shell.wait_for(f"host {host.name} is up", lambda: _ready(host), 90)


def _ready(host: Host) -> bool:
    probe = "test ! -e /lab-seed && docker version >/dev/null && systemctl is-active -q ssh"
    return shell.run(shell.as_root(["docker", "exec", host.name, "sh", "-c", probe]), check=False, timeout=30).returncode == 0
