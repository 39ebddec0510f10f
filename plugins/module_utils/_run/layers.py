# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which layers of an image an engine has, so that they need not be sent.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

Record = t.Mapping[str, t.Any]
HostImage = t.Mapping[str, t.Any]


def present(record: Record, images: t.Iterable[HostImage], store: str, known: t.Iterable[Record] = ()) -> list[str]:
    """Digests of layers to leave out, in the record's order.

    A classic store finds layers by their chain, so only the longest prefix of diff IDs that some image shares may be
    left out. A containerd store finds them by blob, if an image that is there has it: which blobs that are is
    told by the records of the images (``known``), as engines do not tell.

    :param images: what host_info found: [{id, chain, usable}]
    :param store: ``classic`` or ``containerd``
    """
    usable = [image for image in images if image["usable"]]
    if store == "containerd":
        ids = {image["id"] for image in usable}
        blobs = {layer["digest"] for other in known if ids & {other["manifest"], other["config"]} for layer in other["layers"]}
        return _once(layer["digest"] for layer in record["layers"] if layer["digest"] in blobs)
    diffs = [layer["diff_id"] for layer in record["layers"]]
    shared = max((_common(diffs, image["chain"]) for image in usable), default=0)
    # A blob that comes again behind the prefix must be sent, whatever lies before.
    later = {layer["digest"] for layer in record["layers"][shared:]}
    return _once(layer["digest"] for layer in record["layers"][:shared] if layer["digest"] not in later)


def loaded(record: Record) -> HostImage:
    """What an engine holds after it loaded an image, in the words of host_info."""
    return {"id": record["manifest"], "chain": [layer["diff_id"] for layer in record["layers"]], "usable": True}


def is_image(record: Record, image_id: str) -> bool:
    """Whether an engine's ID is this image: the manifest's digest (containerd store) or the config's (classic)."""
    return image_id in (record["manifest"], record["config"])


def _common(one: t.Sequence[str], other: t.Sequence[str]) -> int:
    count = 0
    for left, right in zip(one, other):
        if left != right:
            break
        count += 1
    return count


def _once(digests: t.Iterable[str]) -> list[str]:
    return list(dict.fromkeys(digests))
