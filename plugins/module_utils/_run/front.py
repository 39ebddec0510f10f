# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS front of a host: what is declared, what stands in its way, and whether there is anything to do about it.

``want["front"]`` is {declared (azure_ai_front of the host, {} without one), files ({certificate, key, client_ca, client_crl: SHA-256, or None when
the file is not there}), crl_until (when the first of the revocation lists ends, UTC, or None)}; ``have["front"]`` is {digest, ports} of the one that
is installed, or None; ``have["nginx"]`` the path of the program.
This file is private to the collection.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import schema

PACKAGES = ("nginx", "libnginx-")  # names begin so; they come to hosts with a front only, as Debian's would serve a page on port 80
DEBIANS = ("/usr/sbin/nginx", "/sbin/nginx")  # where the package has its program
FOLDER = "/etc/azure-ai-front"
UNIT = "/etc/systemd/system/azure-ai-front.service"
CONFIG = "nginx.conf"
FORMAT = 2  # of the configuration: another one is laid down anew
FILES = ("certificate", "key", "client_ca", "client_crl")
CRL_SOON = 7  # days
_HEAD = "# airgap.azure_ai front "
_MAX = 4096
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_NAME = {"type": "string", "minLength": 1}
SCHEMA: dict[str, t.Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["address", "port", "certificate", "key"],
    "properties": {
        "address": _NAME,
        "port": _PORT,
        "ports": {"type": "object", "additionalProperties": _PORT},
        "certificate": _NAME,
        "key": _NAME,
        "client_ca": _NAME,
        "client_crl": _NAME,
        "containers": {"type": "array", "items": _NAME},
        "records": {"type": "boolean"},
        "body_mb": {"type": "integer", "minimum": 1},
        "idle_seconds": {"type": "integer", "minimum": 1},
    },
}
_DEFAULTS: dict[str, t.Any] = {"ports": {}, "client_ca": "", "client_crl": "", "containers": None, "records": False, "body_mb": 500, "idle_seconds": 3600}

Have = t.Mapping[str, t.Any]
Want = t.Mapping[str, t.Any]
Json = dict[str, t.Any]
Found = tuple[list[str], list[str]]


def look(folder: str = FOLDER, unit: str = UNIT) -> t.Optional[Json]:
    """{digest, ports} of the front that is installed on this host, or None."""
    if not os.path.exists(unit):
        return None
    try:
        with open(os.path.join(folder, CONFIG), encoding="utf-8", errors="replace") as stream:
            first = stream.read(_MAX).partition("\n")[0]
    except OSError:
        first = ""
    words = first[len(_HEAD) :].split() if first.startswith(_HEAD) else []
    return {"digest": words[0] if words else "", "ports": [int(word) for word in words[1:] if word.isdigit()]}


def theirs(have: Have) -> bool:
    """Whether the host has an nginx that is no package of Debian's: none is installed over it."""
    return have.get("nginx") not in (None, *DEBIANS)


def step(have: Have, want: Want, urls: t.Mapping[str, str]) -> t.Optional[Json]:
    """What the role front is to do, or None: state (present or absent), reason, and for present everything that its templates need.

    :param urls: where the host itself reaches each container that users ask
    """
    asked, there = want.get("front") or {"declared": {}, "files": {}}, have.get("front")
    if not asked["declared"]:
        return None if there is None else {"state": "absent", "reason": "not declared any more"}
    if _faults(asked["declared"], urls):
        return None
    value = {**_served(asked["declared"], urls), "files": {name: asked["files"].get(name) if asked["declared"].get(name) else None for name in FILES}}
    digest = digest_of({**value, "format": FORMAT}).short
    if there is None:
        reason = "not there"
    elif there["digest"] != digest:
        reason = "its declaration or a file of it has changed"
    elif set(value["ports"]) - set(have["listening"]):
        reason = "it does not run"
    else:
        return None
    paths = {name: asked["declared"].get(name) or "" for name in FILES}
    return {"state": "present", "reason": reason, "digest": digest, "head": " ".join([_HEAD + digest, *map(str, value["ports"])]), **value, "paths": paths}


def judge(have: Have, want: Want, steps: t.Mapping[str, t.Any], urls: t.Mapping[str, str]) -> Found:
    """(problems, warnings)."""
    asked = want.get("front") or {"declared": {}, "files": {}}
    declared = asked["declared"]
    if not declared:
        return [], []
    problems = _faults(declared, urls)
    if problems:
        return [f"front: {line}" for line in problems], []
    for name in FILES:
        if declared.get(name) and asked["files"].get(name) is None:
            problems.append(f"{name} {declared[name]} is not a file on the control node; put it there, or name the right one in azure_ai_front")
    arriving = {item["name"] for item in steps["engine"]["packages"]}
    if have.get("nginx") is None and "nginx" not in arriving:
        problems.append("this host has no nginx and the store brings none; bundle it with azure_ai_packages: [nginx], or install it")
    own = set((have.get("front") or {"ports": []})["ports"])
    containers = {item["declaration"]["port"]: item["declaration"]["name"] for item in want["containers"]}
    for port in _ports(declared):
        if port in containers:
            problems.append(f"port {port} is that of container {containers[port]}; give the front another one")
        elif port in have["listening"] and port not in own:
            problems.append(f"port {port} is taken by another program; give the front another one, or stop that")
    open_ones = [item["declaration"] for item in want["containers"] if not ipaddress.ip_address(item["declaration"]["bind"]).is_loopback]
    warnings = [f"front: container {item['name']} is published on {item['bind']} as well, past the front; take its bind out" for item in open_ones]
    if not declared.get("client_ca"):
        warnings.append("front: it asks for no client certificates, so whoever reaches it may use the containers; name client_ca")
    return [f"front: {line}" for line in problems], warnings + _crl_ends(asked, want["control_now"])


def line(found: t.Mapping[str, t.Any]) -> str:
    """The front's line of a plan."""
    if found["state"] == "absent":
        return f"front: stop it and remove it ({found['reason']})"
    names = sorted({route["name"] for server in found["servers"] for route in server["routes"]})
    who = "with client certificates" if found["files"]["client_ca"] else "for anyone"
    return f"front: serve {', '.join(names) or 'nothing'} on {found['address']} port {', '.join(map(str, found['ports']))} {who} ({found['reason']})"


def _faults(declared: t.Mapping[str, t.Any], urls: t.Mapping[str, str]) -> list[str]:
    found = [f"{fault}; docs/front.md says what azure_ai_front takes" for fault in schema.faults(dict(declared), SCHEMA)]
    if found:
        return found
    try:
        ipaddress.ip_address(declared["address"])
    except ValueError:
        found.append(f"address {declared['address']!r} is not an address; use one of the host's, or 0.0.0.0")
    if declared.get("client_crl") and not declared.get("client_ca"):
        found.append("client_crl names whose certificates were revoked, and nobody is asked for one; name client_ca, or take client_crl out")
    named = [*(declared.get("containers") or []), *(declared.get("ports") or {})]
    unknown = sorted({name for name in named if name not in urls})
    if unknown:
        found.append(f"{', '.join(unknown)}: no container of this host that users ask; there are {', '.join(sorted(urls)) or 'none'}")
    ports = _ports(declared)
    if len(set(ports)) < len(ports):
        found.append(f"ports {', '.join(map(str, ports))}: one of them twice; give each its own")
    return found


def _crl_ends(asked: t.Mapping[str, t.Any], now: str) -> list[str]:
    """A list of revoked certificates that has ended lets nobody in: nginx cannot know then who is revoked."""
    until = asked.get("crl_until")
    if not asked["declared"].get("client_crl") or until is None:
        return []
    days = (datetime.date.fromisoformat(until[:10]) - datetime.date.fromisoformat(now[:10])).days
    if until <= now:
        return [f"front: client_crl {asked['declared']['client_crl']} ended at {until}, so every client is refused; have its authority issue a new one"]
    return [f"front: client_crl {asked['declared']['client_crl']} ends at {until}, and every client is refused then; lay a new one down"] * (days <= CRL_SOON)


def _ports(declared: t.Mapping[str, t.Any]) -> list[int]:
    return [declared["port"], *(port for _name, port in sorted((declared.get("ports") or {}).items()))]


def _served(declared: t.Mapping[str, t.Any], urls: t.Mapping[str, str]) -> Json:
    """address, ports, servers [{port, routes [{name, prefix, url}]}], records, body_mb, idle_seconds."""
    filled = {**_DEFAULTS, **declared}
    names = sorted(urls) if filled["containers"] is None else filled["containers"]
    servers = [{"port": filled["port"], "routes": [{"name": name, "prefix": f"/{name}", "url": urls[name]} for name in names]}]
    servers += [{"port": port, "routes": [{"name": name, "prefix": "", "url": urls[name]}]} for name, port in sorted(filled["ports"].items())]
    address = f"[{filled['address']}]" if ":" in filled["address"] else filled["address"]
    return {"address": address, "ports": _ports(filled), "servers": servers, **{name: filled[name] for name in ("records", "body_mb", "idle_seconds")}}
