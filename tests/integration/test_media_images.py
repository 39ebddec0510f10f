# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts on real file systems of media: FAT32 and ISO 9660 with Joliet, each in an image of the size that the parts were made for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import kits, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit

SIZE = 40_000_000  # bytes: a FAT32 of fewer clusters is none
PATHS = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "MTOOLS_SKIP_CHECK": "1"}


def run(*command: str | Path) -> bytes:
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, env=PATHS).stdout


@pytest.fixture
def keys(tmp_path: Path) -> kit.Keys:
    return kit.make_keys(tmp_path / "keys")


@pytest.fixture
def made(tmp_path: Path, keys: kit.Keys) -> Path:
    """A bundle of some 70 MB, with a blob larger than a part and one almost as large as its room, and a control kit."""
    store = kit.fill(tmp_path / "store")
    models = {"big.bin": os.urandom(45_000_000), "mid.bin": os.urandom(24_000_000), **{f"small-{number}.bin": os.urandom(9_000) for number in range(60)}}
    kit.add_release(store, kit.add_image(store, "3.0"), models)
    tools = tool_kit.build(tmp_path / "kits", keys)
    made = Path(Bundles(str(tmp_path / "bundles"), store).build(kit.compose(store, "1.0", "2.0", "3.0"), keys.builder, kit=str(tools)))
    kit.detach(made)
    return made


def kit_is_whole(part: Path, keys: kit.Keys) -> None:
    """What a control node reads on the first part: the names are as long as Joliet allows."""
    found = kits.look(str(part), keys.trust)
    assert found.record and kits.blob_problems(str(part), found) == [] and len(list((part / "blobs" / "sha256").iterdir())) == len(found.sizes)


def test_parts_fit_fat32_and_come_back_from_it(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    for number, part in enumerate(media_kit.parts(made, tmp_path / "media", keys, SIZE)):
        image, back = tmp_path / f"{number}.img", tmp_path / "mounted"
        with open(image, "wb") as stream:
            stream.truncate(SIZE)
        run("mkfs.vfat", "-F", "32", image)
        run("mcopy", "-s", "-i", image, *sorted(part.iterdir()), "::/")
        run("mcopy", "-i", image, part / "label.txt", "::/Thumbs.db")
        back.mkdir()
        run("mcopy", "-s", "-n", "-i", image, "::*", back)
        found = media_kit.gather(tmp_path / "inbox", keys, back)
        assert found.problems == [] and found.copied > 0 and found.foreign == [str(back / "Thumbs.db")]
        back.rename(tmp_path / f"done-{number}")
    kit_is_whole(tmp_path / "done-0", keys)
    assert media_kit.tree(tmp_path / "inbox" / made.name) == media_kit.tree(made)
    assert verify.verify(str(tmp_path / "inbox" / made.name), keys.trust)[2] == []


def test_parts_come_back_from_iso_9660_with_joliet(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    for number, part in enumerate(media_kit.parts(made, tmp_path / "media", keys, SIZE)):
        image, back = tmp_path / f"{number}.iso", tmp_path / f"mounted-{number}"
        run("genisoimage", "-quiet", "-J", "-o", image, part)
        assert image.stat().st_size <= SIZE
        for name in run("isoinfo", "-J", "-f", "-i", image).decode().splitlines():
            path = back / name.lstrip("/")
            if (part / name.lstrip("/")).is_dir():
                path.mkdir(parents=True)
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(run("isoinfo", "-J", "-i", image, "-x", name))
        assert media_kit.gather(tmp_path / "inbox", keys, back).problems == []
    kit_is_whole(tmp_path / "mounted-0", keys)
    assert media_kit.tree(tmp_path / "inbox" / made.name) == media_kit.tree(made)
