# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is carried besides whole bundles: media, control kits of today and of yesterday, and a fleet of sites that one run builds for."""

from __future__ import annotations

import json
import re
import subprocess
import typing as t

from tests.lab import everything, overlay, road, settings, wheels
from tests.lab.settings import Json
from tests.lab.shell import as_root, inside, run

NODE = settings.host("control-2").container
OLDER, MEDIA = "/home/ops/older", "/media"
BUNDLES = f"{road.HOME}/bundles"
KIT = "control-debian-12-amd64"
APP = "7e1b3c0a-2d4f-4a68-8b9c-0d1e2f3a4b5c"
PACKAGE = f"luis/{APP}_PRODUCTION.gz"
PACKAGE_SIZE, PART_SIZE = 100_000_000, 56_000_000  # no part can hold the file, one can hold the control kit
DECLARED: Json = {
    "name": "own-intents",
    "service": "luis",
    "resource": "luis-dc0",
    "port": 5050,
    "options": {"package": PACKAGE, "app_id": APP, "allow_legacy": True},
}
MISTYPED = {"name": "typo", "service": "sentiment", "tag": "3.0-nobody", "port": 5099, "resource": "language-dc0"}
TEXT = {"hosts": {"plant-8": {}, "plant-9": {}}}
OTHERS: Json = {
    "hosts.yml": {"azure_ai_sites": TEXT, "text_hosts": TEXT},
    "host_vars/plant-8.yml": {"azure_ai_packages": ["jq"]},
    "host_vars/plant-9.yml": {"azure_ai_containers__wrong": [MISTYPED]},
}


def declared() -> Json:
    """The container whose file is larger than a medium."""
    return {**DECLARED, "tag": everything.images.wanted(DECLARED).tag}


def lay_fleet() -> None:
    """Declare two more sites and one more container on the builder, in a layer of their own."""
    everything.publish({"text_hosts": [declared()]})
    folder = f"{road.HOME}/files/{PACKAGE.rpartition('/')[0]}"
    inside(road.BUILDER, "install", "-d", "-o", road.USER, "-g", road.USER, f"{road.HOME}/files", folder)
    fill = f"head -c {PACKAGE_SIZE} /dev/urandom > {road.HOME}/files/{PACKAGE} && chown -R {road.USER} {folder}"
    inside(road.BUILDER, "sh", "-c", fill)
    for name, content in {**OTHERS, "group_vars/text_hosts.yml": {"azure_ai_containers__carry": [declared()]}}.items():
        overlay.write(road.BUILDER, road.HOME, f"../fleet/{name}", content)
    # What init makes for a further site.
    passwords = f"cd {road.HOME}/keys && for site in plant-8 plant-9; do head -c 24 /dev/urandom | base64 > vault-$site; done"
    run(as_root(["docker", "exec", "--user", road.USER, road.BUILDER, "sh", "-c", f"umask 077 && {passwords}"]))


def bundle(log: str, **values: t.Any) -> str:
    """Build for the fleet, on what plant-7 says it holds, with a kit that no site has seen yet: it brings nginx as well."""
    layers = {"ANSIBLE_INVENTORY": overlay.environment(road.BUILDER)["ANSIBLE_INVENTORY"] + ",inventories/fleet"}
    given = {"bundle_holdings": f"{road.HOME}/carried", "bundle_control_packages": ["nginx"], **values}
    return road.playbook(road.BUILDER, "bundle", "-e", json.dumps(given), environment=layers, log=log)


def split(bundle_path: str, *only: int) -> list[str]:
    """Lay a bundle out on media, or make some parts again; return the parts' folders."""
    values = {"bundle_source": bundle_path, "bundle_part_size": PART_SIZE, "bundle_parts": only}
    road.playbook(road.BUILDER, "split", "-e", json.dumps(values), log="carry-split" + "-again" * bool(only))
    return [f"{BUNDLES}/{name}" for name in inside(road.BUILDER, "ls", BUNDLES).split() if name.startswith(f"{bundle_path.rpartition('/')[2]}-part-")]


def older_kit() -> str:
    """A kit of this collection as it was before: another version, which reads no bundles of today's format. Return its folder."""
    home = f"{OLDER}/ansible_collections/airgap/azure_ai"
    copied = "galaxy.yml meta plugins playbooks roles inventories LICENSE README.md"
    script = f"""set -e; rm -rf {OLDER}; mkdir -p {home} {OLDER}/bundles; cd {settings.COLLECTION_MOUNT}; cp -r {copied} {home}
cp -rl {BUNDLES}/{KIT} {OLDER}/bundles; cd {home}
sed -i 's/^version: .*/version: 0.9.0/' galaxy.yml
sed -i 's/^COLLECTION = .*/COLLECTION = "0.9.0"/' plugins/modules/control_kit.py
sed -i 's/^FORMAT = .*/FORMAT = 1/' plugins/module_utils/_freight/manifest.py
chown -R {road.USER} {OLDER}"""
    inside(road.BUILDER, "sh", "-c", script)
    options = {"store": f"{road.HOME}/store", "dest": f"{OLDER}/bundles", "os": "debian-12", "python": "3.11", "wheel_folder": wheels.FOLDER}
    options |= {"signing_key": f"{road.HOME}/keys/signing", "allowed_signers": f"{road.HOME}/keys/allowed_signers"}
    environment = {**overlay.environment(road.BUILDER), "ANSIBLE_COLLECTIONS_PATH": OLDER, "SOURCE_DATE_EPOCH": "1767268800"}
    passed = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
    command = ["ansible", "localhost", "-m", "airgap.azure_ai.control_kit", "-a", json.dumps(options)]
    run(as_root(["docker", "exec", *passed, "--user", road.USER, "--workdir", road.HOME, road.BUILDER, *command]))
    return f"{OLDER}/bundles/{KIT}"


def new_node() -> None:
    """A person gives the new control node the site's control folder, without store and inbox, and root the file that trusts the builder."""
    script = f"rm -rf /tmp/folder && cp -r {road.HOME} /tmp/folder && cd /tmp/folder && rm -rf store inbox/* plans report/*"
    inside(road.CONTROL, "sh", "-c", script)
    road.bring(road.CONTROL, "/tmp/folder", NODE, road.HOME)
    inside(NODE, "sh", "-c", f"grep builder@ {road.HOME}/keys/allowed_signers > /root/allowed_signers")


def line(folder: str) -> str:
    """The line that the label in a folder of the new node tells to type."""
    label = road.read(NODE, f"{folder}/label.txt").decode()
    return next(text.strip() for text in label.splitlines() if text.strip().startswith("ssh-keygen -Y verify"))


def typed(folder: str, command: str) -> tuple[int, str]:
    """What root of the new node gets for a line typed in a folder."""
    done = subprocess.run(as_root(["docker", "exec", "--workdir", folder, NODE, "sh", "-c", command]), capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout + done.stderr


def version() -> str:
    """Version of the collection that Ansible on the new node uses."""
    found = re.search(r"^airgap\.azure_ai\s+(\S+)", typed("/", "ansible-galaxy collection list airgap.azure_ai")[1], re.M)
    return found[1] if found else ""


def receive(*folders: str, log: str, container: str = NODE) -> str:
    """Receive from media that are mounted at these folders."""
    return road.playbook(container, "receive", "-e", json.dumps({"receive_media": folders}), log=log)
