# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Licenses of one selector in the builder's store: which there are, for which vault, and what is missing of them.

A license is kept once for each vault id, as ciphertext that names its vault id in its first line.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import SECRET_MODE, Store

MAX_CIPHERTEXT = 64 * 1024 * 1024  # bytes; Ansible Vault writes hex of hex of at most 16 MiB
_HEADER = 256  # bytes that hold the first line


class Licenses:
    """The releases of ``selector`` in ``store``."""

    def __init__(self, store: Store, selector: str) -> None:
        self._store = store
        self._selector = selector

    def newest(self, vault_id: str, image: str) -> Release | None:
        """The release for that vault id, one for the manifest digest ``image`` before newer ones for others; or None."""
        held = [record for record in self._store.holdings()["releases"] if record["selector"] == self._selector]
        found = [record for record in held if self._label(record) in (None, vault_id)]
        record = max(found, key=lambda record: (record["image"] == image, record.get("downloaded") or ""), default=None)
        return None if record is None else Release.load(record)

    def missing(self, release: Release | None) -> list[str]:
        """What the store no longer holds of a release, in words."""
        if release is None:
            return []
        missing = [] if self._store.has(Digest.parse(release.license)) else ["the license"]
        if release.models is None:
            return missing
        models = records.find_models(self._store.holdings(), release.models)
        if models is None:
            return [*missing, "the models"]
        return missing + [f"model file {file['path']}" for file in models["files"] if not self._store.has(Digest.parse(file["digest"]), file["size"])]

    def read(self, release: Release) -> bytes:
        """The ciphertext of a release's license."""
        return self._store.read(Digest.parse(release.license), MAX_CIPHERTEXT)

    def keep(self, bound: t.Mapping[str, t.Any], ciphertext: bytes, files: t.Sequence[dict[str, t.Any]] = ()) -> Release:
        """Take in a license and make it a release.

        :param bound: everything of the release but its license; ``models`` is worked out from ``files`` when there are some
        :param files: model files as {path, digest, size}, sorted by path; their blobs are in the store
        """
        digest = self._store.put_bytes(ciphertext, mode=SECRET_MODE, what=f"license of {self._selector}")
        models = {"models": str(digest_of(list(files)))} if files else {}
        release = Release.load({**bound, **models, "selector": self._selector, "license": str(digest)})
        with self._store.changing() as holdings:
            if files:
                records.add_models(holdings, {"digest": release.models, "files": list(files)})
            records.add_release(holdings, {**release.dump(), "license_size": len(ciphertext)})
        return release

    def set_expiry(self, release: Release) -> None:
        """Record the release's ``expires`` in place of what was recorded; its id does not depend on it."""
        with self._store.changing() as holdings:
            for record in holdings["releases"]:
                if (record["selector"], record["id"]) == (self._selector, release.id):
                    record["expires"] = release.expires

    def _label(self, record: t.Mapping[str, t.Any]) -> str | None:
        """Vault id of a record's license; None when the license is gone."""
        digest = Digest.parse(record["license"])
        if not self._store.has(digest):
            return None
        with self._store.open(digest) as stream:
            return vault.label(stream.read(_HEADER))
