# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import html.parser
import re
import subprocess
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import control, label, media
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit


@pytest.fixture
def made(tmp_path: Path, keys: kit.Keys) -> Path:
    return media_kit.bundle(tmp_path, keys)


def facts(made: Path, tmp_path: Path, keys: kit.Keys, number: int = 2) -> label.Facts:
    planned = media_kit.split(made, tmp_path / "media", keys)
    planned.make(planned.numbers, media_kit.nothing)
    origin = media.source(str(made), keys.builder)
    return label.Facts(origin.manifest, planned.listed, number, origin.signer, "INTERNAL <b>& ONLY", origin.kit.record)


def test_the_label_says_what_it_is(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    found = facts(made, tmp_path, keys)
    text = label.text(found)
    lines = text.splitlines()
    pieces = found.part["pieces"]
    assert lines[0] == lines[-1] == "INTERNAL <b>& ONLY" and lines[2] == "plant-7-1   Part 2 of 3"
    signer = subprocess.run(["ssh-keygen", "-l", "-f", keys.builder], capture_output=True, text=True, check=True).stdout.split()[1]
    wanted = [signer, str(found.part["bytes"]), pieces[0]["digest"], pieces[-1]["digest"], "3 images: speech_to_text:1.0", "3 licenses, encrypted"]
    assert [word for word in wanted if word not in text] == [] and "1 package of debian-12" in text and "1 piece of a larger file" in text
    assert text == label.text(found), "nothing in it depends on when it is made"


def test_the_commands_on_it_do_what_they_say(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    found = facts(made, tmp_path, keys)
    folder = tmp_path / "media" / "plant-7-1-part-02-of-03"
    (_who, fingerprint), (_whether, undamaged) = label.commands(found)

    def typed(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True, check=False)

    assert found.signer in typed(fingerprint).stdout
    done = typed(undamaged)
    assert (done.returncode, done.stdout) == (0, "")
    media_kit.damage(media_kit.chunk(folder))
    assert typed(undamaged).returncode != 0


def test_the_page_escapes_asks_for_nothing_and_closes_its_tags(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    page = label.html(facts(made, tmp_path, keys))
    assert "INTERNAL &lt;b&gt;&amp; ONLY" in page and "<b>" not in page and "<script" not in page
    assert re.findall(r"(?:src|href|url)\s*[=(]", page) == [] and page.count("<li class=this>2</li>") == 1

    class Tags(html.parser.HTMLParser):
        open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    tags = Tags()
    tags.feed(page)
    assert tags.open == []


def test_long_lists_stay_short(made: Path, tmp_path: Path, keys: kit.Keys) -> None:
    found = facts(made, tmp_path, keys)
    many = {**found.manifest, "images": found.manifest["images"] * 20, "receipts": [{}]}
    lines = label.contents(many, {"files": [{"file": "control.json"}]})
    assert lines[0].endswith("and 48 more") and lines[-2:] == ["1 receipt", "the control node's own tools"]


def test_the_part_with_the_control_kit_has_the_line_to_type_and_the_others_name_it(tmp_path: Path, keys: kit.Keys) -> None:
    made = media_kit.bundle(tmp_path, keys, tools=tool_kit.build(tmp_path / "kits", keys))
    first, second = (facts(made, tmp_path, keys, number) for number in (1, 2))
    assert first.kit and f"{first.kit['version']} for debian-12, Python 3.11, amd64, on this part" in label.text(first)
    assert "on part 1" in label.text(second) and "2 files of the control kit" in label.text(first)
    lines = [command for _title, command in label.commands(first._replace(principal="builder@hq"))]
    assert lines[-1] == control.command("builder@hq") and lines[-1].endswith("sh install.sh --signers ~/allowed_signers")
    assert not any("install.sh" in command for _title, command in label.commands(second))
