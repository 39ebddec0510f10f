# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's networks and hosts on the machine's engine: made, judged healthy, replaced, removed."""

from __future__ import annotations

import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

from tests.lab import roots, seed, shell, tools
from tests.lab.settings import CACHE, COLLECTION_MOUNT, HOSTS, LAB, LABEL, NETWORKS, PREFIX, REPOSITORY, SPEC_LABEL, TOOLS_MOUNT, Host, Json

FILTER = f"label={LABEL}={LAB}"
# SYS_RESOURCE may be missing from the machine's own set, SYS_TIME would move the machine's clock: neither is given.
RIGHTS = ("--cap-add=ALL", "--cap-drop=SYS_RESOURCE", "--cap-drop=SYS_TIME", "--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined")
RIGHTS += ("--cgroupns=private", "--device-cgroup-rule=a *:* rwm", "--tmpfs=/run:exec", "--tmpfs=/run/lock", "--tmpfs=/tmp:exec", "--stop-signal=SIGRTMIN+3")


def make_networks() -> None:
    """Create the networks that are missing; one with another shape is replaced, with the containers in it."""
    for net in NETWORKS:
        name = PREFIX + net.name
        found = json.loads(shell.docker("network", "inspect", name, check=False) or "[]")
        if found:
            config = found[0]["IPAM"]["Config"][0]
            same = found[0]["Labels"].get(LABEL) == LAB and config["Subnet"] == net.subnet and found[0]["Internal"] == net.internal
            if same and found[0]["Options"].get("com.docker.network.bridge.name") == net.bridge:
                continue
            for container in found[0]["Containers"].values():
                shell.docker("rm", "-fv", container["Name"])
            shell.docker("network", "rm", name)
        argv = ["network", "create", "--label", f"{LABEL}={LAB}", "--subnet", net.subnet, "--gateway", net.gateway]
        argv += ["-o", f"com.docker.network.bridge.name={net.bridge}", *(["--internal"] if net.internal else [])]
        shell.docker(*argv, name)


def make_hosts() -> None:
    """Bring every host to its wanted state, all at once."""
    with ThreadPoolExecutor(max_workers=len(HOSTS)) as pool:
        for outcome in [pool.submit(make_host, host) for host in HOSTS]:
            outcome.result()


def make_host(host: Host) -> None:
    """Leave a healthy host of this very spec as it is; anything else is replaced, its engine's volume too."""
    put = seed.files(host)
    argv = _arguments(host)
    spec = hashlib.sha256(json.dumps([argv, roots.root(host.root).image, hashlib.sha256(seed.archive(put)).hexdigest()]).encode()).hexdigest()[:24]
    found = _inspect(host)
    same = bool(found) and found["Config"]["Labels"].get(SPEC_LABEL) == spec
    if same and found["State"]["Status"] == "running" and healthy(host):
        return
    with shell.step(f"host {host.name}: create and boot"):
        if found:
            shell.docker("rm", "-fv", host.container, timeout=60)
        if host.engine:
            shell.docker("volume", "rm", "-f", _volume(host), check=False, timeout=60)
            shell.docker("volume", "create", "--label", f"{LABEL}={LAB}", _volume(host))
        shell.docker("create", "--label", f"{SPEC_LABEL}={spec}", *argv, roots.root(host.root).image)
        for name, address in list(host.addresses.items())[1:]:
            shell.docker("network", "connect", "--ip", address, "--alias", host.name, PREFIX + name, host.container)
        shell.docker("cp", "-", f"{host.container}:/", stdin=seed.archive(put))
        shell.docker("start", host.container)
        shell.wait_for(f"host {host.name} is up", lambda: healthy(host), 90)


def healthy(host: Host) -> bool:
    """Whether the host's first-boot script ended well, systemd has booted and, where there are users, sshd greets."""
    probe = "test ! -e /lab-seed && systemctl is-system-running"
    done = shell.run(shell.as_root(["docker", "exec", host.container, "sh", "-c", probe]), check=False, timeout=20)
    return done.stdout.strip() in (b"running", b"degraded") and (not host.users or _greets(host.address))


def status() -> Json:
    """State of every network and host, in a form for programs."""
    found: Json = {"lab": LAB, "networks": {}, "hosts": {}}
    present = shell.docker("network", "ls", "--filter", FILTER, "--format", "{{.Name}}").split()
    for net in NETWORKS:
        found["networks"][net.name] = {"subnet": net.subnet, "internal": net.internal, "present": PREFIX + net.name in present}
    for host in HOSTS:
        state = _inspect(host)
        running = bool(state) and state["State"]["Status"] == "running"
        found["hosts"][host.name] = {
            "container": host.container,
            "addresses": host.addresses,
            "state": state["State"]["Status"] if state else "absent",
            "healthy": running and healthy(host),
        }
    return found


def remove(mark: str = f"{LABEL}={LAB}") -> list[str]:
    """Remove everything that bears a label, the lab's own if no other is named; return the names."""
    removed: list[str] = []
    for kind, listing, removal in (
        ("container", ["ps", "-aq"], ["rm", "-fv"]),
        ("network", ["network", "ls", "-q"], ["network", "rm"]),
        ("volume", ["volume", "ls", "-q"], ["volume", "rm", "-f"]),
        ("image", ["image", "ls", "-aq"], ["image", "rm", "-f"]),
    ):
        # A container may still be going away when its network or volume is asked to.
        for attempt in range(4):
            names = list(dict.fromkeys(shell.docker(*listing, "--filter", f"label={mark}").split()))
            if not names:
                break
            time.sleep(attempt * 0.5)
            removed += [f"{kind} {name}" for name in names] if attempt == 0 else []
            # An image that hosts of a benchmark run as well stays.
            shell.docker(*removal, *names, timeout=120, check=attempt == 3 and kind != "image")
    return removed


def _volume(host: Host) -> str:
    return f"{host.container}-docker"


def _inspect(host: Host) -> Json:
    found = json.loads(shell.docker("container", "inspect", host.container, check=False) or "[]")
    return found[0] if found else None


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, 22), timeout=3) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _arguments(host: Host) -> list[str]:
    """Arguments of ``docker create`` without the image."""
    argv = ["--name", host.container, "--hostname", host.name, "--label", f"{LABEL}={LAB}", "--pull", "never", "--restart", "no", *RIGHTS]
    argv += ["--network", PREFIX + host.network, "--ip", host.address, "--network-alias", host.name]
    for alias in host.aliases:
        argv += ["--network-alias", alias]
    if host.engine:
        argv += ["-v", f"{_volume(host)}:/var/lib/docker"]
    if host.control:
        argv += ["-v", f"{REPOSITORY}:{COLLECTION_MOUNT}:ro", "-v", f"{tools.folder()}:{TOOLS_MOUNT}:ro"]
    if host.name == "cloud":
        argv += ["-v", f"{REPOSITORY / 'tests' / 'simulator'}:/srv/simulator:ro", "-v", f"{CACHE / 'images'}:/srv/images:ro"]
    return argv
