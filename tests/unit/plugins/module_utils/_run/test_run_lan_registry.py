# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the site's registry is asked, what keeps a host from it, and how an image comes out of it. Its TLS is tested with a real one."""

from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import authority
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import lan_registry
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.engine import Engine
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine, Image, have, item, want

NAME = "10.78.1.10:5443"
IMAGE = Image(b"base", b"app")
LOCAL = "azure-ai.invalid/sentiment:0123456789abcdef"
REFERENCE = f"{NAME}/{IMAGE.record['repository']}@{IMAGE.record['manifest']}"


@pytest.mark.parametrize(
    ("transport", "name", "hosts", "taken"),
    [
        ("auto", NAME, 7, False),
        ("auto", NAME, 8, True),
        ("auto", "", 100, False),
        ("ssh", NAME, 100, False),
        ("registry", NAME, 1, True),
        ("registry", "[fe80::1]:5443", 1, True),
    ],
)
def test_when_it_is_asked(transport: str, name: str, hosts: int, taken: bool) -> None:
    assert lan_registry.chosen(transport, name, hosts, 8) == (name if taken else None)


@pytest.mark.parametrize(("transport", "name"), [("registry", ""), ("ftp", NAME), ("auto", "10.78.1.10"), ("ssh", "a/b:1")])
def test_what_is_refused(transport: str, name: str) -> None:
    with pytest.raises(InputError, match="azure_ai_(transport|registry)"):
        lan_registry.chosen(transport, name, 1, 8)


@pytest.mark.parametrize("text", ["", "no certificate", "kein gültiges Zertifikat"])
def test_a_control_node_without_a_certificate(text: str) -> None:
    told = lan_registry.trouble("127.0.0.1:1", text, wait=1)
    assert told is not None and ("airgap.azure_ai.registry" in told) is (text == "")


def test_words_around_a_certificate_do_no_harm() -> None:
    certificate = authority.new_authority(datetime.datetime.now(datetime.timezone.utc))[1].decode()
    told = lan_registry.trouble("127.0.0.1:1", f"für die Prüfung\n{certificate}", wait=1)
    assert told is not None and told.startswith("ConnectionRefusedError"), "it is trusted, and nobody answers there"


def test_pulled_by_digest_under_our_name_alone(fake: FakeEngine) -> None:
    fake.served[REFERENCE] = {"Id": IMAGE.record["config"], "Config": {"User": "nonroot"}, "RootFS": {"Layers": []}, "broken": False}
    state = lan_registry.pull(Engine(fake.path), NAME, IMAGE.record, LOCAL)
    assert (state["usable"], state["user"]["name"]) == (True, "nonroot")
    assert list(fake.images) == [LOCAL]


def test_what_a_registry_does_not_have(fake: FakeEngine) -> None:
    with pytest.raises(RemoteError, match="manifest unknown"):
        lan_registry.pull(Engine(fake.path), NAME, IMAGE.record, LOCAL)
    assert fake.images == {}


def test_what_is_not_the_image(fake: FakeEngine) -> None:
    fake.served[REFERENCE] = {"Id": "sha256:other", "Config": {}, "RootFS": {"Layers": []}, "broken": False}
    with pytest.raises(RemoteError, match="another image"):
        lan_registry.pull(Engine(fake.path), NAME, IMAGE.record, LOCAL)


def test_asked_for_what_the_engine_lacks() -> None:
    images = {"a": "x@sha256:1", "b": "x@sha256:1", "c": "y@sha256:2", "d": "z@sha256:3"}
    there = [{"name": "c", "usable": True}, {"name": "d", "usable": False}]
    assert lan_registry.wanted(images, there) == ["x@sha256:1", "z@sha256:3"]


def planned(**host: t.Any) -> dict[str, t.Any]:
    return plan(have(**host), want(item(IMAGE), registry=NAME))


def test_a_plan_with_the_registry_sends_no_image() -> None:
    steps = planned(registry_error=None)
    size = sum(len(data) for data in IMAGE.blobs.values())
    assert (steps["registry"], steps["send"], steps["pull_bytes"], steps["staged"]) == (NAME, [], size, False)
    foreign = f"images: {size} B to pull from {NAME}; its certificate is laid into /etc/docker/certs.d/{NAME}/ca.crt, nothing else of this engine changes"
    assert steps["lines"][0] == foreign
    assert planned(registry_error=None, engine_ours=True)["lines"][0] == f"images: {size} B to pull from {NAME}"


def test_a_plan_of_a_host_that_does_not_reach_it_goes_over_ssh() -> None:
    steps = planned(registry_error="TimeoutError: timed out")
    assert (steps["registry"], steps["pull_bytes"]) == (None, 0) and len(steps["send"]) == len(IMAGE.blobs)
    (line,) = steps["warnings"]
    assert line.startswith(f"registry {NAME}: this host cannot use it (TimeoutError: timed out), so images go over ssh; run airgap.azure_ai.registry")
    assert steps["problems"] == []


def test_what_is_pulled_needs_room_as_well() -> None:
    steps = planned(registry_error=None, disk={"root": {"free": 10**12, "total": 10**12}, "docker": {"free": 1, "total": 10**12}})
    assert [line for line in steps["problems"] if "needed (twice what is sent)" in line]
