# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import re
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import overview
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit


def judged(bundle: Path, *problems: str) -> overview.Judged:
    return overview.Judged(str(bundle), json.loads((bundle / "bundle.json").read_bytes()), "builder@hq", problems, True)


def test_the_table_is_aligned_and_ends_with_what_is_wrong(bundle: Path) -> None:
    lines = overview.lines(judged(bundle, "blob is missing"))
    assert lines[0].split() == ["kind", "number", "bytes", "left", "out", "bytes", "left", "out"] and lines[-1] == "wrong: blob is missing"
    column = lines[0].index("number")
    assert [line[column] for line in lines[1:7]] == ["2", "3", "1", "2", "2", "1"] and any(line.startswith("azure-cognitive") for line in lines)
    assert overview.lines(overview.Judged("x", None, "", ["not signed"], True)) == ["wrong: not signed"]


def test_what_a_delta_leaves_out_is_counted(bundle: Path) -> None:
    manifest = judged(bundle).manifest or {}
    blobs = [{**blob, "carried": blob["kind"] != "layer"} for blob in manifest["blobs"]]
    rows = {row[0]: row[1:] for row in overview.kinds({**manifest, "blobs": blobs})}
    assert rows["layer"][0] == rows["layer"][2] == "3" and rows["layer"][1] == rows["layer"][3] and rows["model"][2:] == ("", "")


def test_the_page_escapes_and_says_the_verdict(bundle: Path) -> None:
    page = overview.page(judged(bundle, "<b>bad</b>"))
    assert "&lt;b&gt;bad&lt;/b&gt;" in page and "1 problem." in page and "<script" not in page and re.findall(r"(?:src|href)=|url\(", page) == []
    assert "Nothing is wrong." in overview.page(judged(bundle)) and "docker.io" in page and "speech_to_text:2.0" in page
    looked = overview.page(judged(bundle)._replace(full=False))
    assert "no blob was read" in looked


def test_a_part_shows_all_parts(tmp_path: Path, keys: kit.Keys) -> None:
    made = media_kit.bundle(tmp_path, keys)
    listed = media_kit.split(made, tmp_path / "media", keys).listed
    found = judged(made)._replace(listed=listed, number=2, foreign=["Thumbs.db"])
    lines = overview.lines(found)
    assert found.title == "plant-7-1, part 2 of 3" and any(line.startswith("2 (this one)") for line in lines) and lines[-1] == "not ours: Thumbs.db"
    assert "plant-7-1-part-03-of-03" in overview.page(found) and "Thumbs.db" in overview.page(found)
