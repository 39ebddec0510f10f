# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, Problems, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import sign_file
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import part
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


@pytest.fixture
def folder(tmp_path: Path, keys: kit.Keys) -> Path:
    """A part that holds pieces of a larger blob and whole ones."""
    return media_kit.parts(media_kit.bundle(tmp_path, keys), tmp_path / "media", keys)[1]


def problems(folder: Path, keys: kit.Keys, full: bool = True) -> list[str]:
    return part.Part(str(folder), keys.trust).problems(full)


def test_a_good_part_has_no_problems(folder: Path, keys: kit.Keys) -> None:
    found = part.Part(str(folder), keys.trust)
    assert (found.number, found.signer, found.title) == (2, "builder@hq", "plant-7-1, part 2") and found.foreign() == []
    assert problems(folder, keys) == problems(folder, keys, full=False) == []


def test_every_problem_is_named_at_once_with_its_file(folder: Path, keys: kit.Keys) -> None:
    pieces = sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())
    media_kit.damage(pieces[0])
    pieces[1].unlink()
    pieces[2].write_bytes(b"cut")
    pieces[3].rename(folder / "elsewhere")
    pieces[3].symlink_to(folder / "elsewhere")
    media_kit.damage(folder / "index.json")
    found = problems(folder, keys)
    said = {name: [line for line in found if name in line] for name in ("index.json", *(f"blobs/000/{path.name}" for path in pieces[:4]))}
    words = ("damaged", "damaged: its bytes", "missing", "has 3 bytes instead of", "not a regular file")
    assert len(found) == 5 and [word in lines[0] for word, lines in zip(words, said.values())] == [True] * 5 and "plant-7-1, part 2" in found[0]
    assert len(problems(folder, keys, full=False)) == 4, "the bit that turned is not looked at"


def test_devices_and_linked_folders_are_refused(folder: Path, keys: kit.Keys) -> None:
    piece = media_kit.chunk(folder)
    piece.unlink()
    os.mkfifo(piece)
    assert [line for line in problems(folder, keys) if "not a regular file" in line]
    (folder / "blobs").rename(folder.parent / "moved")
    (folder / "blobs").symlink_to(folder.parent / "moved")
    assert len(problems(folder, keys)) == len(part.Part(str(folder), keys.trust).pieces)


def test_nothing_is_parsed_without_trust(folder: Path, keys: kit.Keys) -> None:
    data = (folder / "parts.json").read_bytes()
    (folder / "parts.json").write_bytes(data.replace(b'"plant-7"', b'"plant-8"'))
    with pytest.raises(TrustError, match="does not verify"):
        part.Part(str(folder), keys.trust)
    (folder / "parts.json").write_bytes(b"not even JSON")
    sign_file(str(folder / "parts.json"), keys.site, "azure-ai-bundle")
    with pytest.raises(TrustError, match="does not know for builder"):
        part.Part(str(folder), keys.trust)
    (folder / "parts.json.sig").unlink()
    with pytest.raises(TrustError, match="not signed"):
        part.Part(str(folder), keys.trust)


def test_a_manifest_is_no_list_of_parts(folder: Path, keys: kit.Keys) -> None:
    (folder / "parts.json").write_bytes((folder / "bundle.json").read_bytes())
    (folder / "parts.json.sig").write_bytes((folder / "bundle.json.sig").read_bytes())
    with pytest.raises(Problems, match="kind has the bad value"):
        part.Part(str(folder), keys.trust)


def test_a_part_json_of_another_list_is_refused(folder: Path, keys: kit.Keys) -> None:
    good = (folder / "part.json").read_bytes()
    for changed in (good.replace(b'"number": 2', b'"number": 9'), good.replace(b'"parts": "sha256:', b'"parts": "sha256:0')[:-1], b"{}", b"\xff"):
        (folder / "part.json").write_bytes(changed)
        with pytest.raises(IntegrityError, match=r"part\.json"):
            part.Part(str(folder), keys.trust)


def test_upper_case_names_do(folder: Path, keys: kit.Keys) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.upper()))
    assert problems(folder, keys) == [] and part.is_part(str(folder)) and part.Part(str(folder), keys.trust).foreign() == []


def test_parts_are_found_on_a_medium_or_are_it(folder: Path) -> None:
    medium = folder.parent
    (medium / "System Volume Information").mkdir()
    (medium / "link").symlink_to(folder)
    found, others = part.find(str(medium))
    assert found == sorted(str(path) for path in medium.glob("plant-7-1-part-*")) and others == ["System Volume Information", "link"]
    assert part.find(str(folder)) == ([str(folder)], [])
    with pytest.raises(MissingError, match="no part of a bundle on it"):
        part.find(str(medium / "System Volume Information"))
    with pytest.raises(MissingError, match="no such folder"):
        part.find(str(medium / "nothing"))
