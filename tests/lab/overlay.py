# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab lays over the example inventories: its registry, its stand-in Azure, its ways to log in, its small machines.

Everything else (hosts, groups, containers, addresses) the lab takes from the collection's own ``inventories``.
"""

from __future__ import annotations

import json

from tests.lab import access, settings, wheels
from tests.lab.settings import Json
from tests.lab.shell import as_root, run

FOLDER = "inventories/lab"
KEYS = {
    "speech-dc0": "AZURE_AI_SPEECH_KEY",
    "speech-s0": "AZURE_AI_CUSTOM_SPEECH_KEY",
    "translator-dc0": "AZURE_AI_TRANSLATOR_KEY",
    "language-dc0": "AZURE_AI_LANGUAGE_KEY",
    "vision-dc0": "AZURE_AI_VISION_KEY",
    "forms-dc0": "AZURE_AI_FORMS_KEY",
    "luis-dc0": "AZURE_AI_LUIS_KEY",
}
# What the example inventories declare for text-1, for tests that declare it otherwise.
TRANSLATOR: Json = {
    "name": "translator",
    "service": "text_translation",
    "tag": "1.0.03113.842-amd64",
    "port": 5002,
    "resource": "translator-dc0",
    "options": {"languages": ["en", "fr"]},
}
SENTIMENT: Json = {"name": "sentiment", "service": "sentiment", "tag": "3.0-en", "port": 5003, "resource": "language-dc0"}
PUBLISHED = {"text-1": (5002, 5003), "speech-1": (5001,)}
SERVICES = sorted(path.stem for path in (settings.REPOSITORY / "plugins/plugin_utils/catalog").glob("*.yml") if "_custom_template.yml" not in path.name)
SMALL = {"minimum": {"cpus": 0.1, "memory": "64m"}, "recommended": {"cpus": 0.5, "memory": "256m"}}
# Where the data of one host's engine lie, and what its networks are made of; the other host leaves both to the engine.
ENGINE: Json = {"azure_ai_docker_root": "/var/lib/docker/moved", "azure_ai_address_pools": [{"base": "10.201.0.0/16", "size": 24}]}
LAYERS = {"connected": ("headquarters", "connected", "lab"), "site": ("headquarters", "site", "lab")}


def resources() -> Json:
    """The stand-in Azure's resources: name to endpoint, key, kind, tier, approved, license_lifetime_days."""
    return json.loads(access.read("resources.json"))


def environment(container: str) -> dict[str, str]:
    """Environment of ``ansible-playbook`` on a control node: the inventories in their order, and the secrets a user would export."""
    side = "connected" if container == settings.host("builder").container else "site"
    values = {"ANSIBLE_INVENTORY": ",".join(f"inventories/{layer}" for layer in LAYERS[side])}
    if side == "connected":
        known = resources()
        return values | {variable: known[name]["key"] for name, variable in KEYS.items()}
    return values | {"AZURE_AI_BECOME_PASSWORD": access.read("become_password").strip()}


def layer(side: str) -> dict[str, Json]:
    """File name to content of the overlay of one side."""
    everybody: Json = {"azure_ai_catalog": {name: {"size": SMALL} for name in SERVICES}}
    files: dict[str, Json] = {"group_vars/all.yml": everybody}
    if side == "site":
        hosts = {"hosts.yml": json.loads(access.inventory("/home/ops/lab", "-F /home/ops/.ssh/config"))}
        return files | hosts | {"host_vars/speech-1/engine.yml": ENGINE}
    everybody["bundle_control_wheels"] = wheels.FOLDER
    known = resources()
    keys = {
        name: {
            "endpoint": known[name]["endpoint"],
            "api_key": f"{{{{ lookup('ansible.builtin.env', '{variable}') }}}}",
            "license_lifetime_days": known[name]["license_lifetime_days"],
        }
        for name, variable in KEYS.items()
    }
    # nginx travels with every bundle, and comes to hosts that declare a front.
    site: Json = {
        "azure_ai_packages": ["nginx"],
        "azure_ai_registry": settings.REGISTRY,
        "azure_ai_registry_ca": "/etc/airgap-lab/certs",
        "azure_ai_resources": keys,
    }
    return files | {"hosts.yml": {"all": {}}, "group_vars/azure_ai_sites.yml": site}


def lay(side: str, container: str, home: str) -> None:
    """Write the overlay into a control folder, as its ordinary user."""
    for name, content in layer(side).items():
        write(container, home, name, content)


def write(container: str, home: str, name: str, content: Json) -> None:
    """Write one file of the overlay, as the control folder's ordinary user."""
    command = f"install -d -m 0750 $(dirname {home}/{FOLDER}/{name}) && umask 027 && cat > {home}/{FOLDER}/{name}"
    run(as_root(["docker", "exec", "-i", "--user", "ops", container, "sh", "-c", command]), stdin=json.dumps(content, indent=1).encode())
