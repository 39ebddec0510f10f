# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hardening, disk logging and adoption in a declaration."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import extras
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, release

CATALOG = _catalog.load()
GOOD: dict[str, t.Any] = {"name": "sent-en", "service": "sentiment", "tag": "3.0-en", "port": 5001, "resource": "lang-dc0"}


def declared(*changes: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    raws = [{**GOOD, "name": f"c{place}", "port": 5001 + place, **change} for place, change in enumerate(changes)]
    return declarations({"azure_ai_containers": raws}, CATALOG)


def made(**change: t.Any) -> dict[str, t.Any]:
    return spec(CATALOG["sentiment"], declared(change)[0], Release.load(release(Image(b"x"))))


def test_what_nobody_asks_for_changes_nothing() -> None:
    assert made(hardening={})["labels"] == made()["labels"] == made(adopt={"output": "/srv/old"})["labels"]


def test_hardening_of_the_catalog_is_overridden_part_by_part() -> None:
    assert (made()["security_opt"], made()["cap_drop"]) == (["no-new-privileges:true"], ["ALL"])
    mild = made(hardening={"drop_capabilities": ["NET_RAW"]})
    assert (mild["security_opt"], mild["cap_drop"]) == (["no-new-privileges:true"], ["NET_RAW"])
    assert made(hardening={"no_new_privileges": False})["security_opt"] == []


def test_disk_logging_becomes_settings_with_a_size() -> None:
    assert made(disk_logging={})["env"]["Logging:Disk:MaxFileSize"] == "10"
    env = made(disk_logging={"max_file_mb": 3}, settings={"Logging:Console:LogLevel:Default": "Debug"})["env"]
    assert (env["Logging:Disk:Format"], env["Logging:Disk:MaxFileSize"], env["Logging:Console:LogLevel:Default"]) == ("json", "3", "Debug")
    assert declared({"disk_logging": {}})[0]["disk_logging"] == {"max_file_mb": 10, "warn_above_mb": 500}


def test_adoption_is_completed() -> None:
    assert declared({"adopt": {"output": "/srv/old/"}})[0]["adopt"] == {"output": "/srv/old", "container": None}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"hardening": {"privileged": True}}, "hardening.privileged is unknown"),
        ({"hardening": {"drop_capabilities": ["all"]}}, "hardening.drop_capabilities[0] is 'all'"),
        ({"hardening": []}, "hardening is [], not of type object"),
        ({"disk_logging": {"max_file_mb": 0}}, "disk_logging.max_file_mb is 0, less than 1"),
        ({"disk_logging": {"max_file_mb": -1}}, "disk_logging.max_file_mb is -1, less than 1"),
        ({"disk_logging": {}, "settings": {"Logging__Disk__Format": "json"}}, "disk_logging and settings both say"),
        ({"adopt": {}}, "adopt.output is missing"),
        ({"adopt": {"output": "old"}}, "adopt.output is 'old'"),
        ({"adopt": {"output": "/srv/../old"}}, "is not a plain absolute path"),
        ({"adopt": {"output": "/srv//old"}}, "is not a plain absolute path"),
        ({"adopt": {"output": "/"}}, "adopt.output is '/'"),
        ({"adopt": {"output": "/srv/old", "container": "a b"}}, "adopt.container is 'a b'"),
    ],
)
def test_a_problem_is_one_line_with_a_way_out(change: dict[str, t.Any], told: str) -> None:
    with pytest.raises(Problems) as caught:
        declared(change)
    (line,) = caught.value.problems
    assert told in line and line.startswith("container c0 (azure_ai_containers): ") and ";" in line


def test_a_service_without_an_output_mount_has_neither() -> None:
    form = {"mounts": {}}
    raw = {"service": "x", "adopt": {"output": "/srv/old"}, "disk_logging": {}}
    assert [line.partition(":")[0] for line in extras.faults(raw, form)] == ["disk_logging", "adopt"]


@pytest.mark.parametrize(
    ("one", "other", "clash"),
    [("/srv/a", "/srv/a", True), ("/srv/a", "/srv/a/b", True), ("/srv/a/b", "/srv/a", True), ("/srv/a", "/srv/ab", False)],
)
def test_two_containers_adopt_neither_one_folder_nor_one_in_the_other(one: str, other: str, clash: bool) -> None:
    changes = ({"adopt": {"output": one}}, {"adopt": {"output": other}})
    if not clash:
        assert len(declared(*changes)) == 2
        return
    with pytest.raises(Problems, match=r"container c1 .*adopt\.output .* is that of c0"):
        declared(*changes)


def test_two_containers_adopt_no_one_container() -> None:
    with pytest.raises(Problems, match=r"adopt\.container old is that of c0"):
        declared({"adopt": {"output": "/srv/a", "container": "old"}}, {"adopt": {"output": "/srv/b", "container": "old"}})
