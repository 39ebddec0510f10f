# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of real size for benchmarks: layers of packed tars that no engine takes for one another, made in seconds."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import random
import tarfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store

PIECE = 1024**2  # bytes of content that are packed together
_WORDS = "what text there is beside the noise of a model: libraries, licenses, tables "
_MARK = 16  # bytes at the start of a layer's content that no other has
Json = dict[str, t.Any]


class Layers:
    """Makes layers in a store. A layer is a gzip stream of many members; what they pack is drawn from a pool, as packing is slow.

    Of the pool's content three fifths are noise, as in models, and two are text, as in programs.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._random = store, random.Random(7)
        text = (_WORDS * (PIECE // len(_WORDS) + 1)).encode()
        pieces = [os.urandom(PIECE * 3 // 5) + text[: PIECE - PIECE * 3 // 5] for _number in range(24)]
        self._pool = [(piece, gzip.compress(piece, 6, mtime=0)) for piece in pieces]

    def make(self, size: int) -> Json:
        """A layer of about ``size`` bytes as it is sent; what a manifest says of it, with ``diff_id``."""
        count = max(1, round(size / len(self._pool[0][1])))
        head = tarfile.TarInfo(f"opt/{os.urandom(6).hex()}")
        head.size = _MARK + count * PIECE
        plain, packed, diff = head.tobuf() + os.urandom(_MARK), [], hashlib.sha256()
        packed.append(gzip.compress(plain, mtime=0))
        diff.update(plain)
        for _number in range(count):
            piece, small = self._random.choice(self._pool)
            diff.update(piece)
            packed.append(small)
        end = b"\0" * (-(_MARK + count * PIECE) % 512 + 1024)
        diff.update(end)
        packed.append(gzip.compress(end, mtime=0))
        data = b"".join(packed)
        return {"digest": str(self._store.put_bytes(data)), "size": len(data), "diff_id": f"sha256:{diff.hexdigest()}"}


def image(layers: t.Sequence[Json]) -> tuple[bytes, bytes]:
    """Manifest and config of an image of these layers."""
    rootfs = {"type": "layers", "diff_ids": [layer["diff_id"] for layer in layers]}
    config = json.dumps({"os": "linux", "architecture": "amd64", "rootfs": rootfs, "config": {"User": "1000:1000"}}).encode()
    kinds = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"
    rows = [{"mediaType": kinds[1], "digest": layer["digest"], "size": layer["size"]} for layer in layers]
    about = {"mediaType": kinds[0], "digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config)}
    return json.dumps({"schemaVersion": 2, "mediaType": registry.OCI_MANIFEST, "config": about, "layers": rows}).encode(), config
