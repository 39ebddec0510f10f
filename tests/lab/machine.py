# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine under the lab: packages it needs, and an engine that answers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.lab import shell
from tests.lab.settings import state_file

PACKAGES = {
    "docker.io": "dockerd",
    "mmdebstrap": "mmdebstrap",
    "iptables": "iptables",
    "rsync": "rsync",
    "openssh-client": "ssh-keygen",
    "zstd": "zstd",
    "openssl": "openssl",
    "debian-archive-keyring": "/usr/share/keyrings/debian-archive-keyring.gpg",
}
_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing_packages() -> list[str]:
    """Debian packages whose command or file is not on the machine."""
    return [name for name, sign in PACKAGES.items() if not (Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=_PATH))]


def install_packages() -> None:
    """Install what is missing; nothing happens when all is there."""
    missing = missing_packages()
    if not missing:
        return
    # The engine's package would start a service on a machine with systemd, which is what we want there.
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    shell.run(shell.as_root(["apt-get", "update", "-qq"]), timeout=300)
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends"]
    shell.run(shell.as_root([*install, *missing]), timeout=900, environment=quiet)
    if not shutil.which("docker", path=_PATH):
        # Debian 13 has the client in a package of its own, which Debian 12 does not know.
        shell.run(shell.as_root([*install, "docker-cli"]), timeout=300, environment=quiet)


def engine_answers() -> bool:
    """Whether the machine's Docker engine answers within a few seconds."""
    if not shutil.which("docker"):
        return False
    try:
        return shell.run(shell.as_root(["docker", "version", "-f", "{{.Server.Version}}"]), timeout=15, check=False).returncode == 0
    except shell.LabError:
        return False


def start_engine() -> None:
    """Start dockerd when none answers, and note its process so that ``stop_engine`` stops only our own."""
    if engine_answers():
        return
    if Path("/run/systemd/system").is_dir():
        shell.run(shell.as_root(["systemctl", "start", "docker"]), timeout=90)
    else:
        log = state_file("dockerd.log").open("ab")
        process = subprocess.Popen(
            shell.as_root(["dockerd"]), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env={**os.environ, "PATH": _PATH}
        )
        shell.write_whole(state_file("dockerd.pid"), f"{process.pid} {_started(process.pid)}\n")
    shell.wait_for("the machine's Docker engine answers", engine_answers, 60)


def stop_engine() -> bool:
    """Stop the dockerd that this lab started; return whether there was one."""
    note = state_file("dockerd.pid")
    if not note.exists():
        return False
    pid, _blank, started = note.read_text().strip().partition(" ")
    ours = bool(started) and _started(int(pid)) == started
    if ours:
        shell.run(shell.as_root(["kill", f"-{signal.SIGTERM.value}", pid]), check=False)
        shell.wait_for("the lab's dockerd ends", lambda: _started(int(pid)) != started, 60)
    note.unlink()
    return ours


def _started(pid: int) -> str:
    """Start time of a process in clock ticks: with the number it names one process for ever; empty when it is gone."""
    for _attempt in range(5):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return ""
        if fields[0] != "Z":
            return fields[19]
        # A zombie child of ours is reaped here, or it would look alive.
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return ""
        time.sleep(0.01)
    return ""
