# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control kit: what a site's control node runs on, in a signed folder that needs no bundle to be verified.

``control.json``, ``control.json.sig``, ``install.sh``, ``label.txt`` and ``blobs/sha256/<hex>``; the files are links into the store.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import shutil
import tarfile
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of, parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import TEMPORARY_PREFIX, atomic_file, fsync_folder, read_regular, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, Trust, fingerprint, sign_file, signed_by, verify_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import BLOBS, Store

FORMAT = 1
KIND = "airgap.azure_ai/control"
NAME = "control.json"
NAMESPACE = "azure-ai-control"
PACKAGES = ("python3", "openssh-client", "rsync")  # what the playbooks use on a control node
MAX_MANIFEST = 16 * 1024 * 1024
MAX_SCRIPT = 1024 * 1024
UNKNOWN = "builder@NAME"  # where nobody said which principal signs
# Of a collection, what Ansible reads; a checkout has much more lying around.
KEPT = ("meta", "plugins", "playbooks", "roles", "inventories", "docs", "changelogs", "LICENSES")
_TOP = re.compile(r"galaxy\.yml|MANIFEST\.json|FILES\.json|(?:LICENSE|COPYING)\S*|\w+\.md")
_TARGET = {"os": re.compile(r"[a-z][a-z0-9]*-[0-9][0-9.]*"), "python": re.compile(r"3\.[0-9]{1,2}"), "arch": re.compile(r"amd64")}

Record = dict[str, t.Any]


@dataclass(frozen=True)
class Target:
    """The control node that a kit is for, e.g. ``debian-12``, ``3.11``, ``amd64``."""

    os: str
    python: str
    arch: str

    def __post_init__(self) -> None:
        """Raise InputError for what no kit can be made for."""
        for name, pattern in _TARGET.items():
            value = getattr(self, name)
            if not pattern.fullmatch(value):
                raise InputError(f"azure_ai_control.{name}", f"{value!r} is nothing that a kit can be made for", 'such as debian-12, "3.11", amd64')


def manifest(target: Target, collection: str, installer: Record, files: t.Sequence[Record], created: str) -> Record:
    """``control.json``: the same members for the same files, but for ``created``.

    :param installer: {digest, size} of install.sh
    :param files: {kind: installer|wheel|collection|package, name, version, filename, digest, size, requested}
    """
    body = {
        "format": FORMAT,
        "kind": KIND,
        "collection": collection,
        "target": {"os": target.os, "python": target.python, "arch": target.arch},
        "install": installer,
        "files": sorted(files, key=lambda entry: (entry["kind"], entry["name"])),
    }
    identity = digest_of(body)
    return {**body, "id": str(identity), "version": f"{collection}-{identity.short[:8]}", "created": created}


class Kits:
    """The kits in a folder, one for each kind of control node: ``control-<os>-<arch>/``."""

    def __init__(self, path: str, store: Store) -> None:
        self.path = os.path.abspath(path)
        self._store = store

    def folder(self, target: Target) -> str:
        """Where the kit lies or would lie."""
        return os.path.join(self.path, f"control-{target.os}-{target.arch}")

    def held(self, target: Target) -> Record | None:
        """The manifest of the kit that is there, or None."""
        return read(self.folder(target))

    def reason(self, wanted: Record, target: Target, key: str) -> str | None:
        """Why the kit has to be made, or None when the one that is there will do."""
        folder, held = self.folder(target), self.held(target)
        if held is None:
            return "there is none yet"
        if held["id"] != wanted["id"]:
            return "its contents have changed"
        for entry in held["files"]:
            path = os.path.join(folder, BLOBS, Digest.parse(entry["digest"]).hex)
            if not os.path.isfile(path) or os.path.getsize(path) != entry["size"]:
                return f"{entry['filename']} is missing in {folder} or damaged"
        with contextlib.suppress(AirgapError):
            if Digest.of(read_regular(os.path.join(folder, "install.sh"), MAX_MANIFEST)) != Digest.parse(held["install"]["digest"]):
                return f"{folder}/install.sh is damaged"
            if signed_by(pretty(held), os.path.join(folder, NAME + SUFFIX), NAMESPACE) == fingerprint(key):
                return None
        return f"{folder} is not signed by {key}"

    def build(self, made: Record, target: Target, script: bytes, key: str, trust: Trust | None = None) -> str:
        """Make, sign and name the folder; return its path. A former one is replaced.

        :param script: the bytes of install.sh
        :param trust: by what the signature is verified again, so that the label can name the signer
        """
        final = self.folder(target)
        temporary = os.path.join(self.path, f"{TEMPORARY_PREFIX}{os.path.basename(final)}")
        _remove(temporary)
        try:
            os.makedirs(os.path.join(temporary, BLOBS))
            for digest, entry in {entry["digest"]: entry for entry in made["files"]}.items():
                _lay(self._store, temporary, Digest.parse(digest), entry)
            write_bytes(os.path.join(temporary, "install.sh"), script, 0o755)
            path = os.path.join(temporary, NAME)
            write_bytes(path, pretty(made))
            sign_file(path, key, NAMESPACE)
            signer = verify_bytes(pretty(made), path + SUFFIX, NAMESPACE, trust, "control kit", role="builder") if trust else UNKNOWN
            write_bytes(os.path.join(temporary, "label.txt"), label(made, signer).encode())
            fsync_folder(temporary)
            _remove(final)
            os.rename(temporary, final)
        finally:
            _remove(temporary)
        return final


def read(folder: str) -> Record | None:
    """The manifest of a kit's folder, or None where there is none that can be read. For kits of our own: nothing is verified."""
    path = os.path.join(folder, NAME)
    try:
        value = parse(read_regular(path, MAX_MANIFEST), path)
    except (AirgapError, OSError):
        return None
    known = isinstance(value, dict) and value.get("kind") == KIND and value.get("format") == FORMAT and isinstance(value.get("files"), list)
    return t.cast(Record, value) if known else None


def command(signer: str, signers: str = "~/allowed_signers", options: tuple[str, ...] = ()) -> str:
    """The one line to type at the control node: signature, install.sh's own hash, then install.sh.

    :param signers: path of the signers file there; a medium may be read-only
    :param options: further arguments of install.sh, quoted
    """
    verify = f"ssh-keygen -Y verify -f {signers} -I {signer} -n {NAMESPACE} -s {NAME}{SUFFIX} < {NAME}"
    return f'{verify} && grep -q "$(sha256sum < install.sh | cut -c1-64)" {NAME} && sh install.sh --signers {" ".join((signers, *options))}'


def label(made: Record, signer: str) -> str:
    """What is printed and put beside the medium."""
    target = made["target"]
    kinds = [f"{sum(1 for entry in made['files'] if entry['kind'] == kind)} {kind}s" for kind in ("wheel", "collection", "package")]
    size = sum(entry["size"] for entry in made["files"])
    return (
        f"Control kit {made['version']} for {target['os']}, Python {target['python']}, {target['arch']}\n"
        f"made {made['created']} by {signer}; {', '.join(kinds)}, {size / 10**6:.1f} MB\nid {made['id']}\n\n"
        f"At the control node, in this folder, with allowed_signers in the home folder (as root, or add --prefix FOLDER):\n\n{command(signer)}\n"
    )


def pack(path: str) -> tuple[Record, bytes]:
    """A collection as a gzipped tar of what Ansible reads of it: ({name, version}, bytes); the same bytes for the same files.

    :raises InputError: no collection lies there.
    """
    path = os.path.realpath(path)
    name, version = _about(path)
    stream = io.BytesIO()
    with gzip.GzipFile(fileobj=stream, mode="wb", mtime=0, compresslevel=9) as packed, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for relative in sorted(_members(path)):
            with open(os.path.join(path, relative), "rb") as source:
                data = source.read()
            info = tarfile.TarInfo(relative)
            info.size = len(data)
            info.mode = 0o755 if os.access(os.path.join(path, relative), os.X_OK) else 0o644
            tar.addfile(info, io.BytesIO(data))
    return {"name": name, "version": version}, stream.getvalue()


def _about(path: str) -> tuple[str, str]:
    with contextlib.suppress(MissingError):
        about = parse(read_regular(os.path.join(path, "MANIFEST.json"), MAX_MANIFEST), path)
        info = about.get("collection_info") if isinstance(about, dict) else None
        if isinstance(info, dict):
            return f"{info.get('namespace')}.{info.get('name')}", str(info.get("version"))
    try:
        text = read_regular(os.path.join(path, "galaxy.yml"), MAX_MANIFEST).decode("utf-8", "replace")
    except MissingError:
        raise InputError(f"collection {path}", "has neither MANIFEST.json nor galaxy.yml", "name the folder of an installed collection") from None
    found = {key: match.group(1) for key in ("namespace", "name", "version") for match in [re.search(rf"^{key}:\s*['\"]?([\w.+-]+)", text, re.M)] if match}
    if len(found) != 3:
        raise InputError(f"collection {path}", "its galaxy.yml names no namespace, name and version")
    return f"{found['namespace']}.{found['name']}", found["version"]


def _members(path: str) -> t.Iterator[str]:
    """Relative paths of the files that are packed."""
    for root, folders, names in os.walk(path):
        top = os.path.relpath(root, path).split(os.sep)[0]
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith(".") and (top != "." or name in KEPT))
        for name in names:
            full = os.path.join(root, name)
            if os.path.isfile(full) and not name.endswith(".pyc") and (top != "." or _TOP.fullmatch(name)):
                yield os.path.relpath(full, path)


def _lay(store: Store, folder: str, digest: Digest, entry: Record) -> None:
    """Link a file of the store, or copy it where links are not to be had; read it once in either case."""
    target, what = os.path.join(folder, BLOBS, digest.hex), f"{entry['filename']} of the control kit"
    with store.open(digest) as source:
        try:
            os.link(store.path_of(digest), target)
        except OSError:
            with atomic_file(target) as copy:
                found = copy_hashing(source, copy, entry["size"])
        else:
            found = copy_hashing(source, None, entry["size"])
    if found != (digest, entry["size"]):
        aside = store.set_aside(digest)
        raise IntegrityError(what, "damaged in the store", f"set aside as {aside}; run again to fetch it anew")


def _remove(folder: str) -> None:
    if os.path.lexists(folder):
        shutil.rmtree(folder)
