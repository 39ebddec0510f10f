# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image as a stream that every engine loads, made from a store while it is sent.

The archive is a hybrid: an OCI layout with an index (engines with the containerd store read it) and a
manifest.json (classic engines read that), over one set of blobs. Nothing is written to disk and a chunk at a time
is held in memory. Layers that an engine has may be left out; which ones, the caller decides.
This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import zstd
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import CHUNK
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import INDEXES

CONTAINERD_NAME = "io.containerd.image.name"
REFERENCE = "org.opencontainers.image.ref.name"
_BLOCK = 512

Record = t.Mapping[str, t.Any]
Opener = t.Callable[[str], t.BinaryIO]


def load_stream(
    record: Record, name: str, opener: Opener, leave_out: t.Collection[str] = (), unzstd: bool = False, scratch: t.Optional[str] = None
) -> t.Iterator[bytes]:
    """The archive in chunks.

    :param record: image record: manifest, manifest_size, config, config_size, layers [{digest, size, media_type}]
    :param name: full name that the image gets in the engine
    :param opener: gives a binary stream for a digest (``sha256:…``); the stream is closed here
    :param leave_out: digests of layers that the engine has
    :param unzstd: unpack zstd layers with the program zstd, for engines that cannot (Docker before 26)
    :param scratch: folder on a disk that has room for a layer that is unpacked; None takes the system's, which may be memory
    :raises IntegrityError: a blob is shorter or longer than its record says; MissingError: no program zstd; AirgapError: no room to unpack.
    """
    unpacked = unzstd and any(zstd.packed(layer) for layer in record["layers"])
    yield from _member("manifest.json", _classic_index(record, name))
    if not unpacked:  # an OCI manifest names the packed layers, which are not in the archive then
        yield from _member("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
        yield from _member("index.json", _oci_index(record, name))
        yield from _blob(opener, record["manifest"], record["manifest_size"])
    yield from _blob(opener, record["config"], record["config_size"])
    sent = set(leave_out)
    for layer in record["layers"]:
        if layer["digest"] in sent:
            continue
        sent.add(layer["digest"])
        if unpacked and zstd.packed(layer):
            yield from _unpacked(opener, layer["digest"], scratch)
        else:
            yield from _blob(opener, layer["digest"], layer["size"])
    yield b"\0" * (2 * _BLOCK)


class _Engine(t.Protocol):
    """What loading needs of an engine."""

    def image(self, name: str) -> t.Optional[dict[str, t.Any]]:
        """The image of that name, or None."""

    def version(self) -> dict[str, t.Any]:
        """Its version as it tells it."""

    def load(self, chunks: t.Iterable[bytes]) -> list[str]:
        """Load an archive that comes in chunks."""


def load_missing(
    engine: _Engine, record: Record, name: str, opener: Opener, begin: t.Callable[[str, int], t.Callable[[int], object]], scratch: t.Optional[str] = None
) -> None:
    """Load the image under that name, unless the engine has it.

    :param begin: told in words what begins and how many bytes it has; returns what is called with the size of each chunk
    :param scratch: see ``load_stream``
    """
    if engine.image(name) is not None:
        return
    advance = begin("load the image", sizes(record)[0])

    def counted() -> t.Iterator[bytes]:
        unzstd = zstd.unread(record["layers"], str(engine.version().get("Version", "")))
        for chunk in load_stream(record, name, opener, unzstd=unzstd, scratch=scratch):
            advance(len(chunk))
            yield chunk

    engine.load(counted())


def sizes(record: Record, leave_out: t.Collection[str] = ()) -> tuple[int, int]:
    """Bytes of blobs that are sent and that are left out, each blob counted once."""
    layers = {layer["digest"]: layer["size"] for layer in record["layers"]}
    left = sum(size for digest, size in layers.items() if digest in leave_out)
    return record["manifest_size"] + record["config_size"] + sum(layers.values()) - left, left


def _classic_index(record: Record, name: str) -> bytes:
    layers = [_place(layer["digest"]) for layer in record["layers"]]
    return json.dumps([{"Config": _place(record["config"]), "RepoTags": [name], "Layers": layers}]).encode("utf-8")


def _oci_index(record: Record, name: str) -> bytes:
    system, _slash, architecture = record.get("platform", "linux/amd64").partition("/")
    manifest = {
        "mediaType": record["media_type"],
        "digest": record["manifest"],
        "size": record["manifest_size"],
        "platform": {"os": system, "architecture": architecture},
        "annotations": {CONTAINERD_NAME: name, REFERENCE: name.rpartition(":")[2]},
    }
    return json.dumps({"schemaVersion": 2, "mediaType": INDEXES[1], "manifests": [manifest]}).encode("utf-8")


def _place(digest: str) -> str:
    return f"blobs/sha256/{digest.rpartition(':')[2]}"


def _head(path: str, size: int) -> bytes:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mode = size, 0o444
    return entry.tobuf(tarfile.GNU_FORMAT)  # ustar ends at 8 GiB


def _padding(size: int) -> bytes:
    return b"\0" * (-size % _BLOCK)


def _member(path: str, data: bytes) -> t.Iterator[bytes]:
    yield _head(path, len(data)) + data + _padding(len(data))


def _blob(opener: Opener, digest: str, size: int) -> t.Iterator[bytes]:
    with opener(digest) as stream:
        yield from _measured(stream, digest, size)


def _measured(stream: t.IO[bytes], digest: str, size: int) -> t.Iterator[bytes]:
    yield _head(_place(digest), size)
    left = size
    while True:
        chunk = stream.read(min(CHUNK, left + 1))
        if len(chunk) > left or (not chunk and left):
            raise IntegrityError(f"blob {digest}", f"not the {size} bytes that its record says", "send it again")
        if not chunk:
            break
        left -= len(chunk)
        yield chunk
    yield _padding(size)


def _unpacked(opener: Opener, digest: str, scratch: t.Optional[str]) -> t.Iterator[bytes]:
    """A zstd layer without its compression: unpacked into a nameless file, as a tar wants sizes in advance."""
    program = shutil.which(zstd.PROGRAM)
    if program is None:
        raise MissingError(f"layer {digest}", "packed with zstd, which this engine cannot read", f"install zstd, or an engine from {zstd.READER} on")
    with tempfile.TemporaryFile(dir=scratch) as target, opener(digest) as stream:
        done = subprocess.run([program, "-dcq"], stdin=stream, stdout=target, stderr=subprocess.PIPE, check=False, env={**os.environ, "LC_ALL": "C"})
        if b"No space left" in done.stderr or b"quota exceeded" in done.stderr:
            raise AirgapError(scratch or tempfile.gettempdir(), f"no space left to unpack layer {digest} there", "make room and run it again")
        if done.returncode != 0:
            raise IntegrityError(f"layer {digest}", "zstd cannot unpack it", "send it again")
        size = target.tell() or target.seek(0, 2)
        target.seek(0)
        yield from _measured(target, digest, size)
