# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is put into a host before its first boot: users, keys, services. One tar stream and one script that runs once."""

from __future__ import annotations

import io
import json
import tarfile

from tests.lab import access, apt
from tests.lab.settings import FILES, REGISTRY, TOOLS_MOUNT, Host, network

Files = dict[str, tuple[bytes, int]]
_UNIT = "[Unit]\nAfter=network.target\n[Service]\nExecStart={command}\nRestart=on-failure\n{more}[Install]\nWantedBy=multi-user.target\n"
_REGISTRY_CONFIG = {
    "version": "0.1",
    "log": {"level": "warn"},
    "storage": {"filesystem": {"rootdirectory": "/var/lib/docker-registry"}, "delete": {"enabled": True}},
    "http": {"addr": ":5443", "tls": {"certificate": "/etc/docker/registry/tls.pem", "key": "/etc/docker/registry/tls.key"}},
}


def files(host: Host) -> Files:
    """Path to (content, mode) of everything that ``host`` gets."""
    put: Files = {
        "sbin/lab-init": ((FILES / "lab-init").read_bytes(), 0o755),
        "etc/ssh/ssh_host_ed25519_key": (access.read("hostkeys", host.name).encode(), 0o600),
        "etc/ssh/ssh_host_ed25519_key.pub": (access.read("hostkeys", host.name + ".pub").encode(), 0o644),
        "lab-seed/run": (script(host).encode(), 0o700),
        "lab-seed/id_ed25519.pub": (access.read("id_ed25519.pub").encode(), 0o644),
    }
    if not host.connected:
        put["etc/lab-gateway"] = (network(host.network).gateway.encode(), 0o644)
    if host.connected:
        put |= _station()
    if host.control:
        put["usr/local/lib/python3.11/dist-packages/airgap-tools.pth"] = (TOOLS_MOUNT.encode() + b"\n", 0o644)
    if host.manages:
        put |= _control()
    if host.name == "builder":
        put |= _builder()
    if host.name == "cloud":
        put |= _cloud()
    return put


def script(host: Host) -> str:
    """The shell script that lab-init runs once, as root, before systemd starts."""
    lines = ["set -eu"]
    for user in host.users:
        lines += [f"useradd -m -s /bin/bash {user}", f"echo '{user}:*' | chpasswd -e"]
        lines += [f"install -d -m 700 -o {user} -g {user} /home/{user}/.ssh"]
        lines += [f"install -m 600 -o {user} -g {user} /lab-seed/id_ed25519.pub /home/{user}/.ssh/authorized_keys"]
        lines += [f"usermod -aG {group} {user}" for group in host.groups]
    for user in host.sudo:
        lines += [f"echo '{user}:{access.read('become_password_hash').strip()}' | chpasswd -e", f"usermod -aG sudo {user}"]
    lines += [f"ln -sf /dev/null /etc/systemd/system/{unit}" for unit in host.mask]
    lines += ["for unit in /lab-seed/units/*.service; do [ -e $unit ] || continue; cp $unit /etc/systemd/system/; systemctl enable $(basename $unit); done"]
    if host.control:
        lines += [f"ln -s {TOOLS_MOUNT}/scripts/* /usr/local/bin/"]
    if host.control or host.manages:
        lines += ["install -d -m 700 -o ops -g ops /home/ops/lab", "install -m 600 -o ops -g ops /lab-seed/home/lab/* /home/ops/lab/"]
    if host.manages:
        lines += ["install -m 600 -o ops -g ops /lab-seed/home/ssh/* /home/ops/.ssh/"]
    if host.name == "cloud":
        lines += ["chown -R docker-registry:docker-registry /etc/docker/registry", "systemctl enable docker-registry"]
    return "\n".join(lines) + "\n"


def archive(put: Files) -> bytes:
    """A tar stream of the files, the same bytes for the same files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for path, (content, mode) in sorted(put.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _station() -> Files:
    """Hosts of the connected side use the machine's own mirror, its trust and the lab's authority."""
    suites = {"debian-12": "bookworm", "debian-13": "trixie"}
    sources = {name: [each.line() for each in apt.debian_sources(suite)] for name, suite in suites.items()}
    authority = access.read("ca.pem").encode()
    put = {
        "etc/apt/sources.list.d/lab.list": ("".join(line + "\n" for line in sources["debian-12"]).encode(), 0o644),
        "etc/apt/apt.conf.d/90lab": ("".join(line + "\n" for line in apt.machine_settings()).encode(), 0o644),
        "etc/airgap-lab/package_sources.json": (json.dumps(sources, indent=2).encode() + b"\n", 0o644),
        "etc/airgap-lab/certs/ca.crt": (authority, 0o644),
        f"etc/docker/certs.d/{REGISTRY}/ca.crt": (authority, 0o644),
    }
    bundle = apt.trusted_certificates()
    return put | ({"etc/ssl/certs/ca-certificates.crt": (bundle, 0o644)} if bundle else {})


def _control() -> Files:
    """A control node of the site can log in to the site's hosts."""
    return {
        f"lab-seed/home/{path}": (content.encode(), 0o600)
        for path, content in {
            "lab/become_password": access.read("become_password"),
            "lab/hosts.yml": access.inventory("/home/ops/lab", "-F /home/ops/.ssh/config"),
            "ssh/id_ed25519": access.read("id_ed25519"),
            "ssh/known_hosts": access.known_hosts(),
            "ssh/config": access.ssh_config("/home/ops/.ssh", jumping=True),
        }.items()
    }


def _builder() -> Files:
    """The builder has the resources' keys and no way into the site."""
    # Containers of the builder's own engine cannot use its loopback resolver; a small forwarder stands in.
    forwarder = "/usr/sbin/dnsmasq --keep-in-foreground --no-resolv --server=127.0.0.11 --listen-address=10.78.0.11 --bind-dynamic --user=root"
    return {
        "etc/docker/daemon.json": (b'{"dns": ["10.78.0.11"]}\n', 0o644),
        "lab-seed/units/azlab-dns.service": (_UNIT.format(command=forwarder, more="").encode(), 0o644),
        "lab-seed/home/lab/resources.json": (access.read("resources.json").encode(), 0o600),
        "lab-seed/home/lab/ca.pem": (access.read("ca.pem").encode(), 0o600),
    }


def _cloud() -> Files:
    azure = "/usr/bin/python3 /srv/simulator/azure.py --resources /etc/airgap-lab/resources.json --address 0.0.0.0 --port 8080"
    return {
        "etc/docker/registry/config.yml": (json.dumps(_REGISTRY_CONFIG).encode(), 0o644),
        "etc/docker/registry/tls.pem": (access.read("tls.pem").encode(), 0o644),
        "etc/docker/registry/tls.key": (access.read("tls.key").encode(), 0o600),
        "etc/airgap-lab/resources.json": (access.read("resources.json").encode(), 0o600),
        "lab-seed/units/azlab-azure.service": (_UNIT.format(command=azure, more="Environment=PYTHONUNBUFFERED=1\n").encode(), 0o644),
    }
