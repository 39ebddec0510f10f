# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import collect, part, receive, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import media as split
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import media_kit, tool_kit


@pytest.fixture
def made(tmp_path: Path, keys: kit.Keys) -> Path:
    return media_kit.bundle(tmp_path, keys)


@pytest.fixture
def media(made: Path, tmp_path: Path, keys: kit.Keys) -> list[Path]:
    return media_kit.parts(made, tmp_path / "media", keys)


def whole(inbox: Path, made: Path, keys: kit.Keys) -> None:
    """The collected folder is the bundle, nothing is left beside it, and a site can take it in."""
    assert sorted(os.listdir(inbox)) == [made.name] and media_kit.tree(inbox / made.name) == media_kit.tree(made)
    assert verify.verify(str(inbox / made.name), keys.trust)[2] == []


@pytest.mark.parametrize("seed", range(4))
def test_parts_come_in_any_order_one_at_a_time(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys, seed: int) -> None:
    order = list(enumerate(media, 1))
    random.Random(seed).shuffle(order)
    inbox = tmp_path / "inbox"
    for count, (number, medium) in enumerate(order, 1):
        found = media_kit.gather(inbox, keys, medium)
        report = found.reports[0]
        assert found.problems == [] and report["here"] == sorted(number for number, _medium in order[:count]) and number not in report["missing"]
        assert report["complete"] is (count == len(order)) and bool(report["path"]) is report["complete"]
        assert media_kit.gather(inbox, keys, medium).copied == 0, "a medium that comes twice brings nothing"
    whole(inbox, made, keys)
    store = Store(str(tmp_path / "site"))
    receive.take(receive.judge(str(inbox / made.name), store, kit.SITE, keys.trust), store, kit.SITE)
    assert kit.blobs(store.path) == kit.blobs(made)


def test_several_media_at_once_and_what_is_here_is_told(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    inbox = tmp_path / "inbox"
    looked = media_kit.gather(inbox, keys, media[0], check=True)
    assert looked.copied > 0 and looked.reports[0]["here"] == [] and not inbox.exists(), "check mode writes nothing"
    line = media_kit.gather(inbox, keys, media[1]).reports[0]["line"]
    assert line.startswith(f"plant-7-1: part 2 of {len(media)} is here; parts 1") and "still to come (" in line
    assert media_kit.gather(inbox, keys, tmp_path / "media").reports[0]["complete"]
    whole(inbox, made, keys)


def test_licenses_stay_private(media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    media_kit.gather(tmp_path / "inbox", keys, tmp_path / "media")
    blobs = tmp_path / "inbox" / "plant-7-1" / "blobs" / "sha256"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in blobs.iterdir()}
    license_ = kit.sha(kit.LICENSE).partition(":")[2]
    assert modes.pop(license_) == 0o600 and set(modes.values()) == {0o644}


def test_damage_is_named_with_the_part_and_keeps_nothing_else_out(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    inbox, good = tmp_path / "inbox", tmp_path / "good"
    shutil.copytree(media[1], good)
    media_kit.damage(media_kit.chunk(media[1]))
    pieces = sorted(path for path in (media[2] / "blobs").rglob("*") if path.is_file())
    with open(pieces[0], "r+b") as stream:
        stream.truncate(5)
    pieces[-1].unlink()
    found = media_kit.gather(inbox, keys, tmp_path / "media")
    assert found.remake == {"plant-7-1": [2, 3]} and len(found.problems) == 3 and not found.reports[0]["complete"]
    assert "bundle_part_size=4000000" in found.advice["plant-7-1"] and '{"bundle_parts": [2, 3]}' in found.advice["plant-7-1"]
    assert [word in " ".join(found.problems) for word in ("damaged", "has 5 bytes", "missing")] == [True] * 3
    assert found.reports[0]["here"] == [number for number in range(1, len(media) + 1) if number not in (2, 3)]
    again = media_kit.split(made, tmp_path / "again", keys)
    again.make([3], media_kit.nothing)
    found = media_kit.gather(inbox, keys, good, Path(again.folder(3)))
    assert found.problems == [] and found.copied == 3, "only what lacked is copied"
    whole(inbox, made, keys)


def test_a_medium_without_trust_keeps_the_others_in_and_its_own_bytes_out(media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    media_kit.damage(media[0] / "parts.json")
    (media[1] / "part.json").write_bytes(b"{}")
    media_kit.damage(media[2] / "bundle.json")
    found = media_kit.gather(tmp_path / "inbox", keys, tmp_path / "media")
    assert len(found.problems) == 3 and "does not verify" in found.problems[0] and "part.json" in found.problems[1] and "bundle.json" in found.problems[2]
    assert len(media) == 3 and found.copied == 0


def test_foreign_files_are_named_and_left_alone(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    (media[0] / "Thumbs.db").write_text("x")
    (media[1] / "blobs" / "000" / "._piece").write_text("x")
    (tmp_path / "media" / "System Volume Information").mkdir()
    found = media_kit.gather(tmp_path / "inbox", keys, tmp_path / "media")
    assert [os.path.relpath(name, tmp_path / "media") for name in found.foreign] == [
        "System Volume Information",
        f"{media[0].name}/Thumbs.db",
        f"{media[1].name}/blobs/000/._piece",
    ]
    whole(tmp_path / "inbox", made, keys)


def test_other_sites_older_bundles_and_other_splits_are_told_apart(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    inbox = tmp_path / "inbox"
    assert "made for site plant-7, this is plant-8" in media_kit.gather(inbox, keys, media[0], site="plant-8").problems[0]
    passed = media_kit.gather(inbox, keys, media[0], oldest=2)
    assert passed.reports == [] and passed.problems == [] and not inbox.exists()
    other = media_kit.split(made, tmp_path / "other", keys, size=3_000_000)
    other.make([1], media_kit.nothing)
    assert "split another way" in media_kit.gather(inbox, keys, media[0], Path(other.folder(1))).problems[0]
    assert "split another way" in media_kit.gather(inbox, keys, Path(other.folder(1))).problems[0]
    (inbox / made.name).mkdir()
    assert "is not the bundle" in media_kit.gather(inbox, keys, media[0]).problems[0]
    with pytest.raises(MissingError, match="no such folder"):
        media_kit.gather(inbox, keys, tmp_path / "nothing")


def test_a_list_of_parts_of_another_bundle_is_refused(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    changed = kit.compose(Store(str(tmp_path / "store")), "1.0")
    kit.resign(made, keys, changed)
    (made / "index.json").unlink()
    for name in ("bundle.json", "bundle.json.sig"):
        shutil.copy(made / name, media[0] / name)
    found = media_kit.gather(tmp_path / "inbox", keys, media[0])
    assert found.copied == 0 and "bundle.json: " in found.problems[0]


def test_a_full_disk_keeps_what_came(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = part.Part.copy, []

    def full(self, piece, target, advance=None) -> None:
        calls.append(piece)
        if len(calls) > 2:
            target.write(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, piece, target, advance)

    monkeypatch.setattr(part.Part, "copy", full)
    found = media_kit.gather(tmp_path / "inbox", keys, media[1])
    assert "no space left on its disk" in found.problems[0] and found.advice == {}, "no part has to be made again for that"
    monkeypatch.setattr(part.Part, "copy", real)
    again = media_kit.gather(tmp_path / "inbox", keys, media[1])
    assert again.copied == len(part.Part(str(media[1]), keys.trust).pieces) - 2
    media_kit.gather(tmp_path / "inbox", keys, tmp_path / "media")
    whole(tmp_path / "inbox", made, keys)


def test_a_run_that_was_killed_goes_on(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys) -> None:
    program = (
        "import sys, time\nfrom ansible_collections.airgap.azure_ai.plugins.module_utils._freight import collect\n"
        "from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit\n"
        "keys = freight_kit.Keys(*sys.argv[1:4])\nprint('go', flush=True)\n"
        "target = collect.Target(sys.argv[4], 'plant-7', 0, keys.trust)\n"
        "collect.gather(sys.argv[5:], target, lambda words, total=0: lambda size: time.sleep(0.02))\n"
    )
    chance = random.Random(5)
    for _round in range(6):
        arguments = [sys.executable, "-c", program, *keys, str(tmp_path / "inbox"), *map(str, media)]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env={**os.environ})
        assert process.stdout and process.stdout.readline() == b"go\n"
        time.sleep(chance.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    assert media_kit.gather(tmp_path / "inbox", keys, *media).problems == []
    whole(tmp_path / "inbox", made, keys)


def test_every_step_of_the_end_may_be_the_last(made: Path, media: list[Path], tmp_path: Path, keys: kit.Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after the last piece was remembered and before its blob got its name; killed before the rest was removed."""
    with monkeypatch.context() as patch:
        patch.setattr(collect.Collection, "_named", lambda *_arguments: None)
        patch.setattr(collect.Collection, "finish", lambda *_arguments: False)
        media_kit.gather(tmp_path / "inbox", keys, *media)
    assert (tmp_path / "inbox" / "plant-7-1.collecting" / "pieces").is_dir()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", lambda _folder: None)
        assert media_kit.gather(tmp_path / "inbox", keys, media[0]).finished == 1
    assert (tmp_path / "inbox" / "plant-7-1.collecting").is_dir()
    media_kit.gather(tmp_path / "inbox", keys, media[0])
    whole(tmp_path / "inbox", made, keys)


def test_one_carrying_brings_the_control_kit_too(tmp_path: Path, keys: kit.Keys) -> None:
    tools = tool_kit.build(tmp_path / "kits", keys)
    made = media_kit.bundle(tmp_path, keys, tools)
    media = media_kit.parts(made, tmp_path / "media", keys)
    assert {name: (media[0] / name).read_bytes() for name in media_kit.tree(tools) if name != "label.txt"} == {
        name: data for name, data in media_kit.tree(tools).items() if name != "label.txt"
    }, "a control node installs from the first part as it lies there"
    assert not any((medium / "blobs" / "sha256").exists() for medium in media[1:]) and all((medium / "control.json").exists() for medium in media)
    wheel = media[0] / "blobs" / "sha256" / kit.sha(b"wheel 1.0")[7:]
    media_kit.damage(wheel)
    inbox = tmp_path / "inbox"
    assert media_kit.gather(inbox, keys, media[-1]).problems == []
    broken = media_kit.gather(inbox, keys, *media)
    assert f"part 1: blobs/sha256/{wheel.name}: damaged" in broken.problems[0] and broken.remake == {made.name: [1]} and len(broken.problems) == 1
    again = media_kit.split(made, tmp_path / "media", keys)
    again.make([1], media_kit.nothing)
    assert media_kit.gather(inbox, keys, media[0]).problems == []
    whole(inbox, made, keys)


def test_parts_whose_control_kit_nobody_trusts_are_refused(tmp_path: Path, keys: kit.Keys) -> None:
    stranger = kit.make_keys(tmp_path / "stranger")
    made = media_kit.bundle(tmp_path, keys, tool_kit.build(tmp_path / "kits", stranger))
    found = media_kit.gather(tmp_path / "inbox", keys, *media_kit.parts(made, tmp_path / "media", keys))
    assert "control kit in " in found.problems[0] and "does not know for builder" in found.problems[0] and not (tmp_path / "inbox" / made.name).exists()


def test_the_kit_can_be_left_out(tmp_path: Path, keys: kit.Keys) -> None:
    made = media_kit.bundle(tmp_path, keys, tool_kit.build(tmp_path / "kits", keys))
    without = split.Split(split.source(str(made), keys.builder, with_kit=False), str(tmp_path / "media"), keys.builder, media_kit.SIZE)
    without.make(without.numbers, media_kit.nothing)
    folders = [Path(without.folder(number)) for number in without.numbers]
    assert not any((folder / "control.json").exists() for folder in folders)
    assert media_kit.gather(tmp_path / "inbox", keys, *folders).problems == []
    assert verify.verify(str(tmp_path / "inbox" / made.name), keys.trust)[2] == []
