# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that engines load: its form, what is left out, that sizes are held."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import tracemalloc
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import image as archive
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, sha

NAME = "azure-ai.invalid/sentiment:0123456789abcdef"


def unpacked(chunks: t.Iterable[bytes]) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as tar:
        members = tar.getmembers()
        assert len({member.name for member in members}) == len(members), "a blob is there twice"
        return {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read() for member in members}


def test_it_is_an_oci_layout_and_a_classic_archive() -> None:
    image = Image(b"base", b"app" * 1000)
    files = unpacked(archive.load_stream(image.record, NAME, image.opener))
    blobs = {f"blobs/sha256/{digest[7:]}": data for digest, data in image.blobs.items()}
    assert {name: data for name, data in files.items() if name.startswith("blobs/")} == blobs
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (manifest,) = json.loads(files["index.json"])["manifests"]
    assert (manifest["digest"], manifest["mediaType"], manifest["size"]) == (
        image.record["manifest"],
        image.record["media_type"],
        image.record["manifest_size"],
    )
    assert manifest["annotations"] == {"io.containerd.image.name": NAME, "org.opencontainers.image.ref.name": "0123456789abcdef"}
    (classic,) = json.loads(files["manifest.json"])
    assert classic["RepoTags"] == [NAME]
    assert sha(files[classic["Config"]]) == image.record["config"]
    assert [sha(files[name]) for name in classic["Layers"]] == [layer["digest"] for layer in image.record["layers"]]


def test_left_out_layers_are_named_and_not_sent() -> None:
    image = Image(b"base", b"app")
    base = image.record["layers"][0]["digest"]
    files = unpacked(archive.load_stream(image.record, NAME, image.opener, [base]))
    assert f"blobs/sha256/{base[7:]}" not in files
    assert f"blobs/sha256/{base[7:]}" in json.loads(files["manifest.json"])[0]["Layers"]
    assert archive.sizes(image.record, [base]) == (sum(map(len, image.blobs.values())) - 4, 4)


def test_a_layer_that_comes_twice_is_sent_and_counted_once() -> None:
    image = Image(b"same", b"app", b"same")
    assert len(unpacked(archive.load_stream(image.record, NAME, image.opener))) == 3 + 4
    assert archive.sizes(image.record)[0] == sum(map(len, image.blobs.values()))


@pytest.mark.parametrize("data", [b"short", b"longer than the record says"])
def test_a_blob_of_another_size_stops_the_stream(data: bytes) -> None:
    image = Image(b"base", b"ten bytes!")
    image.blobs[image.record["layers"][1]["digest"]] = data
    with pytest.raises(IntegrityError, match="not the 10 bytes"):
        list(archive.load_stream(image.record, NAME, image.opener))


def test_memory_does_not_grow_with_layers() -> None:
    class Zeros(io.RawIOBase):
        left = 64 * 1024 * 1024

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    image = Image(b"x")
    image.record["layers"][0]["size"] = Zeros.left
    layer = image.record["layers"][0]["digest"]
    tracemalloc.start()
    total = sum(
        len(chunk)
        for chunk in archive.load_stream(image.record, NAME, lambda digest: t.cast("t.BinaryIO", Zeros()) if digest == layer else image.opener(digest))
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total > 64 * 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_layers_beyond_eight_gibibytes_have_a_head() -> None:
    image = Image(b"x")
    image.record["layers"][0]["size"] = 9 * 1024**3
    chunks = archive.load_stream(image.record, NAME, image.opener)
    sizes = []
    with pytest.raises(IntegrityError):
        for chunk in chunks:
            if len(chunk) == 512 and chunk[257:262] == b"ustar":
                sizes.append(tarfile.TarInfo.frombuf(chunk, "utf-8", "strict").size)
    assert sizes[-1] == 9 * 1024**3


def test_zstd_layers_are_unpacked_for_old_engines_where_they_are_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")  # the system's own folder may be memory
    files = unpacked(packed_stream(tmp_path))
    assert files[json.loads(files["manifest.json"])[0]["Layers"][0]] == b"layer" * 100
    assert "index.json" not in files
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["blobs"], "nothing stays behind"


def packed_stream(folder: Path) -> t.Iterator[bytes]:
    """An image of one zstd layer, laid into a store and streamed from it for an engine that wants it unpacked."""
    packed = subprocess.run(["zstd", "-qc"], input=b"layer" * 100, capture_output=True, check=True).stdout
    image = Image(packed, kind="application/vnd.oci.image.layer.v1.tar+zstd")
    image.lay(folder)
    place = folder / "store" / "blobs" / "sha256"
    return archive.load_stream(image.record, NAME, lambda digest: (place / digest[7:]).open("rb"), unzstd=True, scratch=str(folder / "store"))


def test_no_room_to_unpack_is_no_damaged_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zstd").write_text("#!/bin/sh\necho 'zstd: error 70 : Write error : cannot write block : No space left on device' >&2; exit 70\n")
    stream = packed_stream(tmp_path)
    (tmp_path / "zstd").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(AirgapError, match=f"{tmp_path}/store: no space left to unpack layer .*; make room"):
        list(stream)


def test_without_zstd_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    image = Image(b"x", kind="application/vnd.oci.image.layer.v1.tar+zstd")
    with pytest.raises(MissingError, match="install zstd, or an engine from 26 on"):
        list(archive.load_stream(image.record, NAME, image.opener, unzstd=True))


class OneImage:
    """An engine that takes what is loaded."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def image(self, name: str) -> dict[str, t.Any] | None:
        return {"Id": "x"} if name in self.held else None

    def version(self) -> dict[str, t.Any]:
        return {"Version": "26.1.0"}

    def load(self, chunks: t.Iterable[bytes]) -> list[str]:
        self.held[NAME] = b"".join(chunks)
        return []


def test_an_image_is_loaded_once_and_its_bytes_are_counted() -> None:
    engine, image, told = OneImage(), Image(b"base", b"app"), []
    counted: list[int] = []

    def begin(words: str, total: int) -> t.Callable[[int], object]:
        told.append((words, total))
        return counted.append

    for _turn in range(2):
        archive.load_missing(engine, image.record, NAME, image.opener, begin)
    assert told == [("load the image", archive.sizes(image.record)[0])]
    assert sum(counted) == len(engine.held[NAME]) and unpacked([engine.held[NAME]])
