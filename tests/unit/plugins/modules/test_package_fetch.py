# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import packages, room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.modules import package_fetch
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.mirror_kit import Mirror, deb


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Mirror:
    return Mirror(tmp_path_factory.mktemp("mirror"))


@pytest.fixture
def options(tmp_path: Path, mirror: Mirror) -> dict:
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine", "other": ""})
    return {
        "store": str(tmp_path / "store"),
        "os": "debian-12",
        "packages": ["engine"],
        "mirror": f"file://{mirror.folder}/debian",
        "security_mirror": f"file://{mirror.folder}/debian-security",
        "keyring": str(mirror.folder / "keyring.gpg"),
    }


def test_check_do_do(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    planned = kit.run_module(package_fetch, capsys, check=True, **options)
    assert planned["changed"] and not os.path.exists(options["store"])
    done = kit.run_module(package_fetch, capsys, **options)
    assert done["changed"] and done["packages"] == planned["packages"]
    assert {entry["name"]: entry["requested"] for entry in done["packages"]} == {"engine": True, "helper": False, "libengine": False}
    assert done["fetched_bytes"] == sum(map(len, kit.blobs(options["store"]).values())) == planned["fetched_bytes"]
    again = kit.run_module(package_fetch, capsys, **options)
    assert not again["changed"] and again["packages"] == done["packages"] and again["fetched_bytes"] == 0


def test_what_the_target_has_is_left_out(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status = "Package: libengine\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n"
    (tmp_path / "status").write_text(status)
    done = kit.run_module(package_fetch, capsys, **options, status_file=str(tmp_path / "status"))
    assert [entry["name"] for entry in done["packages"]] == ["engine", "helper"]


def test_a_newer_package_replaces_the_set(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(package_fetch, capsys, **options)
    mirror.publish({"engine": ""}, version="2")
    done = kit.run_module(package_fetch, capsys, **options, update=True)
    assert done["changed"] and [(entry["name"], entry["version"]) for entry in done["packages"]] == [("engine", "2")]


def test_versions_are_locked_until_an_update(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(package_fetch, capsys, **options)
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine"}, version="2")
    kept = kit.run_module(package_fetch, capsys, **options)
    assert not kept["changed"] and kept["packages"] == first["packages"]
    assert kept["kept"] == ["engine 1 -> 2", "helper 1 -> 2", "libengine 1 -> 2"] and "update takes these" in kept["msg"]


def test_other_packages_do_not_mix_with_locked_ones(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    kit.run_module(package_fetch, capsys, **options)
    same = kit.run_module(package_fetch, capsys, **options, extra=["other"])
    assert same["changed"] and {entry["name"]: entry["requested"] for entry in same["packages"]}["other"]
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine", "more": ""}, version="2")
    refused = kit.run_module(package_fetch, capsys, **options, extra=["more"])
    assert refused["failed"] and "engine 1 -> 2" in refused["msg"] and "bundle_update_packages" in refused["msg"] and "\n" not in refused["msg"]


def test_a_locked_file_that_is_lost_comes_again_or_is_told(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    done = kit.run_module(package_fetch, capsys, **options)
    lost = Path(options["store"], "blobs", "sha256", done["packages"][0]["digest"][7:])
    lost.unlink()
    assert kit.run_module(package_fetch, capsys, **options)["changed"] and lost.exists()
    lost.unlink()
    mirror.publish({"engine": "libengine, helper", "libengine": "", "helper": "libengine"}, version="2")
    assert "files of the set fetched before are missing" in kit.run_module(package_fetch, capsys, **options)["msg"]


def test_own_packages_come_along_with_what_they_need(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    control = "Package: ours\nVersion: 1:3-1\nArchitecture: all\nMaintainer: x <x@example.org>\nDepends: other\nDescription: x\n"
    data = deb(control)
    (folder / "whatever.deb").write_bytes(data)
    (folder / "readme.txt").write_text("no package")
    done = kit.run_module(package_fetch, capsys, **options, own=str(folder))
    found = {entry["name"]: entry for entry in done["packages"]}
    assert set(found) == {"engine", "helper", "libengine", "other", "ours"} and found["ours"]["filename"] == "ours_1%3a3-1_all.deb"
    assert kit.blobs(options["store"])[found["ours"]["digest"][7:]] == data
    assert not kit.run_module(package_fetch, capsys, **options, own=str(folder))["changed"]


def test_a_key_that_is_not_in_the_keyring_is_refused(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    other = Mirror(tmp_path / "other")
    result = kit.run_module(package_fetch, capsys, **{**options, "keyring": str(other.folder / "keyring.gpg")})
    assert result["failed"] and "not signed by a key of the keyring" in result["msg"] and "\n" not in result["msg"]


def test_a_package_that_was_altered_on_the_mirror_is_refused(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    path = mirror.folder / "debian" / "pool" / "engine_1_amd64.deb"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    result = kit.run_module(package_fetch, capsys, **options)
    assert result["failed"] and "\n" not in result["msg"]
    assert not os.path.exists(os.path.join(options["store"], "holdings.json"))


def hosts(everywhere: dict, *each: dict) -> list[dict]:
    """What wants tell of hosts."""
    return [{"os": "debian-12", "arch": "amd64", "all": everywhere, "each": list(each)}]


def names(records: list[dict] | None) -> list[str]:
    return [f"{entry['name']} {entry['version']}" for entry in records or []]


def test_what_all_kinds_of_hosts_lack_together_is_chosen_and_the_set_stays_whole(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    alone = kit.run_module(package_fetch, capsys, **options)
    assert alone["chosen"] is None and alone["saved_bytes"] == 0 and alone["note"] == ""
    told = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"libengine": "1"}, {"engine": "1", "helper": "1"}, {"helper": "1", "x1": "5"}))
    assert names(told["chosen"]) == ["engine 1"] and told["packages"] == alone["packages"] and not told["changed"]
    assert told["saved_bytes"] == sum(entry["size"] for entry in told["packages"] if entry["name"] != "engine")
    bare = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"libengine": "1"}, {"engine": "1", "helper": "1"}, {}))
    assert names(bare["chosen"]) == ["engine 1", "helper 1"] and "the hosts lack 2 of them" in bare["msg"]
    nothing = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"libengine": "1", "engine": "1", "helper": "1"}))
    assert nothing["chosen"] == [] and nothing["saved_bytes"] == sum(entry["size"] for entry in nothing["packages"])
    others = [{**hosts({})[0], "os": "debian-13"}, {**hosts({})[0], "arch": "arm64"}]
    assert kit.run_module(package_fetch, capsys, **options, hosts=others)["chosen"] is None


OLD_NEW = {
    "engine": "libengine (>= 2)",
    "libengine": {"Version": "2", "Depends": ""},
    "tool": {"Version": "2", "Depends": "libengine (= 2)"},
}


def test_what_a_host_must_upgrade_for_them_comes_along(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.publish(OLD_NEW)
    has = hosts({"libengine": "1", "tool": ["1", "Depends: libengine (= 1)"]})
    planned = kit.run_module(package_fetch, capsys, check=True, **options, hosts=has)
    done = kit.run_module(package_fetch, capsys, **options, hosts=has)
    assert names(done["packages"]) == ["engine 1", "libengine 2"] and names(done["chosen"]) == ["engine 1", "libengine 2", "tool 2"]
    assert planned["chosen"] == done["chosen"] and planned["fetched_bytes"] == done["fetched_bytes"] == sum(entry["size"] for entry in done["chosen"])
    assert set(kit.blobs(options["store"])) == {entry["digest"][7:] for entry in done["chosen"]}
    assert [entry["name"] for entry in Store(options["store"]).holdings()["packages"]] == ["engine", "libengine"]
    again = kit.run_module(package_fetch, capsys, **options, hosts=has)
    assert not again["changed"] and again["chosen"] == done["chosen"] and again["fetched_bytes"] == 0


def test_what_lies_beside_the_set_and_got_lost_comes_again(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    mirror.publish(OLD_NEW)
    has = hosts({"libengine": "1", "tool": ["1", "Depends: libengine (= 1)"]})
    done = kit.run_module(package_fetch, capsys, **options, hosts=has)
    lost = Path(options["store"], "blobs", "sha256", done["chosen"][2]["digest"][7:])
    lost.unlink()
    again = kit.run_module(package_fetch, capsys, **options, hosts=has)
    assert again["changed"] and lost.exists() and "hosts have to upgrade tool" in again["msg"]


def test_hosts_are_judged_by_the_locked_set_while_the_archive_goes_on(options: dict, mirror: Mirror, capsys: pytest.CaptureFixture[str]) -> None:
    first = kit.run_module(package_fetch, capsys, **options)
    mirror.publish({"engine": "libengine, more", "libengine": "", "helper": "libengine", "more": ""}, version="2")
    kept = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"libengine": "1"}))
    assert kept["kept"] and not kept["changed"] and kept["packages"] == first["packages"]
    assert names(kept["chosen"]) == ["engine 1", "helper 1"], "in the locked versions, by what those depend on"
    taken = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"libengine": "1"}), update=True)
    assert names(taken["chosen"]) == ["engine 2", "more 2"]


def test_hosts_for_which_apt_finds_no_way_get_the_whole_set_and_that_is_told(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    done = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"broken": ["1", "Depends: absent (= 1)"]}, {}, {"libengine": "1"}))
    assert done["chosen"] is None and "packages are complete, as apt finds no way" in done["note"] and done["note"] in done["msg"]
    removing = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"foe": ["1", "Conflicts: engine"]}))
    assert removing["chosen"] is None and "packages are complete" in removing["msg"]


def test_own_packages_always_travel(options: dict, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    control = "Package: ours\nVersion: 3\nArchitecture: all\nMaintainer: x <x@example.org>\nDepends: other\nDescription: x\n"
    (tmp_path / "own" / "x.deb").write_bytes(deb(control))
    has = hosts({"engine": "1", "libengine": "1", "helper": "1"})
    assert names(kit.run_module(package_fetch, capsys, **options, own=str(tmp_path / "own"), hosts=has)["chosen"]) == ["other 1", "ours 3"]


def test_hosts_of_another_form_are_refused(options: dict, capsys: pytest.CaptureFixture[str]) -> None:
    result = kit.run_module(package_fetch, capsys, **options, hosts=hosts({"x1": "1\n\nPackage: y"}))
    assert result["failed"] and "packages[0].all has the bad value" in result["msg"] and "\n" not in result["msg"]


def test_room_is_told_beforehand(options: dict, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    size = kit.run_module(package_fetch, capsys, check=True, **options)["fetched_bytes"]
    real = room.check
    for needed, words in ((packages.INDEX, "apt's index: "), (size, "packages of debian-12: ")):
        monkeypatch.setattr(room, "check", lambda what, folder, asked, at=needed: real(what, folder, 2**60 if asked == at else 0))
        result = kit.run_module(package_fetch, capsys, **options)
        assert result["failed"] and f"{words}" in result["msg"] and f"({2**60} bytes) are to be written" in result["msg"]
        assert kit.blobs(options["store"]) == {} and not os.path.exists(os.path.join(options["store"], "holdings.json"))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"os": "windows"}, "debian-12, debian-13 only"),
        ({"os": "rhel-9"}, "take it out of azure_ai_host_os"),
        ({"own": "/nowhere"}, "no such folder"),
        ({"packages": ["nothing-like-it"]}, "has no package nothing-like-it"),
        ({"mirror": "file:///nowhere"}, "the mirror does not answer"),
    ],
)
def test_bad_input_is_one_line(options: dict, capsys: pytest.CaptureFixture[str], change: dict, text: str) -> None:
    result = kit.run_module(package_fetch, capsys, **{**options, **change})
    assert result["failed"] and text in result["msg"] and "\n" not in result["msg"]
