# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's own archive and a real Debian 12: what wants tell of it is enough for apt to know what it lacks, and that is enough to install offline."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import packages, sources, states
from ansible_collections.airgap.azure_ai.plugins.modules import package_fetch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from tests.lab import roots, shell

OFFER = Path(__file__).resolve().parents[2] / "roles" / "engine" / "files" / "offer.sh"
APT = ["apt-get", "install", "--yes", "--no-remove", "--no-install-recommends"]
OFFERED = [f"--option={option}" for option in ("Dir::Etc::sourcelist=/sent/sources.list", "Dir::Etc::sourceparts=-", "Dir::State::lists=/sent/lists")]
Json = dict[str, t.Any]


@pytest.fixture
def node(tmp_path: Path) -> t.Iterator[Path]:
    """A bare Debian 12 in a folder."""
    folder = tmp_path / "root"
    folder.mkdir()
    shell.run(shell.as_root(["tar", "--zstd", "-xpf", str(roots.whole(roots.root("bookworm"))), "-C", str(folder)]), timeout=300)
    yield folder
    shell.run(shell.as_root(["rm", "-rf", str(folder)]))


def inside(node: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in the node, without any network."""
    argv = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C", "unshare", "--net", "chroot", str(node), *command]
    return subprocess.run(shell.as_root(argv), capture_output=True, text=True, check=False, timeout=300)


def send(node: Path, store: Path, records: t.Sequence[Json]) -> None:
    """Lay packages into the node and offer them to its apt."""
    shutil.rmtree(node / "sent", ignore_errors=True)
    (node / "sent").mkdir()
    for entry in records:
        shutil.copy(store / "blobs" / "sha256" / entry["digest"][7:], node / "sent" / entry["filename"])
    shutil.copy(OFFER, node / "sent")
    offered = inside(node, "sh", "/sent/offer.sh", "/sent", *OFFERED)
    assert offered.returncode == 0, offered.stderr


def test_what_wants_tell_is_as_good_as_the_host_s_own_status_and_enough_to_install_offline(node: Path, tmp_path: Path, capsys: t.Any) -> None:
    arch, bare = states.installed(inside(node, "dpkg-query", "--show", f"--showformat={states.QUERY}").stdout)
    hosts = json.loads(json.dumps(states.gather([{"os": "debian-12", "arch": arch, "packages": bare}], ["debian-12"])))
    done = kit.run_module(package_fetch, capsys, store=str(tmp_path / "store"), os="debian-12", hosts=hosts)
    assert not done.get("failed"), done["msg"]
    whole, chosen = done["packages"], done["chosen"]
    told = f"{len(json.dumps(hosts))} bytes of wants: {len(chosen)} of {len(whole)} packages, {human(done['saved_bytes'])} of {human(total(whole))} saved"
    with capsys.disabled():
        print(f"\nbare Debian 12, {told}")
    assert 0 < done["saved_bytes"] < total(whole) and {"docker.io", "rsync", "python3-requests"} <= {entry["name"] for entry in chosen}

    # apt says the same when it is given the whole status.
    request = packages.Request("debian-12", "amd64", packages.REQUESTED["debian-12"], sources.own(), "/usr/share/keyrings/debian-archive-keyring.gpg")
    apt = packages.Apt(str(tmp_path / "apt"), request)
    apt.prepare()
    apt.update()
    by_status = apt.lacking((node / "var/lib/dpkg/status").read_text(), states.asked(request.packages, bare))
    assert sorted(str(digest) for _name, digest, _size in by_status) == sorted(entry["digest"] for entry in chosen)

    wanted = [name for name in states.asked(request.packages, bare) if name != "docker-registry"]
    few = [entry for entry in chosen if entry["name"] != "containerd"]
    send(node, tmp_path / "store", few)
    refused = inside(node, *APT, *OFFERED, *wanted)
    assert refused.returncode == 100 and "docker.io : Depends: containerd" in refused.stdout
    send(node, tmp_path / "store", chosen)
    installed = inside(node, *APT, *OFFERED, *wanted)
    assert installed.returncode == 0, installed.stdout + installed.stderr
    _arch, after = states.installed(inside(node, "dpkg-query", "--show", f"--showformat={states.QUERY}").stdout)
    assert {"docker.io", "containerd", "rsync", "python3-requests"} <= set(after)

    # Such a host beside a bare one changes nothing; alone it lacks what only the control node takes.
    both = states.gather([{"os": "debian-12", "arch": arch, "packages": kind} for kind in (bare, after)], ["debian-12"])
    again = kit.run_module(package_fetch, capsys, store=str(tmp_path / "store"), os="debian-12", hosts=both)
    assert again["chosen"] == chosen and not again["changed"]
    alone = kit.run_module(package_fetch, capsys, store=str(tmp_path / "store"), os="debian-12", hosts=[{**both[0], "all": after, "each": []}])
    assert [entry["name"] for entry in alone["chosen"]] == ["docker-registry"]
    with capsys.disabled():
        print(f"the same after its rollout: {human(alone['saved_bytes'])} of {human(total(whole))} saved")


def total(records: t.Sequence[Json]) -> int:
    """Bytes of packages."""
    return sum(entry["size"] for entry in records)
