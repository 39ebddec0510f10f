# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that join the site for one file of tests, with an engine that somebody else installed and configured."""

from __future__ import annotations

import json

from tests.lab import access, hosts, overlay, road
from tests.lab.settings import Host, Json
from tests.lab.shell import docker, inside, run, wait_for


def come(host: Host) -> None:
    """Make the host; nothing of the collection is on it."""
    access.make_host_key(host)
    hosts.make_host(host)


def go(host: Host) -> None:
    """Remove the host and its inventory."""
    inside(road.CONTROL, "rm", "-r", f"{road.HOME}/inventories/{host.name}")
    docker("rm", "-fv", host.container, timeout=60)
    docker("volume", "rm", "-f", f"{host.container}-docker", timeout=60)


def configure(host: Host, settings: Json) -> None:
    """Restart its engine with these settings."""
    run(["docker", "exec", "-i", host.container, "sh", "-c", "mkdir -p /etc/docker && cat > /etc/docker/daemon.json"], stdin=json.dumps(settings).encode())
    inside(host.container, "systemctl", "restart", "docker.service")
    wait_for("its engine answers", lambda: run(["docker", "exec", host.container, "docker", "ps"], check=False).returncode == 0, 30)


def declare(host: Host, *containers: Json, **more: object) -> dict[str, str]:
    """The environment in which the site's inventory has the host, with these containers."""
    variables = {
        "ansible_host": host.address,
        "ansible_user": "deploy",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_common_args": "-F /home/ops/.ssh/config -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
        f"azure_ai_containers__{host.name}": list(containers),
        **more,
    }
    overlay.write(road.CONTROL, road.HOME, f"../{host.name}/hosts.yml", {"azure_ai_hosts": {"hosts": {host.name: variables}}})
    return {"ANSIBLE_INVENTORY": ",".join(f"inventories/{layer}" for layer in (*overlay.LAYERS["site"], host.name))}
