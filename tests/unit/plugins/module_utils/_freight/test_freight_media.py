# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError, MissingError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import media, medium, parts, parts_shape
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


@pytest.fixture
def made(tmp_path: Path, keys: kit.Keys) -> Path:
    return media_kit.bundle(tmp_path, keys)


def test_each_part_describes_itself_and_fits_its_medium(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    folders = media_kit.parts(made, tmp_path / "media", keys)
    assert [folder.name for folder in folders] == [f"plant-7-1-part-{number:02d}-of-{len(folders):02d}" for number in range(1, len(folders) + 1)]
    lists = {(folder / "parts.json").read_bytes() for folder in folders}
    listed = json.loads(lists.pop())
    assert not lists and parts_shape.validate(listed) == [] and listed["part_size"] == media_kit.SIZE
    for number, folder in enumerate(folders, 1):
        assert json.loads((folder / "part.json").read_bytes())["number"] == number
        assert f"Part {number} of {len(folders)}" in (folder / "label.txt").read_text() and (folder / "label.html").is_file()
        assert all((folder / name).read_bytes() == (made / name).read_bytes() for name in ("bundle.json", "bundle.json.sig", "index.json", "oci-layout"))
        clusters = sum(-(-path.stat().st_size // parts.CLUSTER) or 1 for path in folder.rglob("*"))
        assert clusters * parts.CLUSTER <= media_kit.SIZE, "with all that it carries"
        for piece in listed["parts"][number - 1]["pieces"]:
            assert str(Digest.of((folder / piece["file"]).read_bytes())) == piece["digest"]
    big = next(pieces for pieces in parts.by_blob(listed).values() if len(pieces) > 1)
    joined = b"".join(next(folder.joinpath(piece["file"]) for folder in folders if folder.joinpath(piece["file"]).exists()).read_bytes() for piece in big)
    assert str(Digest.of(joined)) == big[0]["blob"]


def test_a_second_run_has_nothing_to_do_and_a_part_made_again_has_the_same_bytes(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    folders = media_kit.parts(made, tmp_path / "media", keys)
    planned = media_kit.split(made, tmp_path / "media", keys)
    assert planned.settled and [planned.reason(number) for number in planned.numbers] == [None] * len(folders)
    before = media_kit.tree(tmp_path / "media")
    media_kit.damage(media_kit.chunk(folders[1]))
    assert planned.reason(2) is None and "is missing or damaged" in str(planned.reason(2, full=True)), "sizes alone do not tell"
    planned.make([2], media_kit.nothing)
    assert media_kit.tree(tmp_path / "media") == before
    elsewhere = media_kit.split(made, tmp_path / "elsewhere", keys)
    elsewhere.make([2], media_kit.nothing)
    assert media_kit.tree(Path(elsewhere.folder(2))) == media_kit.tree(folders[1]) and not Path(elsewhere.folder(1)).exists()


def test_what_is_wrong_with_a_part_is_a_reason(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    folders = media_kit.parts(made, tmp_path / "media", keys)
    planned = media_kit.split(made, tmp_path / "media", keys)
    (folders[0] / "label.txt").write_text("other")
    (folders[1] / "blobs" / "000" / ("0" * 32)).write_text("old piece")
    (folders[2] / "part.json").unlink()
    assert ["label.txt" in str(planned.reason(1)), "is not of this part" in str(planned.reason(2)), "part.json" in str(planned.reason(3))] == [True] * 3
    planned.make([1, 2, 3], media_kit.nothing)
    assert [planned.reason(number, full=True) for number in planned.numbers] == [None] * len(folders)


def test_another_size_makes_other_parts_and_names_the_old_ones(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    folders = media_kit.parts(made, tmp_path / "media", keys)
    other = media_kit.split(made, tmp_path / "media", keys, size=20_000_000)
    assert not other.settled and other.numbers == [1] and other.stale() == [folder.name for folder in folders]
    other.make([1], media_kit.nothing)
    assert media_kit.split(made, tmp_path / "media", keys, size=20_000_000).settled


def test_blobs_that_are_gone_from_the_bundle_come_from_the_store(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    planned = media_kit.split(made, tmp_path / "media", keys)
    planned.make(planned.numbers, media_kit.nothing)
    for path in (made / "blobs" / "sha256").iterdir():
        path.unlink()
    with pytest.raises(Problems, match="is missing or cut short"):
        media.source(str(made), keys.builder)
    again = media.Split(media.source(str(made), keys.builder, Store(str(tmp_path / "store"))), str(tmp_path / "again"), keys.builder, media_kit.SIZE)
    again.make(again.numbers, media_kit.nothing)
    assert media_kit.tree(tmp_path / "again") == media_kit.tree(tmp_path / "media")


def test_what_a_delta_leaves_out_is_on_no_part(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    origin = media.source(str(made), keys.builder)
    left = origin.manifest["blobs"][0]["digest"]
    paths = {digest: path for digest, path in origin.paths.items() if digest != left}
    planned = media.Split(media.Source(origin.manifest, origin.files, paths, origin.signer), str(tmp_path / "media"), keys.builder, media_kit.SIZE)
    assert left not in parts.by_blob(planned.listed) and len(parts.by_blob(planned.listed)) == len(origin.paths) - 1


def test_only_the_builders_own_whole_bundle_is_split(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    with pytest.raises(MissingError, match="no such folder"):
        media.source(str(tmp_path / "none"), keys.builder)
    with pytest.raises(InputError, match="not signed by"):
        media.source(str(made), keys.site)
    (made / "index.json").unlink()
    with pytest.raises(Problems, match=r"index\.json is missing"):
        media.source(str(made), keys.builder)
    with pytest.raises(InputError, match=r"take .* or more"):
        media_kit.split(media_kit.bundle(tmp_path / "other", keys), tmp_path / "media", keys, size=500_000)


@pytest.mark.parametrize("large", [True, False])
def test_a_damaged_blob_is_named_and_no_part_of_it_made(made: Path, tmp_path: Path, keys: kit.Keys, large: bool) -> None:
    paths = sorted((made / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    bad = paths[-1] if large else paths[-2]
    media_kit.damage(bad)
    planned = media_kit.split(made, tmp_path / "media", keys)
    with pytest.raises(IntegrityError, match=f"sha256:{bad.name}: damaged at {bad}"):
        planned.make(planned.numbers, media_kit.nothing)
    assert bad.name[:32] not in " ".join(name for name in media_kit.tree(tmp_path) if name.startswith("media/") and not name.endswith(".json"))


def _flip(path: Path) -> bytes:
    """Turn one bit of a file as a bad disk does: size, time and inode stay. Gives its bytes of before."""
    data, info = path.read_bytes(), path.stat()
    with path.open("r+b") as stream:
        stream.write(bytes([data[0] ^ 1]))
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    return data


@pytest.mark.parametrize("size", [media_kit.SIZE, 20_000_000])
def test_the_advice_for_a_blob_damaged_in_bundle_and_store_alike_works(tmp_path: Path, keys: kit.Keys, size: int) -> None:
    """They are one file, and the store remembers it as read: to build anew would link it again, damaged."""
    linked = media_kit.bundle(tmp_path, keys, detached=False)
    store, bundles = Store(str(tmp_path / "store")), Bundles(str(linked.parent), Store(str(tmp_path / "store")))
    last = bundles.last(kit.SITE)
    assert last is not None and bundles.reason(last, last, keys.builder) is None
    bad = max((linked / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    data = _flip(bad)

    def split() -> media.Split:
        planned = media.Split(media.source(str(linked), keys.builder, store), str(tmp_path / "media"), keys.builder, size)
        planned.make(planned.numbers, media_kit.nothing)
        return planned

    with pytest.raises(
        IntegrityError, match=rf"damaged at {bad}, and in the store, where it was set aside as .*/damaged/{bad.name}; run airgap.azure_ai.bundle"
    ):
        split()
    digest = Digest.parse(f"sha256:{bad.name}")
    assert not store.has(digest) and "is damaged" in str(bundles.reason(last, last, keys.builder)), "what fetches and what builds see it"
    store.put_bytes(data, digest)  # as the fetch does
    assert bundles.build(last, keys.builder) == str(linked) and bad.read_bytes() == data
    planned = split()
    assert [planned.reason(number, full=True) for number in planned.numbers] == [None] * len(planned.numbers)


def test_a_blob_damaged_in_the_bundle_alone_comes_from_the_store(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    store = Store(str(tmp_path / "store"))
    bad = max((made / "blobs" / "sha256").iterdir(), key=lambda path: path.stat().st_size)
    _flip(bad)

    def split() -> None:
        planned = media.Split(media.source(str(made), keys.builder, store), str(tmp_path / "media"), keys.builder, media_kit.SIZE)
        planned.make(planned.numbers, media_kit.nothing)

    with pytest.raises(IntegrityError, match="remove that file and split again: the store has it whole"):
        split()
    bad.unlink()
    split()
    held = Path(store.path_of(Digest.parse(f"sha256:{bad.name}")))
    _flip(held)
    shutil.copy(held, bad)
    with pytest.raises(IntegrityError, match="set aside as .*; remove that file and run airgap.azure_ai.bundle"):
        shutil.rmtree(tmp_path / "media")
        split()
    assert not held.exists() and bad.exists()


def test_a_full_disk_leaves_what_can_go_on(made: Path, tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = media_kit.split(made, tmp_path / "media", keys)
    real, calls = medium.read_span, []

    def full(path: str, offset: int, size: int, target=None, advance=None) -> Digest:
        calls.append(path)
        if target is not None and len(calls) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, offset, size, target, advance)

    monkeypatch.setattr(medium, "read_span", full)
    with pytest.raises(InputError, match=rf"^folder {tmp_path}/media: no space left on its disk"):
        planned.make(planned.numbers, media_kit.nothing)
    assert not list((tmp_path / "media").rglob(".airgap-*"))
    monkeypatch.setattr(medium, "read_span", real)
    again = media_kit.split(made, tmp_path / "media", keys)
    again.make([number for number in again.numbers if again.reason(number)], media_kit.nothing)
    assert [again.reason(number, full=True) for number in again.numbers] == [None] * len(again.numbers)


def test_a_run_that_was_killed_goes_on(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    good = media_kit.split(made, tmp_path / "good", keys)
    good.make(good.numbers, media_kit.nothing)
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit, media_kit\n"
        "keys = freight_kit.Keys(*sys.argv[1:4])\n"
        "planned = media_kit.split(Path(sys.argv[4]), Path(sys.argv[5]), keys)\n"
        "print('go', flush=True)\n"
        "planned.make(planned.numbers, lambda words, total=0: lambda size: time.sleep(0.02))\n"
    )
    chance = random.Random(11)
    for _round in range(5):
        process = subprocess.Popen([sys.executable, "-c", program, *keys, str(made), str(tmp_path / "media")], stdout=subprocess.PIPE, env={**os.environ})
        assert process.stdout and process.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0.0, 0.25))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    (tmp_path / "media" / ".airgap-half").write_bytes(b"killed while the list was written")
    again = media_kit.split(made, tmp_path / "media", keys)
    again.make([number for number in again.numbers if again.reason(number)], media_kit.nothing)
    assert media_kit.tree(tmp_path / "media") == media_kit.tree(tmp_path / "good")
