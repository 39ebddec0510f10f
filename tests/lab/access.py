# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, passwords and certificates of one lab, made at random and kept in the state folder until the lab goes down."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from tests.lab import shell
from tests.lab.settings import AZURE, HOSTS, REGISTRY_ADDRESS, STATE, Host, Json, state_file

KEY_CANARY = "SIMULATED-KEY-CANARY"
# name: kind of resource, tier, approved for disconnected use, days that its licenses last
RESOURCES = {
    "speech-dc0": ("SpeechServices", "DC0", True, 30),
    "translator-dc0": ("TextTranslation", "DC0", True, 30),
    "language-dc0": ("TextAnalytics", "DC0", True, 30),
    "vision-dc0": ("ComputerVision", "DC0", True, 30),
    "forms-dc0": ("FormRecognizer", "DC0", True, 30),
    "luis-dc0": ("LUIS", "DC0", True, 30),
    "speech-short": ("SpeechServices", "DC0", True, 1),
    "speech-s0": ("SpeechServices", "S0", True, 30),
    "speech-unapproved": ("SpeechServices", "DC0", False, 30),
}


def make() -> None:
    """Make whatever is missing; what is there stays, so that `up` can run again."""
    STATE.mkdir(mode=0o700, parents=True, exist_ok=True)
    STATE.chmod(0o700)
    _key(state_file("id_ed25519"))
    for host in HOSTS:
        make_host_key(host)
    if not state_file("become_password_hash").exists():
        password = secrets.token_urlsafe(18)
        hashed = shell.out(["openssl", "passwd", "-6", "-stdin"], stdin=password.encode())
        shell.write_whole(state_file("become_password"), password + "\n")
        shell.write_whole(state_file("become_password_hash"), hashed + "\n")
    if not state_file("resources.json").exists():
        shell.write_whole(state_file("resources.json"), json.dumps(_resources(), indent=2) + "\n")
    if not state_file("tls.pem").exists():
        _certificates()
    shell.write_whole(state_file("known_hosts"), known_hosts())
    shell.write_whole(state_file("ssh_config"), ssh_config(str(STATE), jumping=False))
    shell.write_whole(state_file("hosts.yml"), inventory(str(STATE), f"-F {STATE}/ssh_config", connected=True))
    # openssl and ssh-keygen have their own ideas of modes.
    for path in STATE.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)


def make_host_key(host: Host) -> None:
    """A host's own SSH key."""
    _key(state_file("hostkeys", host.name))


def read(*parts: str) -> str:
    """Text of a file in the state folder."""
    return state_file(*parts).read_text()


def known_hosts() -> str:
    """One line for each address and name of every host, with the host's own key."""
    lines = []
    for host in HOSTS:
        names = ",".join([host.name, *host.addresses.values()])
        lines.append(f"{names} {' '.join(read('hostkeys', host.name + '.pub').split()[:2])}\n")
    return "".join(lines)


def login(host: Host) -> str:
    """The user who logs in for Ansible."""
    return "ops" if host.control else host.users[0]


def ssh_config(folder: str, *, jumping: bool) -> str:
    """A client configuration using the key and known hosts of ``folder``; ``jumping`` for who must go through the jump host."""
    lines = []
    for host in HOSTS:
        if host.users:
            lines += [f"Host {host.name} {' '.join(host.addresses.values())}", f"  HostName {host.address}", f"  User {login(host)}"]
            lines += ["  ProxyJump jump"] * (jumping and host.network == "remote")
    lines += ["Host *", f"  IdentityFile {folder}/id_ed25519", "  IdentitiesOnly yes", f"  UserKnownHostsFile {folder}/known_hosts"]
    lines += ["  StrictHostKeyChecking yes", "  BatchMode yes", "  ConnectTimeout 10"]
    return "\n".join(lines) + "\n"


def inventory(folder: str, ssh_args: str, *, connected: bool = False) -> str:
    """Connection variables of the site's hosts, with ``connected`` of all: YAML, written as JSON, to put over an inventory that names the same hosts."""
    hosts: Json = {}
    for host in HOSTS:
        if host.connected and not connected:
            continue
        if host.users:
            hosts[host.name] = {
                "ansible_host": host.address,
                "ansible_user": login(host),
                "ansible_python_interpreter": "/usr/bin/python3",
                "ansible_ssh_common_args": ssh_args,
            }
        if host.sudo:
            hosts[host.name]["ansible_become_password"] = f"{{{{ lookup('ansible.builtin.file', '{folder}/become_password') }}}}"
        if host.sudo and host.network == "site":
            # Inventories often make every task of a host privileged; the roles must bear it. The other host's tasks ask for themselves.
            hosts[host.name]["ansible_become"] = True
    return json.dumps({"all": {"hosts": hosts}}, indent=2) + "\n"


def _key(path: Path) -> None:
    if path.exists() and path.with_name(path.name + ".pub").exists():
        return
    path.unlink(missing_ok=True)
    shell.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", path.name, "-f", str(path)])


def _resources() -> Json:
    """Resources of the stand-in Azure: its keys are recognisable, so that tests can look for them where none may be."""
    return {
        name: {
            "endpoint": f"{AZURE}/{name}",
            "key": f"{KEY_CANARY}-{secrets.token_hex(16)}",
            "kind": kind,
            "tier": tier,
            "approved": approved,
            "license_lifetime_days": days,
        }
        for name, (kind, tier, approved, days) in RESOURCES.items()
    }


def _certificates() -> None:
    """The lab's certificate authority and one certificate for registry and stand-in Azure; ``tls.pem`` is written last."""
    ca, ca_key, key, request, extensions = (str(state_file(name)) for name in ("ca.pem", "ca.key", "tls.key", "tls.csr", "tls.ext"))
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    shell.run(["openssl", "req", "-x509", *curve, "-keyout", ca_key, "-out", ca, "-days", "825", "-subj", "/CN=lab authority", *usage])
    shell.run(["openssl", "req", *curve, "-keyout", key, "-out", request, "-subj", "/CN=registry.lab"])
    shell.write_whole(Path(extensions), f"subjectAltName=DNS:registry.lab,DNS:azure.lab,IP:{REGISTRY_ADDRESS}\nextendedKeyUsage=serverAuth\n")
    signed = shell.run(["openssl", "x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "800", "-extfile", extensions])
    for path in (ca, ca_key, key):
        Path(path).chmod(0o600)
    shell.write_whole(state_file("tls.pem"), signed.stdout)
