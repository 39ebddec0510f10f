# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TLS front in a plan: what it serves, when something is to be done about it, what is refused."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import front
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.plan import plan
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import Image, have, item, want

SENTIMENT, TRANSLATOR = Image(b"a"), Image(b"b")
FRONT: dict[str, t.Any] = {"address": "10.78.1.11", "port": 8443, "certificate": "a.crt", "key": "a.key", "client_ca": "ca.crt"}
SUMS = {"certificate": "sha256:1", "key": "sha256:2", "client_ca": "sha256:3"}
NGINX = {"os": "debian-12", "arch": "amd64", "name": "nginx", "version": "1", "filename": "n.deb", "digest": "sha256:" + "1" * 64, "size": 1, "requested": True}
COMMON = {**NGINX, "name": "nginx-common", "requested": False}


def wish(
    files: dict[str, str | None] | None = None, packages: t.Sequence[dict[str, t.Any]] = (), until: str | None = None, **declared: t.Any
) -> dict[str, t.Any]:
    """Two containers behind a front, and a member of a group that nobody asks."""
    told = {name: value for name, value in {**FRONT, **declared}.items() if value is not None}
    items = [
        item(SENTIMENT, name="sentiment", port=5003),
        item(TRANSLATOR, name="translator", port=5002, bind=declared.pop("bind", "127.0.0.1")),
        item(Image(b"c"), name="dt-layout", port=5005, group="dt", member="layout"),
    ]
    told.pop("bind", None)
    return want(*items, packages=list(packages), front={"declared": told, "files": {**SUMS, **(files or {})}, "crl_until": until}, fronted=True)


def host(**more: t.Any) -> dict[str, t.Any]:
    return have(**{"nginx": "/usr/sbin/nginx", **more})


def test_every_container_that_users_ask_has_a_path() -> None:
    found = plan(host(), wish())["front"]
    assert (found["state"], found["reason"], found["address"], found["ports"]) == ("present", "not there", "10.78.1.11", [8443])
    (server,) = found["servers"]
    assert [(route["prefix"], route["url"]) for route in server["routes"]] == [
        ("/sentiment", "http://127.0.0.1:5003"),
        ("/translator", "http://127.0.0.1:5002"),
    ]
    assert (found["records"], found["body_mb"]) == (False, 500)


def test_one_may_have_a_port_of_its_own() -> None:
    found = plan(host(), wish(address="::1", ports={"translator": 8444}, containers=["sentiment"]))["front"]
    assert (found["address"], found["ports"]) == ("[::1]", [8443, 8444])
    assert [(server["port"], [route["prefix"] for route in server["routes"]]) for server in found["servers"]] == [(8443, ["/sentiment"]), (8444, [""])]


def test_what_is_installed_and_the_same_is_left_alone() -> None:
    first = plan(host(), wish())["front"]
    there = {"digest": first["digest"], "ports": [8443]}
    assert plan(host(front=there, listening=[8443]), wish())["front"] is None
    again = plan(host(front=there, listening=[8443]), wish({"key": "sha256:other"}))
    assert again["front"]["reason"] == "its declaration or a file of it has changed" and again["front"]["digest"] != first["digest"]
    assert again["problems"] == [] and again["empty"] is False
    assert plan(host(front=there, listening=[8443]), wish(body_mb=9))["front"]["state"] == "present"
    assert plan(host(front=there), wish())["front"]["reason"] == "it does not run"


def test_one_that_is_not_declared_any_more_goes() -> None:
    steps = plan(host(front={"digest": "1", "ports": [8443]}), want())
    assert steps["front"] == {"state": "absent", "reason": "not declared any more"}
    assert steps["lines"] == ["front: stop it and remove it (not declared any more)"]
    assert plan(host(), want())["front"] is None and plan(host(), want())["empty"]


def test_the_plan_says_who_is_let_in() -> None:
    assert "front: serve sentiment, translator on 10.78.1.11 port 8443 with client certificates (not there)" in plan(host(), wish())["lines"]
    open_one = plan(host(), wish(client_ca=None))
    assert any("port 8443 for anyone" in line for line in open_one["lines"])
    assert any("it asks for no client certificates" in line for line in open_one["warnings"])
    assert any("translator is published on 0.0.0.0 as well, past the front" in line for line in plan(host(), wish(bind="0.0.0.0"))["warnings"])


@pytest.mark.parametrize(
    ("declared", "more", "told"),
    [
        ({"address": "lan"}, {}, "address 'lan' is not an address"),
        ({"port": "8443"}, {}, "port is '8443', not of type integer"),
        ({"key": None}, {}, "key is missing"),
        ({"tls": True}, {}, "tls is unknown"),
        ({"containers": ["sent"]}, {}, "sent: no container of this host that users ask; there are sentiment, translator"),
        ({"ports": {"dt-layout": 1}}, {}, "dt-layout: no container of this host that users ask"),
        ({"ports": {"sentiment": 8443}}, {}, "one of them twice"),
        ({"client_ca": None, "client_crl": "clients.crl"}, {}, "client_crl names whose certificates were revoked, and nobody is asked for one; name client_ca"),
        ({"client_crl": "clients.crl"}, {}, "client_crl clients.crl is not a file on the control node"),
        ({"port": 5003}, {}, "port 5003 is that of container sentiment"),
        ({}, {"listening": [8443]}, "port 8443 is taken by another program"),
        ({"port": 8450}, {"front": {"digest": "1", "ports": [8443]}, "listening": [8443, 8450]}, "port 8450 is taken by another program"),
        ({}, {"nginx": None}, "this host has no nginx and the store brings none"),
    ],
)
def test_what_stands_in_the_way_is_told(declared: dict[str, t.Any], more: dict[str, t.Any], told: str) -> None:
    (line,) = plan(host(**more), wish(**declared))["problems"]
    assert line.startswith("front: ") and told in line and ";" in line


def test_a_file_that_is_not_there_is_named() -> None:
    (line,) = plan(host(), wish({"key": None}))["problems"]
    assert "key a.key is not a file on the control node" in line


def test_another_list_of_revoked_certificates_is_another_front() -> None:
    one, other, none = (
        plan(host(), wish({"client_crl": value} if value else {}, client_crl="clients.crl" if value else None))["front"]
        for value in ("sha256:4", "sha256:5", "")
    )
    assert len({one["digest"], other["digest"], none["digest"]}) == 3
    assert (one["paths"]["client_crl"], none["paths"]["client_crl"]) == ("clients.crl", "")


@pytest.mark.parametrize(
    ("until", "told"),
    [
        ("2026-05-31T23:59:59Z", "ended at 2026-05-31T23:59:59Z, so every client is refused; have its authority issue a new one"),
        ("2026-06-08T00:00:00Z", "ends at 2026-06-08T00:00:00Z, and every client is refused then; lay a new one down"),
        ("2026-06-09T00:00:00Z", None),
        (None, None),
    ],
)
def test_a_list_that_ends_is_told_ahead(until: str | None, told: str | None) -> None:
    found = plan(host(), {**wish({"client_crl": "sha256:4"}, until=until, client_crl="clients.crl"), "control_now": "2026-06-01T12:00:00Z"})
    assert found["problems"] == [] and [line for line in found["warnings"] if "client_crl" in line] == (
        [f"front: client_crl clients.crl {told}"] if told else []
    )


def test_nginx_comes_to_hosts_with_a_front_and_to_no_other() -> None:
    steps = plan(host(nginx=None), wish(packages=[NGINX, COMMON]))
    assert [package["name"] for package in steps["engine"]["packages"]] == ["nginx", "nginx-common"] and steps["problems"] == []
    assert plan(host(nginx=None), want(packages=[NGINX, COMMON]))["empty"]


def test_no_package_is_installed_over_an_nginx_that_somebody_built() -> None:
    steps = plan(host(nginx="/usr/local/sbin/nginx"), wish(packages=[NGINX, COMMON]))
    assert steps["engine"]["packages"] == [] and steps["problems"] == [] and steps["front"]["state"] == "present"
    half = plan(host(nginx="/usr/sbin/nginx"), wish(packages=[NGINX, COMMON]))
    assert [package["name"] for package in half["engine"]["packages"]] == ["nginx", "nginx-common"], "an installation that was cut off is finished"


def test_what_is_installed_is_read_from_its_own_files(tmp_path: Path) -> None:
    unit, head = tmp_path / "unit", plan(host(), wish(ports={"translator": 8444}))["front"]["head"]
    assert front.look(str(tmp_path), str(unit)) is None
    unit.touch()
    assert front.look(str(tmp_path), str(unit)) == {"digest": "", "ports": []}
    (tmp_path / "nginx.conf").write_text(f"{head}\n# managed\n")
    assert front.look(str(tmp_path), str(unit)) == {"digest": head.split()[3], "ports": [8443, 8444]}
    (tmp_path / "nginx.conf").write_text("user www-data;\n")
    assert front.look(str(tmp_path), str(unit)) == {"digest": "", "ports": []}
