# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the first medium of a bundle can tell already: whether the site has what it builds on, and room for the rest and for the import.

This file is private to the collection.
"""

from __future__ import annotations

import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.progress import human
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import delta, room, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import manifest as _manifest
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

Record = dict[str, t.Any]


def lacking(manifest: Record, store: Store, folders: t.Sequence[str] = ()) -> list[str]:
    """Digests of the blobs that the bundle leaves out and that neither the store nor a bundle in ``folders`` has. No blob is read."""
    return sorted(blob["digest"] for blob in manifest["blobs"] if not _manifest.is_carried(blob) and not _here(blob, store, folders))


def beside(path: str) -> list[str]:
    """Folders next to ``path`` that may be bundles; the import takes what a bundle leaves out from them as well."""
    inbox, own = os.path.split(os.path.abspath(path))
    names = sorted(os.listdir(inbox)) if os.path.isdir(inbox) else []
    return [os.path.join(inbox, name) for name in names if name != own and os.path.isfile(os.path.join(inbox, name, verify.NAME))]


def base(manifest: Record, digests: t.Sequence[str]) -> Record:
    """What of the base is not here, for programs and people: ``count``, ``bytes``, the short ``code``, all in words in ``line``; empty when nothing lacks."""
    if not digests:
        return {}
    wanted, code = set(digests), delta.code(digests)
    size = sum(blob["size"] for blob in manifest["blobs"] if blob["digest"] in wanted)
    line = (
        f"{manifest['site']}-{manifest['sequence']} builds on {len(wanted)} blob{'' if len(wanted) == 1 else 's'} ({human(size)}) that are not here:"
        f" it cannot be imported without them. Read out the code {code} to the builder (bundle_missing of its playbook), and collect the bundle for it too"
    )
    return {"count": len(wanted), "bytes": size, "code": code, "line": line}


def check_room(folder: str, to_come: int, store: Store | None = None, manifest: Record | None = None) -> None:
    """See that all that is still to come fits the disk of ``folder``, and what the import will copy out of it that of the store.

    :raises InputError: it does not; needed and free bytes are named.
    """
    copied = 0
    if store is not None and manifest is not None:
        copied = sum(size for digest, size, _kind in _manifest.carried(manifest) if not store.has(digest, size))
        place = _existing(store.path)
        if os.stat(place).st_dev != os.stat(folder).st_dev:
            room.check(f"store {store.path}, for the import", place, copied)
            copied = 0
    room.check(f"folder {folder}" + (f", with the import into the store {store.path} on the same disk" if store and copied else ""), folder, to_come + copied)


def _here(blob: Record, store: Store, folders: t.Sequence[str]) -> bool:
    digest = Digest.parse(blob["digest"])
    paths = (verify.blob_path(folder, digest) for folder in folders)
    return store.has(digest, blob["size"]) or any(os.path.isfile(path) and os.path.getsize(path) == blob["size"] for path in paths)


def _existing(path: str) -> str:
    """The folder, or the nearest one above it that is there."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path
