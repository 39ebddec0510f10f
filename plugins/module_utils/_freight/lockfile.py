# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which digest each tag had when it was fetched first: a file to keep under version control, obeyed by every later fetch.

``{format: 1, kind: airgap.azure_ai/images-lock, images: {<repository>:<tag>: sha256:…}}``. This file is private to the collection.
"""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse, pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import read_regular, write_bytes

FORMAT = 1
KIND = "airgap.azure_ai/images-lock"
MAX_BYTES = 16 * 1024 * 1024


def load(path: str | None) -> dict[str, str]:
    """The digests by ``<repository>:<tag>``; none when there is no file yet.

    :raises InputError: it is something else.
    """
    if not path:
        return {}
    try:
        value = parse(read_regular(path, MAX_BYTES), path, MAX_BYTES)
    except MissingError:
        return {}
    if not isinstance(value, dict) or (value.get("format"), value.get("kind")) != (FORMAT, KIND) or not isinstance(value.get("images"), dict):
        raise InputError(path, "not a lock of images", "put it back from version control, or remove it to lock what the tags are now")
    return {name: str(Digest.parse(digest)) for name, digest in value["images"].items()}


def add(path: str | None, images: t.Iterable[t.Mapping[str, t.Any]], write: bool = True) -> dict[str, str]:
    """Lock the image records; return the digests that the file did not hold, by name.

    :param write: False to look only
    """
    if not path:
        return {}
    before = load(path)
    news = {name(image): image["manifest"] for image in images if before.get(name(image)) != image["manifest"]}
    if news and write:
        write_bytes(path, pretty({"format": FORMAT, "kind": KIND, "images": {**before, **news}}))
    return news


def name(image: t.Mapping[str, t.Any]) -> str:
    """How the lock names an image."""
    return f"{image['repository']}:{image['tag']}"
