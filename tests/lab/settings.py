# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab consists of: its names, networks, hosts, and the folders it keeps on the machine."""

from __future__ import annotations

import os
import typing as t
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = Path(__file__).resolve().parent / "files"
LABEL = "airgap.azure_ai.lab"
SPEC_LABEL = "airgap.azure_ai.lab.spec"
LAB = "lab"
PREFIX = "azlab-"

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "airgap.azure_ai"
STATE = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "airgap.azure_ai" / "lab"

ANSIBLE = "ansible==12.3.0"
REGISTRY = "registry.lab:5443"
REGISTRY_ADDRESS = "10.78.0.10"
AZURE = "http://azure.lab:8080"
COLLECTION_MOUNT = "/usr/share/ansible/collections/ansible_collections/airgap/azure_ai"
TOOLS_MOUNT = "/opt/airgap-tools"


@dataclass(frozen=True)
class Network:
    """A Docker network; ``bridge`` is the interface's name on the machine, so that firewall rules can name it."""

    name: str
    subnet: str
    gateway: str
    internal: bool

    @property
    def bridge(self) -> str:
        """At most 15 characters, the kernel's limit."""
        return PREFIX + self.name


@dataclass(frozen=True)
class Host:
    """A systemd container.

    ``addresses`` maps network to address, the first one is the host's main network.
    ``users`` are made besides root; ``sudo`` lists those who may become root with the lab's password. ``control``: the collection and Ansible
    are mounted into it; ``manages``: its user ``ops`` may log in to the site's hosts.
    """

    name: str
    root: str
    addresses: dict[str, str]
    users: tuple[str, ...] = ()
    sudo: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    engine: bool = False
    control: bool = False
    manages: bool = False
    aliases: tuple[str, ...] = ()
    mask: tuple[str, ...] = ()

    @property
    def container(self) -> str:
        """Name of the container on the machine's engine."""
        return PREFIX + self.name

    @property
    def network(self) -> str:
        """The network that the host's default route uses."""
        return next(iter(self.addresses))

    @property
    def address(self) -> str:
        """Address in the main network."""
        return self.addresses[self.network]

    @property
    def connected(self) -> bool:
        """Whether the host may reach the package mirror."""
        return self.network == "connected"


NETWORKS = (
    Network("connected", "10.78.0.0/24", "10.78.0.1", internal=False),
    Network("site", "10.78.1.0/24", "10.78.1.1", internal=True),
    Network("remote", "10.78.2.0/24", "10.78.2.1", internal=True),
)

ENGINE_UNITS = ("docker.service", "docker.socket", "containerd.service")
HOSTS = (
    Host("cloud", "station", {"connected": "10.78.0.10"}, aliases=("registry.lab", "azure.lab"), mask=ENGINE_UNITS),
    Host(
        "builder",
        "station",
        {"connected": "10.78.0.11"},
        users=("deploy", "ops"),
        groups=("docker",),
        engine=True,
        control=True,
        mask=("docker-registry.service",),
    ),
    Host("control", "control", {"site": "10.78.1.10"}, users=("ops",), control=True, manages=True),
    Host("control-2", "bookworm", {"site": "10.78.1.13"}, users=("ops",), manages=True),
    Host("text-1", "bookworm", {"site": "10.78.1.11"}, users=("deploy",), sudo=("deploy",), engine=True),
    Host("jump", "bookworm", {"site": "10.78.1.12", "remote": "10.78.2.12"}, users=("hop",)),
    Host("speech-1", "trixie", {"remote": "10.78.2.21"}, users=("deploy",), sudo=("deploy",), engine=True),
)


def host(name: str) -> Host:
    """The host of that name; raises SystemExit with the names that exist."""
    for each in HOSTS:
        if each.name == name:
            return each
    raise SystemExit(f"no host {name!r} in the lab, there are: {', '.join(each.name for each in HOSTS)}")


def network(name: str) -> Network:
    """The network of that name."""
    return next(each for each in NETWORKS if each.name == name)


def state_file(*parts: str) -> Path:
    """A path in the state folder, its parents made 0700."""
    path = STATE.joinpath(*parts)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


Json = t.Any
