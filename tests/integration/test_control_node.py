# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real control kit, made by the module, installed in a clean Debian 12 that has Python and OpenSSH and no network."""

from __future__ import annotations

import json
import subprocess
import typing as t
from pathlib import Path

import pytest

from tests.integration import kits
from tests.lab import roots, shell

LINE = "cd /kit && {command} {arguments}"


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> kits.Sender:
    return kits.Sender(tmp_path_factory.mktemp("sender") / "keys")


def make(folder: Path, sender: kits.Sender, **options: t.Any) -> dict[str, t.Any]:
    """Let the module make a kit; return its result."""
    given = {"store": folder / "store", "dest": folder / "bundles", "signing_key": sender.key, "allowed_signers": sender.signers}
    arguments = json.dumps({**{name: str(path) for name, path in given.items()}, "os": "debian-12", "python": "3.11", **options})
    play = folder / "play.json"
    task = {"airgap.azure_ai.control_kit": json.loads(arguments), "register": "made"}
    told = {"ansible.builtin.copy": {"content": "{{ made | to_json }}", "dest": str(folder / "made.json"), "mode": "0600"}}
    variables = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play.write_text(json.dumps([{"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables, "tasks": [task, told]}]))
    done = subprocess.run(["ansible-playbook", str(play)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    made: dict[str, t.Any] = json.loads((folder / "made.json").read_text())
    return made


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Path]:
    """A clean Debian 12 in a folder."""
    folder = tmp_path_factory.mktemp("node") / "root"
    folder.mkdir()
    shell.run(shell.as_root(["tar", "--zstd", "-xpf", str(roots.whole(roots.root("bookworm"))), "-C", str(folder)]), timeout=300)
    yield folder
    shell.run(shell.as_root(["rm", "-rf", str(folder)]))


def inside(node: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the node: its own processes, its own network without any interface that is up."""
    script = 'cd "$1"; mount -t proc proc proc; mount -t tmpfs tmpfs dev; mkdir dev/shm; for d in null zero random urandom tty; do touch dev/$d; '
    script += 'mount --bind /dev/$d dev/$d; done; ln -s /proc/self/fd dev/fd; exec chroot . sh -c "$2"'
    argv = ["env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "ANSIBLE_NOCOLOR=1"]
    argv += ["unshare", "--net", "--mount", "--pid", "--fork", "sh", "-euc", script, "sh", str(node), command]
    return subprocess.run(shell.as_root(argv), capture_output=True, text=True, check=False, timeout=300)


def carry(made: dict[str, t.Any], sender: kits.Sender, node: Path) -> str:
    """Put the kit's folder and the signers file into the node; return the line to type."""
    shell.run(shell.as_root(["rm", "-rf", str(node / "kit")]))
    shell.run(shell.as_root(["cp", "-r", made["path"], str(node / "kit")]))
    shell.run(shell.as_root(["cp", str(sender.signers), str(node / "root" / "allowed_signers")]))
    return str(made["command"])


def test_from_python_and_openssh_to_ansible(tmp_path: Path, sender: kits.Sender, node: Path) -> None:
    first = make(tmp_path, sender)
    assert first["changed"]
    line = carry(first, sender, node)
    assert inside(node, "command -v rsync ansible-playbook").returncode != 0
    done = inside(node, LINE.format(command=line, arguments=""))
    assert done.returncode == 0, done.stdout + done.stderr
    version = inside(node, "ansible-playbook --version && rsync --version && ansible localhost -m ping")
    assert version.returncode == 0 and "ansible-playbook [core 2.19" in version.stdout, version.stderr
    assert "MODULE airgap.azure_ai.host_info" in inside(node, "ansible-doc airgap.azure_ai.host_info").stdout
    libraries = "import sqlalchemy, psycopg, requests, jsonschema, cryptography, yaml"
    assert inside(node, f"/opt/azure-ai/current/bin/python3 -c '{libraries}'").returncode == 0
    assert "nothing had to be done" in inside(node, LINE.format(command=line, arguments="")).stdout
    upgrade(tmp_path, sender, node, first)


def upgrade(folder: Path, sender: kits.Sender, node: Path, first: dict[str, t.Any]) -> None:
    """A kit with one more collection takes the place of the first one, and gives it back."""
    newer = make(folder, sender, collections=["kubernetes.core"])
    assert newer["changed"] and newer["version"] != first["version"]
    line = carry(newer, sender, node)
    done = inside(node, LINE.format(command=line, arguments=""))
    assert done.returncode == 0 and f"takes the place of control-{first['version']}" in done.stdout, done.stdout + done.stderr
    assert inside(node, "ansible-doc kubernetes.core.k8s").returncode == 0
    assert inside(node, "cd /kit && sh install.sh --rollback").returncode == 0
    assert inside(node, "ansible-doc kubernetes.core.k8s | grep -q MODULE").returncode != 0
    assert inside(node, "ansible-doc airgap.azure_ai.host_info").returncode == 0
