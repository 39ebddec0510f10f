# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Releases of one selector in the builder's store: which there are, for which vault, and what is missing of them.

A license is kept once for each vault id, as ciphertext that names its vault id in its first line. A release of another
selector may lend its license, where only options differ that the license does not depend on.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, age
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import holdings as records
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import room as _room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import SECRET_MODE, Store

MAX_CIPHERTEXT = 64 * 1024 * 1024  # bytes; Ansible Vault writes hex of hex of at most 16 MiB
_HEADER = 256  # bytes that hold the first line


class Licenses:
    """The releases of ``selector`` in ``store``.

    :param lends: whether a release of another selector has a license that would serve as well
    """

    def __init__(self, store: Store, selector: str, lends: t.Callable[[t.Mapping[str, t.Any]], bool] = lambda _record: False) -> None:
        self._store = store
        self._selector = selector
        self._lends = lends

    def newest(self, vault_id: str, image: str) -> Release | None:
        """The release for that vault id; one for the manifest digest ``image`` first, then a newer license, then the selector's own; or None."""
        held = self._store.holdings()["releases"]
        found = [record for record in held if record["selector"] == self._selector or self._lends(record)]
        found = [record for record in found if self._label(record) in (None, vault_id)]
        return None if not found else Release.load(max(found, key=lambda record: self._rank(record, image)))

    def _rank(self, record: t.Mapping[str, t.Any], image: str) -> tuple[t.Any, ...]:
        return record["image"] == image, record.get("downloaded") or "", record["selector"] == self._selector, age(record)

    def missing(self, release: Release | None) -> list[str]:
        """What the store no longer holds of a release's license and models, in words."""
        if release is None:
            return []
        missing = [] if release.license is None or self._store.has(Digest.parse(release.license)) else ["the license"]
        return missing + self._missing_of(release.models, "model")

    def missing_files(self, release: Release) -> list[str]:
        """What the store no longer holds of a release's declared files, in words."""
        return self._missing_of(release.files, "declared")

    def _missing_of(self, digest: str | None, kind: str) -> list[str]:
        if digest is None:
            return []
        found = records.find_models(self._store.holdings(), digest)
        if found is None:
            return ["the models" if kind == "model" else "the declared files"]
        return [f"{kind} file {file['path']}" for file in found["files"] if not self._store.has(Digest.parse(file["digest"]), file["size"])]

    @contextlib.contextmanager
    def room(self, files: t.Sequence[t.Mapping[str, t.Any]], licensed: bool) -> t.Iterator[None]:
        """See that there is room for declared files and a license before anything is run; a disk that fills up meanwhile is named.

        How much models take, nobody can tell yet: ``fits`` does once they have come.
        :raises InputError: no room; needed and free bytes are told.
        """
        lacking = sum(file["size"] for file in files if not self._store.has(Digest.parse(file["digest"]), file["size"]))
        _room.check(self._what, self._store.path, lacking + (MAX_CIPHERTEXT if licensed else 0))
        with _room.told(self._what):
            yield

    def fits(self, files: t.Sequence[tuple[str, int]]) -> None:
        """See that model files, as (path, size), have room in the store before the first is kept.

        One that a set here has under the same path and size is most likely the same, and needs room only while it is looked at.
        :raises InputError: they have not; needed and free bytes are told.
        """
        held = {(file["path"], file["size"]) for models in self._store.holdings()["models"] for file in models["files"]}
        again = max((size for path, size in files if (path, size) in held), default=0)
        _room.check(f"{self._what}, models", self._store.path, again + sum(size for path, size in files if (path, size) not in held))

    @property
    def _what(self) -> str:
        return f"store {self._store.path}"

    def read(self, release: Release) -> bytes:
        """The ciphertext of a release's license."""
        if release.license is None:
            raise MissingError(f"release {release.id}", "has no license")
        return self._store.read(Digest.parse(release.license), MAX_CIPHERTEXT)

    def keep(
        self, bound: t.Mapping[str, t.Any], ciphertext: bytes | None, models: t.Sequence[dict[str, t.Any]] = (), files: t.Sequence[dict[str, t.Any]] = ()
    ) -> Release:
        """Take in a license, or none for a service without, and make it a release.

        :param bound: everything of the release but its license; ``models`` and ``files`` are worked out from the lists where these are given
        :param models: model files as {path, digest, size}, sorted by path; their blobs are in the store
        :param files: declared files, likewise
        """
        digest = None if ciphertext is None else str(self._store.put_bytes(ciphertext, mode=SECRET_MODE, what=f"license of {self._selector}"))
        return self._add({**bound, "license": digest}, len(ciphertext or b""), models, files)

    def bind(self, release: Release, bound: t.Mapping[str, t.Any], files: t.Sequence[dict[str, t.Any]] = ()) -> Release:
        """Make a release of another one's license and models: other declared files, or options that the license does not depend on."""
        size = next((record["license_size"] for record in self._store.holdings()["releases"] if record["license"] == release.license), 0)
        return self._add({**release.dump(), **bound}, size, (), files)

    def _add(self, bound: t.Mapping[str, t.Any], license_size: int, models: t.Sequence[dict[str, t.Any]], files: t.Sequence[dict[str, t.Any]]) -> Release:
        sets = {name: list(found) for name, found in (("models", models), ("files", files)) if found}
        digests = {name: records.models_digest(found) for name, found in sets.items()}
        release = Release.load({**bound, **digests, "selector": self._selector})
        with self._store.changing() as holdings:
            for name, found in sets.items():
                records.add_models(holdings, {"digest": digests[name], "files": found})
            records.add_release(holdings, {**release.dump(), "license_size": license_size})
        return release

    def options(self, service: str, tag: str, resource: str) -> list[dict[str, t.Any]]:
        """Options of all releases of the same service, tag and resource, to tell what differs."""
        found = [record for record in self._store.holdings()["releases"] if (record["service"], record["tag"], record["resource"]) == (service, tag, resource)]
        return [record["options"] for record in found]

    def set_expiry(self, release: Release) -> None:
        """Record the release's ``expires`` in place of what was recorded; its id does not depend on it."""
        with self._store.changing() as holdings:
            for record in holdings["releases"]:
                if (record["selector"], record["id"]) == (self._selector, release.id):
                    record["expires"] = release.expires

    def _label(self, record: t.Mapping[str, t.Any]) -> str | None:
        """Vault id of a record's license; None when there is none or it is gone."""
        if record["license"] is None:
            return None
        digest = Digest.parse(record["license"])
        if not self._store.has(digest):
            return None
        with self._store.open(digest) as stream:
            return vault.label(stream.read(_HEADER))
