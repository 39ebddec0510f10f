# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One spec in other words: arguments of community.docker.docker_container, compose.yml, a docker run line.

All three say the same; a property test reads them back. Each is a pure function of the spec.
This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import shlex
import typing as t

Spec = t.Mapping[str, t.Any]
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)
_UNPRINTABLE = re.compile("[^\x20-\x7e\u00a0-\u2027\u2030-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")  # what YAML wants escaped
_HEAD = "# How this container runs, left for hands when Ansible is not at hand: docker compose -f compose.yml up -d\n"
_FOOT = "# The same without Compose:\n"
_NO_LINE = "# A setting holds a line break or the like, so there is no line for docker run.\n"


def docker_container(spec: Spec) -> dict[str, t.Any]:
    """Arguments of community.docker.docker_container (4.8); those about network, GPUs and user only where the spec has them."""
    more: dict[str, t.Any] = {}
    if spec["network"] is not None:
        more["networks"] = [{"name": spec["network"]}]
        more["network_mode"] = spec["network"]
    if spec["gpus"] is not None:
        more["device_requests"] = [{"count": -1, "capabilities": [["gpu"]]}]  # what docker run makes of --gpus all
    if spec["user"] is not None:
        more["user"] = spec["user"]
    return {
        "name": spec["name"],
        "hostname": spec["hostname"],
        "image": spec["image"],
        "pull": "never",
        "state": "started",
        "env": dict(spec["env"]),
        "mounts": [{"type": "bind", **mount} for mount in spec["mounts"]],
        "published_ports": [_publish(port) for port in spec["ports"]],
        "cpus": spec["cpus"],
        "memory": str(spec["memory"]),
        "restart_policy": spec["restart"],
        "security_opts": list(spec["security_opt"]),
        "cap_drop": list(spec["cap_drop"]),
        "labels": dict(spec["labels"]),
        "log_driver": spec["log"]["driver"],
        "log_options": dict(spec["log"]["options"]),
        # By default a container under another name of the same image passes as equal.
        "image_name_mismatch": "recreate",
        **more,
    }


def compose(spec: Spec) -> dict[str, t.Any]:
    """The compose file as data. Compose fills ``$x`` in from its environment, so every ``$`` is doubled."""
    service = {
        "image": spec["image"],
        "pull_policy": "never",
        "container_name": spec["name"],
        "hostname": spec["hostname"],
        "environment": dict(spec["env"]),
        "volumes": [{"type": "bind", **mount} for mount in spec["mounts"]],
        "ports": [
            {"host_ip": port["host_ip"], "published": str(port["host_port"]), "target": port["container_port"], "protocol": "tcp"} for port in spec["ports"]
        ],
        "cpus": spec["cpus"],
        "mem_limit": spec["memory"],
        "restart": spec["restart"],
        "security_opt": list(spec["security_opt"]),
        "cap_drop": list(spec["cap_drop"]),
        "labels": dict(spec["labels"]),
        "logging": {"driver": spec["log"]["driver"], "options": dict(spec["log"]["options"])},
    }
    result: dict[str, t.Any] = {"name": f"azure-ai-{spec['name']}", "services": {spec["name"]: _doubled({**service, **_extras(spec)})}}
    if spec["network"] is not None:
        result["networks"] = {spec["network"]: {"external": True}}
    return result


def _extras(spec: Spec) -> dict[str, t.Any]:
    """Keys of a compose service that most do not need."""
    found: dict[str, t.Any] = {}
    if spec["network"] is not None:
        found["networks"] = [spec["network"]]
    if spec["gpus"] is not None:
        found["deploy"] = {"resources": {"reservations": {"devices": [{"count": spec["gpus"], "capabilities": ["gpu"]}]}}}
    if spec["user"] is not None:
        found["user"] = spec["user"]
    return found


def compose_text(spec: Spec) -> str:
    """The compose file as YAML; a comment at its end has the line of ``docker_run``, for a host without Compose."""
    line = docker_run(spec)
    # What YAML wants escaped, it does not bear in a comment either.
    foot = _NO_LINE if _UNPRINTABLE.search(line) else f"{_FOOT}# {line}\n"
    return _HEAD + "\n".join(_yaml(compose(spec), 0)) + "\n" + foot


def docker_run(spec: Spec) -> str:
    """A line for a shell that starts the same container by hand."""
    words = ["docker", "run", "--detach", "--pull", "never", "--name", spec["name"], "--hostname", spec["hostname"]]
    for name, value in spec["env"].items():
        words += ["--env", f"{name}={value}"]
    for mount in spec["mounts"]:
        fields = ["type=bind", f"source={mount['source']}", f"target={mount['target']}"] + (["readonly"] if mount["read_only"] else [])
        words += ["--mount", ",".join(_csv(field) for field in fields)]
    for port in spec["ports"]:
        words += ["--publish", _publish(port)]
    words += ["--cpus", str(spec["cpus"]), "--memory", str(spec["memory"]), "--restart", spec["restart"]]
    for option, value in (("--network", spec["network"]), ("--gpus", spec["gpus"]), ("--user", spec["user"])):
        words += [option, value] if value is not None else []
    for option, values in (("--security-opt", spec["security_opt"]), ("--cap-drop", spec["cap_drop"])):
        for value in values:
            words += [option, value]
    for name, value in spec["labels"].items():
        words += ["--label", f"{name}={value}"]
    words += ["--log-driver", spec["log"]["driver"]]
    for name, value in spec["log"]["options"].items():
        words += ["--log-opt", f"{name}={value}"]
    return shlex.join([*words, spec["image"]])


def _publish(port: t.Mapping[str, t.Any]) -> str:
    address = f"[{port['host_ip']}]" if ":" in port["host_ip"] else port["host_ip"]
    return f"{address}:{port['host_port']}:{port['container_port']}"


def _csv(field: str) -> str:
    # docker parses --mount as one record of CSV
    return '"' + field.replace('"', '""') + '"' if any(char in field for char in ',"\r\n') else field


def _doubled(value: t.Any) -> t.Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _doubled(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubled(item) for item in value]
    return value


def _yaml(value: t.Any, depth: int) -> t.Iterator[str]:
    """Block YAML of mappings, lists and scalars; text is written as JSON, which YAML reads alike."""
    pad = "  " * depth
    for key, item in value.items():
        head = f"{pad}{key if _PLAIN.fullmatch(key) else _flow(key)}:"
        if isinstance(item, dict) and item:
            yield head
            yield from _yaml(item, depth + 1)
        elif isinstance(item, list) and item:
            yield head
            for element in item:
                yield f"{pad}  - {_flow(element)}"
        else:
            yield f"{head} {_flow(item)}"


def _flow(value: t.Any) -> str:
    return _UNPRINTABLE.sub(lambda match: f"\\U{ord(match[0]):08x}", json.dumps(value, ensure_ascii=False))
