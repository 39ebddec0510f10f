# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A release: the bound set of image, license, models, captured settings and resource.

A license decrypts files inside one image version, so these change and roll back together.
This file is private to the collection.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

_REQUIRED = ("selector", "service", "tag", "resource", "options", "image", "license")


def selector(service: str, tag: str, resource: str, options: t.Mapping[str, t.Any]) -> str:
    """The part of a declaration that a release is made for, as one comparable string."""
    return f"{service}:{tag}@{resource}#{digest_of(dict(options)).hex[:12]}"


def age(record: t.Mapping[str, t.Any]) -> tuple[str, str]:
    """What dumped releases of one selector are sorted by, the newest last: when each was bound, then its ID."""
    return record.get("made") or record.get("downloaded") or "", record.get("id") or ""


@dataclass(frozen=True)
class Release:
    """One release, as bundles carry it and hosts keep it in ``release.json``.

    :param image: manifest digest, ``sha256:…``
    :param license: digest of the license blob as the bundle carries it (Vault ciphertext), ``sha256:…``; None for a service without licenses
    :param models: digest of the model set, or None
    :param settings: settings captured from the download log, name to value
    :param downloaded: when the license was, ``YYYY-MM-DDTHH:MM:SSZ``
    :param expires: whole day in UTC on which the license ends, ``YYYY-MM-DD``, or None when undeclared
    :param files: digest of the set of declared files (glossaries and the like), or None
    :param made: when it was bound, where that is not when its license was downloaded: other declared files, the same license
    """

    selector: str
    service: str
    tag: str
    resource: str
    options: dict[str, t.Any]
    image: str
    license: str | None
    models: str | None = None
    settings: dict[str, str] = field(default_factory=dict)
    license_file: str = "license.dat"
    downloaded: str | None = None
    expires: str | None = None
    files: str | None = None
    made: str | None = None

    @property
    def id(self) -> str:
        """16 hex digits over what a container would notice: image, license, models, settings, resource, files."""
        bound: dict[str, t.Any] = {
            "image": self.image,
            "license": self.license,
            "models": self.models,
            "settings": self.settings,
            "resource": self.resource,
        }
        if self.files is not None:  # releases without any keep the ID that they had before there were files
            bound["files"] = self.files
        return digest_of(bound).short

    def dump(self) -> dict[str, t.Any]:
        """A plain dictionary, with ``id``, that ``load`` reads back."""
        return {**self.__dict__, "id": self.id}

    @classmethod
    def load(cls, data: t.Mapping[str, t.Any]) -> Release:
        """Read what ``dump`` wrote, this version or another; unknown keys of later versions are left out.

        :raises InputError: a key without default is missing; the line names it.
        """
        names = cls.__dataclass_fields__
        known = {key: value for key, value in data.items() if key in names}
        missing = [name for name in _REQUIRED if name not in known]
        if missing:
            raise InputError("release", f"without {', '.join(missing)}", "make the bundle again")
        return cls(**known)
