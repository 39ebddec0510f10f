# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nobody documents: the collection works whichever way the containers turn out to behave.

Each container behaves in another way (the simulator's switches); all of them are downloaded, run, used and read together.
"""

from __future__ import annotations

import json
import typing as t

import pytest
import yaml

from tests.lab import everything, outcome, overlay, road, settings
from tests.lab.settings import Json
from tests.lab.shell import inside

TAG = "3.0-en"
USES = 7
# How usage is reported, and what a container asks of license, host and clock when all is as it should be.
RUNNING: dict[str, dict[str, str]] = {
    "month-400": {"SIM_EMPTY_MONTH": "400"},
    "month-empty": {"SIM_EMPTY_MONTH": "empty"},
    "month-zero": {"SIM_EMPTY_MONTH": "zero"},
    "month-204": {"SIM_EMPTY_MONTH": "204"},
    "unpadded": {"SIM_UNPADDED": "only", "SIM_METER_INNER": "count"},
    "both-spellings": {"SIM_UNPADDED": "both"},
    "local-months": {"SIM_MONTH_ZONE": "local", "TZ": "Pacific/Kiritimati"},
    "instance-sum": {"SIM_SUM": "instance"},
    "mount-sum": {"SIM_SUM": "mount"},
    "starts-empty": {"SIM_PARTIAL_WHILE_STARTING": "empty", "SIM_READY_AFTER": "3"},
    "starts-partial": {"SIM_PARTIAL_WHILE_STARTING": "partial", "SIM_READY_AFTER": "3"},
    "binary-records": {"SIM_RECORDS": "binary"},
    "record-files": {"SIM_RECORDS": "files", "SIM_CLOCK": "far_future"},
    "bound-license": {"SIM_BINDING": "first_host"},
    "strict-clock": {"SIM_CLOCK": "before_issue"},
    "any-cpu": {"SIM_CPU": "all"},
    "writes-anywhere": {"SIM_NEEDS": "writable_root", "SIM_CPU": "off"},
}
# How a download ends and what it leaves.
DOWNLOADS: dict[str, dict[str, str]] = {
    "stays": {"SIM_AFTER_DOWNLOAD": "stay", "SIM_REDOWNLOAD": "overwrite", "SIM_LICENSE_NAME": "license.lic"},
    "refuses-again": {"SIM_REDOWNLOAD": "refuse"},
    "other-name": {"SIM_LICENSE_NAME": "5a72fa7c.key", "SIM_LICENSE_FORMAT": "binary"},
}
# How a license that does not serve is refused: settings of the container, a word of what is told.
REFUSALS: dict[str, dict[str, str]] = {
    "expired-start": {"SIM_EXPIRED": "refuse_start", "SIM_NOW": "2031-01-01T00:00:00", "SIM_REFUSAL_EXIT": "255"},
    "expired-stop": {"SIM_EXPIRED": "stop", "SIM_NOW": "2031-01-01T00:00:00", "SIM_REFUSAL_EXIT": "134"},
    "expired-unready": {"SIM_EXPIRED": "unready", "SIM_NOW": "2031-01-01T00:00:00"},
    "expired-silent": {"SIM_NOW": "2031-01-01T00:00:00", "SIM_REFUSAL_TEXT": "silent", "SIM_REFUSAL_EXIT": "0"},
    "expired-status": {"SIM_NOW": "2031-01-01T00:00:00", "SIM_REFUSAL_TEXT": "status", "SIM_REFUSAL_EXIT": "139"},
    "clock-behind": {"SIM_CLOCK": "before_issue", "SIM_NOW": "2020-01-01T00:00:00"},
    "other-host": {"SIM_BINDING": "download_host"},
}


def _container(name: str, service: str = "sentiment", **more: t.Any) -> Json:
    return {"name": name, "service": service, "tag": TAG, "resource": "language-dc0", **more}


def _catalog() -> Json:
    """The overlay's catalog, with a service for each way in which a download may end and one that wants capabilities."""
    entry = yaml.safe_load((settings.REPOSITORY / "plugins/plugin_utils/catalog/sentiment.yml").read_text())
    services = {f"sentiment_{name.replace('-', '_')}": switches for name, switches in DOWNLOADS.items()}
    added = {
        name: {**entry, "size": overlay.SMALL, "online": [{**step, "settings": {**step["settings"], **switches}} for step in entry["online"]]}
        for name, switches in services.items()
    }
    added["sentiment_capable"] = {**entry, "size": overlay.SMALL, "hardening": {"no_new_privileges": True}}
    return {**{name: {"size": overlay.SMALL} for name in overlay.SERVICES}, **added}


@pytest.fixture(scope="module")
def unknowns(walked: dict[str, str]) -> t.Iterator[dict[str, int]]:
    """Name of each container to the host's port, after all were downloaded, bundled, rolled out and used; removed again at the end."""
    declared = [_container(name, settings=switches) for name, switches in RUNNING.items()]
    declared += [_container(name, f"sentiment_{name.replace('-', '_')}") for name in DOWNLOADS]
    declared += [_container("capable", "sentiment_capable", settings={"SIM_NEEDS": "capabilities"})]
    for container in road.SIDES.values():
        overlay.write(container, road.HOME, "group_vars/all.yml", {"azure_ai_catalog": _catalog()})
    everything.declare({"text_hosts": declared}, "unknowns")
    road.bundle(log="unknowns-bundle")
    road.carry()
    road.receive(log="unknowns-receive")
    road.rollout("--limit", "text-1", log="unknowns-rollout")
    yield {
        each["Name"].strip("/"): int(each["HostConfig"]["PortBindings"]["5000/tcp"][0]["HostPort"])
        for each in road.containers("text-1")
        if each["Name"].strip("/") in {item["name"] for item in declared}
    }
    everything.declare({"text_hosts": []}, "unknowns")
    names = [item["name"] for item in declared]
    inside(settings.host("text-1").container, "docker", "rm", "--force", *names)
    inside(settings.host("text-1").container, "rm", "-rf", *(f"/var/lib/azure-ai/containers/{name}" for name in names))


def totals() -> dict[str, int]:
    """Container to the highest total over all time in the report."""
    road.harvest("--limit", "text-1,localhost", log="unknowns-harvest")
    road.report(log="unknowns-report")
    rows = [row for row in outcome.report()["rows"] if row["host"] == "text-1" and row["month"] == "all"]
    return {row["container"]: int(row["quantity"][0]) for row in rows}


def test_every_use_is_counted_once_however_it_is_reported(unknowns: dict[str, int]) -> None:
    assert set(unknowns) == {*RUNNING, *DOWNLOADS, "capable"}
    before = totals()
    script = (settings.FILES / "traffic.py").read_text()
    inside(settings.host("text-1").container, "python3", "-c", script, str(USES), *map(str, unknowns.values()), timeout=300)
    after = totals()
    assert {name: after[name] - before[name] for name in unknowns} == dict.fromkeys(unknowns, USES)
    troubled = [row for row in outcome.report()["findings"] if row.get("container") in unknowns]
    assert troubled == []


def test_a_month_is_read_however_it_is_spelled_and_whatever_an_empty_one_says(unknowns: dict[str, int]) -> None:
    totals()
    months = {row["container"]: row["month"] for row in outcome.report()["rows"] if row["container"] in unknowns and row["month"] != "all"}
    assert set(months) == set(unknowns)


def test_a_restarted_container_goes_on_where_it_was(unknowns: dict[str, int]) -> None:
    before = totals()
    inside(settings.host("text-1").container, "docker", "restart", "--time", "2", "instance-sum", "mount-sum", "starts-partial", "starts-empty", timeout=120)
    road.playbook(road.CONTROL, "verify", "--limit", "text-1", log="unknowns-verify")
    after = totals()
    assert {name: after[name] - before[name] for name in unknowns} == dict.fromkeys(unknowns, 1), "verify sends one request to each"


def test_a_license_is_kept_under_the_name_it_came_with(unknowns: dict[str, int]) -> None:
    folders = {name: f"/var/lib/azure-ai/containers/{name}/current/license/" for name in ("other-name", "stays")}
    found = {name: inside(settings.host("text-1").container, "ls", folder) for name, folder in folders.items()}
    assert found == {"other-name": "5a72fa7c.key", "stays": "license.lic"}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_license_that_does_not_serve_is_told_however_it_is_refused(unknowns: dict[str, int], name: str) -> None:
    declared = {**_container(name, settings=REFUSALS[name]), "port": 5499}
    values = {"azure_ai_containers__refused": [declared], "containers_ready_seconds": 4}
    try:
        with pytest.raises(road.Refused) as caught:
            road.rollout("--limit", "text-1", "-e", json.dumps(values), log=f"unknowns-{name}")
    finally:
        inside(settings.host("text-1").container, "docker", "rm", "--force", name)
        inside(settings.host("text-1").container, "rm", "-rf", f"/var/lib/azure-ai/containers/{name}")
    assert "Traceback" not in caught.value.output
    assert f"text-1: container {name}" in caught.value.output
