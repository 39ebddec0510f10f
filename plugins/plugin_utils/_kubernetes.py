# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What manifests need of the control node: facts from its store, YAML text, the published schemas.

This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import subprocess
import tarfile
import tempfile
import typing as t

import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import kubernetes, loading

try:
    from kubernetes_validate import utils as published
except ImportError:
    published = None

HEAD = "# Made by airgap.azure_ai.kubernetes: what is changed here by hand is lost with the next run.\n"
_ACCOUNTS = ("etc/passwd", "etc/group")
_MAX_CONFIG = 4 * 1024 * 1024
_MAX_ACCOUNTS = 1024 * 1024
# What every reader of YAML takes for text, be it one of version 1.1 or 1.2; anything else is quoted.
_PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[A-Za-z][A-Za-z0-9_./-]*", re.IGNORECASE)

Json = dict[str, t.Any]


class _Dumper(yaml.SafeDumper):
    """Quotes every text that some reader might take for a number or a truth value; writes no anchors."""

    def ignore_aliases(self, _data: t.Any) -> bool:
        """Every value is written out."""
        return True

    def increase_indent(self, flow: bool = False, **_indentless: bool) -> None:
        """Items of a list stand below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if _PLAIN.fullmatch(value) else '"')


_Dumper.add_representer(str, _text)


def text(documents: t.Sequence[Json]) -> str:
    """Manifests as one YAML file."""
    # Ansible's own kinds of text and number, which carry where they come from, are none that YAML knows.
    plain = json.loads(json.dumps(documents))
    return HEAD + yaml.dump_all(plain, Dumper=_Dumper, sort_keys=False, width=10**9, explicit_start=True)


def facts(store: Store, item: t.Mapping[str, t.Any], holdings: t.Mapping[str, t.Any], user: str | None = None) -> Json:
    """What the function manifests takes as facts, from an item of the wish.

    :param user: ``uid:gid`` that spares looking for the image's user in its layers
    :raises MissingError: the store lacks a blob; IntegrityError: a blob is damaged.
    """
    record, release = item["image"], item["release"]
    sets = {found["digest"]: found for found in holdings.get("models", [])}
    wanted = {name: sets.get(release.get(name)) for name in ("models", "files")}
    return {
        "image": {key: record[key] for key in ("repository", "tag", "manifest")},
        "user": _given(user, item["declaration"]["name"]) if user else image_user(store, record),
        "health": item["entry"].get("health") or {},
        "license_file": release.get("license_file", "license.dat"),
        "sets": {found["digest"].rpartition(":")[2]: _set(store, found, kind == "files") for kind, found in wanted.items() if found is not None},
    }


def image_user(store: Store, record: t.Mapping[str, t.Any]) -> Json:
    """{name, uid, gid} of the user that an image runs as, from its configuration and the /etc/passwd in its layers."""
    config = parse(store.read(Digest.parse(record["config"]), _MAX_CONFIG), f"configuration of image {record['repository']}:{record['tag']}")
    configured = str((config.get("config") or {}).get("User") or "")
    if re.fullmatch(r"[0-9]+:[0-9]+", configured):
        return loading.user(configured, lambda _path: "")
    if configured in ("", "0", "root"):
        return {"name": configured or "root", "uid": 0, "gid": 0}
    found: dict[str, str] = {}
    for layer in reversed(record["layers"]):
        for name, content in _accounts(store, layer):
            found.setdefault(name, content)
        if len(found) == len(_ACCOUNTS):
            break
    try:
        return loading.user(configured, lambda path: found.get(path.lstrip("/"), ""))
    except AirgapError as exc:
        raise MissingError(f"image {record['repository']}:{record['tag']}", str(exc), "name its uid and gid in kubernetes_users") from exc


def validate(documents: t.Sequence[Json], version: str) -> list[str] | None:
    """Faults against the strict schemas that Kubernetes published for a version; None when kubernetes-validate is not there.

    :raises InputError: it knows no such version.
    """
    if published is None:
        return None
    if not re.fullmatch(r"v?1\.[0-9]+(?:\.[0-9]+)?", version):
        raise InputError(f"version {version}", "not one of Kubernetes", "write it like 1.33")
    faults = []
    for document in documents:
        what = f"{document['kind']} {document['metadata']['name']}"
        try:
            published.validate(document, version, strict=True)
        except published.ValidationError as exc:
            # The library's own text holds the whole object, a Secret's content included.
            faults.append(f"{what}: {'.'.join(map(str, exc.path)) or 'it'} does not keep to the schema of Kubernetes {exc.version} ({exc.validator})")
        except published.SchemaNotFoundError as exc:
            faults.append(f"{what}: {exc.message}")
        except published.VersionNotSupportedError as exc:
            raise InputError(f"version {version}", f"kubernetes-validate {published.__version__} does not know it", "name an older one") from exc
    return faults


def _given(user: str, name: str) -> Json:
    if not re.fullmatch(r"[0-9]+:[0-9]+", user):
        raise InputError(f"user {user} of container {name}", "not uid:gid", "write two numbers, in quotes")
    uid, gid = (int(part) for part in user.split(":"))
    return {"name": user, "uid": uid, "gid": gid}


def _set(store: Store, found: t.Mapping[str, t.Any], declared: bool) -> Json:
    """Size of a set, and its files where they were declared and fit into a ConfigMap."""
    size = sum(item["size"] for item in found["files"])
    small = declared and size <= kubernetes.SMALL
    files = {item["path"]: store.read(Digest.parse(item["digest"]), kubernetes.SMALL) for item in found["files"]} if small else None
    return {"size": size, "files": files}


def _accounts(store: Store, layer: t.Mapping[str, t.Any]) -> t.Iterator[tuple[str, str]]:
    """(name, text) of the account files in one layer, read as a stream."""
    kind = str(layer.get("media_type", ""))
    try:
        with store.open(Digest.parse(layer["digest"])) as blob, tempfile.TemporaryFile() as plain, tarfile.open(**_source(blob, plain, kind)) as tar:
            for member in tar:
                name = member.name.lstrip("./")
                content = tar.extractfile(member) if name in _ACCOUNTS and member.isreg() else None
                if content is not None:
                    yield name, content.read(_MAX_ACCOUNTS).decode("utf-8", "replace")
                # It remembers every member, and a layer may have a hundred thousand.
                tar.members = []
    except (tarfile.TarError, EOFError, OSError) as exc:
        raise IntegrityError(f"layer {layer['digest']}", f"cannot be read ({exc})", "receive the bundle again") from exc


def _source(blob: t.BinaryIO, plain: t.IO[bytes], kind: str) -> Json:
    """How ``tarfile`` reads a layer: as it is, or unpacked into ``plain`` where Python cannot unpack it."""
    if not kind.endswith("zstd"):
        return {"fileobj": blob, "mode": "r|*"}
    if subprocess.run(["zstd", "-dcq"], stdin=blob, stdout=plain, stderr=subprocess.DEVNULL, check=False).returncode != 0:
        raise OSError("zstd cannot unpack it")
    plain.seek(0)
    return {"fileobj": plain, "mode": "r|"}
