# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine holds, in our words."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import inside, loading
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine

OURS = "azure-ai.invalid/sentiment:0123456789abcdef"


def test_no_engine_is_told_and_no_error(tmp_path: Path) -> None:
    found = inside.survey(Engine(str(tmp_path / "none")))
    assert (found["engine"], found["images"], found["containers"]) == (None, [], [])
    assert "no such socket" in found["engine_error"]


@pytest.mark.parametrize(("store", "usable"), [("classic", True), ("containerd", False)])
def test_images_of_a_containerd_store_are_probed(fake: FakeEngine, store: str, usable: bool) -> None:
    fake.store = store
    fake.images[OURS] = {"Id": "sha256:1", "Config": {"User": "nonroot"}, "RootFS": {"Layers": ["sha256:d"]}, "broken": True}
    found = inside.survey(Engine(fake.path))
    assert found["engine"]["store"] == store
    assert found["images"] == [{"name": OURS, "id": "sha256:1", "size": 0, "user": "nonroot", "chain": ["sha256:d"], "usable": usable}]


@pytest.mark.parametrize(("options", "rootless", "userns"), [(["name=rootless"], True, False), (["name=userns"], False, True), (None, False, False)])
def test_user_namespaces(options: list[str], rootless: bool, userns: bool) -> None:
    found = inside.facts({}, {"SecurityOptions": options})
    assert (found["rootless"], found["userns"]) == (rootless, userns)


def test_containers_with_ports_and_without_probes() -> None:
    listed = [
        {
            "Id": "1",
            "Names": ["/a"],
            "Image": "i",
            "State": "running",
            "Labels": {"k": "v"},
            "Ports": [{"IP": "::", "PublicPort": 5001, "PrivatePort": 5000}, {"IP": "0.0.0.0", "PublicPort": 5001, "PrivatePort": 5000}, {"PrivatePort": 1}],
            "Mounts": [{"Type": "bind", "Source": "/srv/b"}, {"Type": "bind", "Source": "/srv/a"}, {"Type": "tmpfs", "Source": ""}],
        },
        {"Id": "2", "Names": ["/p"], "Labels": {loading.PROBE_LABEL: "1"}},
        {"Id": "3", "Names": None, "Labels": None, "Ports": None},
    ]
    found = inside.containers(listed, lambda _name: pytest.fail("only a restarting one is looked at again"))
    about = {"name": "a", "id": "1", "image": "i", "state": "running", "labels": {"k": "v"}}
    published = [["0.0.0.0", 5001, 5000], ["::", 5001, 5000]]
    assert found[0] == {**about, "ports": [5001], "published": published, "sources": ["/srv/a", "/srv/b"]}
    assert (found[1]["published"], found[1]["sources"]) == ([], [])
    assert [item["id"] for item in found] == ["1", "3"]


def test_a_mount_is_told_as_given_and_as_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (found,) = inside.containers([{"Id": "1", "Names": ["/a"], "Mounts": [{"Source": str(tmp_path / "link")}]}], lambda _name: None)
    assert found["sources"] == [str(tmp_path / "link"), str(tmp_path / "real")]


@pytest.mark.parametrize(
    ("about", "ports"),
    [
        ({"HostConfig": {"PortBindings": {"5000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "5003"}], "9/tcp": None, "8/tcp": [{"HostPort": ""}]}}}, [5003]),
        (None, []),
    ],
)
def test_a_restarting_container_has_the_ports_that_it_holds_now_and_then(about: dict[str, t.Any] | None, ports: list[int]) -> None:
    listed = [{"Id": "1", "Names": ["/a"], "State": "restarting", "Ports": []}]
    assert inside.containers(listed, lambda _name: about)[0]["ports"] == ports


def test_networks_and_runtimes(fake: FakeEngine) -> None:
    fake.answers["/networks"] = (200, b'[{"Name": "host"}, {"Name": "azure-ai"}]')
    found = inside.survey(Engine(fake.path))
    assert (found["networks"], found["engine"]["runtimes"]) == (["azure-ai", "host"], [])
    assert inside.facts({}, {"Runtimes": {"runc": {}, "nvidia": {}}})["runtimes"] == ["nvidia", "runc"]
