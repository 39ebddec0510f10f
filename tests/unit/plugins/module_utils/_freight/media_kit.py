# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bundles large enough to be split, and their parts."""

from __future__ import annotations

import random
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import collect, media
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

SIZE = 4_000_000  # bytes of a part: 3 parts, and one blob that none of them can hold


def bundle(folder: Path, keys: kit.Keys, tools: Path | None = None, detached: bool = True) -> Path:
    """A bundle with a blob larger than a part, one of half a part, and small ones; the control kit in ``tools`` goes along.

    :param detached: whether its blobs are files of their own, which a test may damage alone
    """
    store = kit.fill(folder / "store")
    chance = random.Random(7)
    kit.add_release(store, kit.add_image(store, "3.0"), {"big.bin": chance.randbytes(5_000_000), "mid.bin": chance.randbytes(1_500_000)})
    built = Bundles(str(folder / "bundles"), store).build(kit.compose(store, "1.0", "2.0", "3.0"), keys.builder, kit=str(tools) if tools else None)
    made = Path(built)
    if detached:
        kit.detach(made)
    return made


def nothing(_words: str, _total: int = 0) -> t.Callable[[int], object]:
    """Progress that nobody looks at."""
    return lambda _size: None


def split(made: Path, dest: Path, keys: kit.Keys, size: int = SIZE, **options: t.Any) -> media.Split:
    """The parts of a bundle, planned."""
    return media.Split(media.source(str(made), keys.builder), str(dest), keys.builder, size, **options)


def parts(made: Path, dest: Path, keys: kit.Keys, size: int = SIZE) -> list[Path]:
    """The parts of a bundle, made; their folders in order, with files of their own."""
    planned = split(made, dest, keys, size)
    planned.make(planned.numbers, nothing)
    folders = [Path(planned.folder(number)) for number in planned.numbers]
    for path in [path for folder in folders for path in folder.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    return folders


def gather(dest: Path, keys: kit.Keys, *paths: Path, site: str | None = kit.SITE, oldest: int = 0, check: bool = False) -> collect.Gathered:
    """Collect from media."""
    return collect.gather([str(path) for path in paths], collect.Target(str(dest), site, oldest, keys.trust, check), nothing)


def chunk(part: Path) -> Path:
    """The piece of a larger blob on a part."""
    return next(path for path in sorted((part / "blobs").rglob("*.*")) if path.is_file())


def damage(path: Path) -> None:
    """Turn one bit of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}
