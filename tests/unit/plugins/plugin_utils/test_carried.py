# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host sent is judged, struck out once more, marked and given pseudonyms."""

from __future__ import annotations

import io
import json
import tarfile
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.masking import Mask
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _carried

NAMES = {"host": {"text-1", "text-10"}, "site": {"plant-7"}}
TEXT = "text-1 and text-10.site at 10.1.2.3, fe80::1, 02:42:ac:12:00:02; 127.0.0.1, 12:30:45, 1.0.03113.842, plant-7; vaultword\n"


def packed(path: Path, members: dict[str, bytes], kind: bytes = tarfile.REGTYPE) -> str:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.type = len(data), kind
            tar.addfile(info, io.BytesIO(data))
    return str(path)


def unpacked(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        return {member.name: t.cast("t.IO[bytes]", tar.extractfile(member)).read().decode() for member in tar}


def test_pseudonyms_are_the_same_in_every_archive(tmp_path: Path) -> None:
    source, kept = packed(tmp_path / "in", {"containers/text-1/log.txt": TEXT.encode(), "summary.txt": b"host text-1\n"}), []
    for number in range(2):
        pseudonyms = _carried.Pseudonyms(str(tmp_path / "list.json"), NAMES)
        said = _carried.remade(source, str(tmp_path / f"{number}"), "leave", Mask([b"vaultword"]), pseudonyms, 10**6)
        pseudonyms.save()
        kept.append(unpacked(tmp_path / f"{number}"))
    assert kept[0] == kept[1] and said == "host host-1\n"
    assert kept[0]["containers/host-1/log.txt"] == (
        "host-1 and host-2.site at address-1, address-2, mac-1; 127.0.0.1, 12:30:45, 1.0.03113.842, site-1; ********\n"
    )
    assert kept[0]["summary.txt"].startswith("MAY LEAVE THE SITE")
    assert json.loads((tmp_path / "list.json").read_text())["10.1.2.3"] == "address-1"
    assert (tmp_path / "list.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{", "[]", '{"text-1": 5}', "[" * 100_000, "\xff"])
def test_a_list_that_cannot_be_read_is_not_written_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "list.json").write_text(text, encoding="latin-1")
    with pytest.raises(IntegrityError, match=r"list\.json: .*; put it back from a backup, or move it away"):
        _carried.Pseudonyms(str(tmp_path / "list.json"), NAMES)
    assert (tmp_path / "list.json").read_text(encoding="latin-1") == text


def test_what_stays_keeps_its_names(tmp_path: Path) -> None:
    source = packed(tmp_path / "in", {"summary.txt": TEXT.encode()})
    _carried.remade(source, str(tmp_path / "out"), "stay", Mask([b"vaultword"]), None, 10**6)
    text = unpacked(tmp_path / "out")["summary.txt"]
    assert text.startswith("STAYS AT THE SITE") and "text-1 and" in text and "vaultword" not in text


@pytest.mark.parametrize("name", ["../out", "/etc/passwd", "a/../../b", "a\nb"])
def test_a_hostile_archive_is_refused(tmp_path: Path, name: str) -> None:
    refused = [packed(tmp_path / "1", {name: b"x"}), packed(tmp_path / "2", {"a": b""}, tarfile.SYMTYPE), packed(tmp_path / "3", {"a": b"x" * 1000})]
    (tmp_path / "4").write_bytes(b"none")
    for source in (*refused, str(tmp_path / "4")):
        with pytest.raises(IntegrityError):
            _carried.remade(source, str(tmp_path / "out"), "stay", Mask(), None, 100)
    assert not (tmp_path / "out").exists()
