# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The road, walked from the site's own control node: what must be true when it is done, and when it is walked again."""

from __future__ import annotations

import json

import pytest

from tests.lab import access, leaks, outcome, overlay, road, settings
from tests.lab.shell import inside, run

SERVICES = {"stt-en": "speech-1", "translator": "text-1", "sentiment": "text-1"}
LICENSE_CANARY = "SIMULATED-LICENSE-CANARY"


def test_declared_containers_run_from_the_bundles_images(walked: dict[str, str]) -> None:
    for name, host in SERVICES.items():
        found = next(each for each in road.containers(host) if each["Name"] == f"/{name}")
        assert found["State"]["Running"]
        assert found["Config"]["Image"].startswith("azure-ai.invalid/")
        assert found["Config"]["Hostname"] == name
        assert not any(word in entry.lower() for entry in found["Config"]["Env"] for word in ("apikey", "billing=", "proxy"))


def test_ports_are_published_only_where_declared(walked: dict[str, str]) -> None:
    for name, ports in overlay.PUBLISHED.items():
        bindings = [each["HostConfig"]["PortBindings"]["5000/tcp"] for each in road.containers(name)]
        assert sorted((entry["HostIp"], int(entry["HostPort"])) for binding in bindings for entry in binding) == [("127.0.0.1", port) for port in ports]
        listening = inside(settings.host(name).container, "ss", "-Hltn")
        for port in ports:
            assert [line.split()[3] for line in listening.splitlines() if line.split()[3].endswith(f":{port}")] == [f"127.0.0.1:{port}"]


def test_a_license_is_read_by_the_images_user_and_no_other(walked: dict[str, str]) -> None:
    for name, host in SERVICES.items():
        folder = f"/var/lib/azure-ai/containers/{name}"
        release = inside(settings.host(host).container, "readlink", f"{folder}/current").rpartition("/")[2]
        facts = inside(settings.host(host).container, "stat", "-c", "%a %u %g", f"{folder}/releases/{release}/license/license.dat", f"{folder}/output")
        assert facts.splitlines() == ["400 65532 65532", "750 65532 65532"]


def test_the_ledger_holds_what_the_containers_counted(walked: dict[str, str]) -> None:
    counted = outcome.metered()
    assert {key[:2] for key in counted} == {(host, name) for name, host in SERVICES.items()}
    assert outcome.reported(outcome.report()) == counted


def test_the_report_names_image_and_license_of_each_container(walked: dict[str, str]) -> None:
    report = outcome.report()
    # The example's commitments end with the year, which is worth a note in its last months.
    assert report["chain"]["verified"] and [row for row in report["findings"] if row["kind"] != "plan_ends"] == []
    rows = {(row["container"], row["host"]): (row["image"][:7], row["license_days"]) for row in report["licenses"]}
    assert {key: value[0] for key, value in rows.items()} == dict.fromkeys(SERVICES.items(), "sha256:")
    assert all(29 <= value[1] <= 30 for value in rows.values())
    page = road.read(road.CONTROL, f"{road.HOME}/report/report.html").decode()
    assert "default-src 'none'" in page and "AudioSeconds" in page


def test_a_rollout_that_died_was_finished_by_the_next(walked: dict[str, str]) -> None:
    assert "PLAY RECAP" not in walked["killed"]
    assert all(count > 0 for count in road.changes(walked["rollout"]).values())


def test_walking_again_changes_nothing(walked: dict[str, str]) -> None:
    # The report names the time of the last look, so it follows a harvest once and then stays.
    for step in (road.bundle, road.receive, road.rollout, road.harvest):
        assert set(road.changes(step(log=f"again-{step.__name__}")).values()) == {0}, step.__name__
    road.report(log="again-report")
    assert set(road.changes(road.report(log="again-report")).values()) == {0}
    assert set(road.changes(road.rollout("--check", log="again-check")).values()) == {0}


def test_a_sites_wants_build_the_same_bundle_without_the_fleet_layer(walked: dict[str, str]) -> None:
    """The builder knows no host of the site and, here, no declaration either: what the site wrote and signed is enough."""
    before = road.newest_bundle()
    for name in ("wants.json", "wants.json.sig"):
        road.hand_over(road.CONTROL, f"{road.HOME}/outbox/{name}", road.BUILDER, f"{road.HOME}/carried/{name}")
    layers = {"ANSIBLE_INVENTORY": "inventories/connected,inventories/lab"}
    output = road.bundle("-e", f"bundle_wants={road.HOME}/carried/wants.json", environment=layers, log="bundle-wants")
    assert set(road.changes(output).values()) == {0}
    assert road.newest_bundle() == before


def test_verify_alone_asks_every_container(walked: dict[str, str]) -> None:
    output = road.playbook(road.CONTROL, "verify")
    assert output.count("answer | Send its smoke request") == len(SERVICES)
    assert set(road.changes(output).values()) == {0}


def test_no_packet_left_the_site(walked: dict[str, str]) -> None:
    counters = leaks.counters()
    assert counters["site"] == counters["remote"] == {"escaped": 0, "attempted": 0}
    # The same counters see the connected zone fetch its packages, so they do count.
    assert counters["connected"]["left"] > 100


def test_no_secret_in_any_output(walked: dict[str, str]) -> None:
    vault = road.read(road.BUILDER, f"{road.HOME}/keys/vault-{road.SITE}").decode().strip()
    keys = [item["key"] for item in overlay.resources().values()]
    canaries = [*keys, access.KEY_CANARY, LICENSE_CANARY, access.read("become_password").strip(), vault, "PRIVATE KEY-----"]
    logs = sorted(road.LOGS.glob("*.log"))
    assert len(logs) >= 9
    for log in logs:
        text = log.read_text()
        assert [word[:12] for word in canaries if word in text] == [], log.name


@pytest.mark.parametrize("name", ["builder", "control", "text-1", "speech-1"])
def test_no_secret_lies_open(walked: dict[str, str], name: str) -> None:
    """Licenses and keys: in no file that others may read, and past the builder and the images' users in no file at all but the containers'."""
    places = "/home /var/lib/azure-ai /tmp /var/tmp /etc /root /opt /srv"
    search = f"grep -rlIs -e {LICENSE_CANARY} -e {access.KEY_CANARY} {places}; true"
    found = inside(settings.host(name).container, "sh", "-c", search, timeout=120).split()
    allowed = "/home/ops/lab/" if name == "builder" else "/var/lib/azure-ai/containers/"
    assert [path for path in found if not path.startswith(allowed)] == []
    if found:
        modes = inside(settings.host(name).container, "stat", "-c", "%a", *found).split()
        assert {mode[-2:] for mode in modes} == {"00"}


def test_the_kit_goes_along_and_a_list_says_what_is_in_both(walked: dict[str, str]) -> None:
    folder = road.newest_bundle()
    assert {"control.json", "control.json.sig", "install.sh"} <= set(inside(road.BUILDER, "ls", folder).split())
    kit, bundle, listed = (json.loads(road.read(road.BUILDER, path)) for path in (f"{folder}/control.json", f"{folder}/bundle.json", f"{folder}.cdx.json"))
    urls = {component["purl"].partition("?")[0] for component in listed["components"] if "purl" in component}
    assert {f"pkg:pypi/{entry['name']}@{entry['version']}" for entry in kit["files"] if entry["kind"] == "wheel"} <= urls
    assert sum(url.startswith("pkg:deb/") for url in urls) >= len({entry["name"] for entry in bundle["packages"]}) > 20
    assert f"control kit {kit['version']}" in (road.LOGS / "receive.log").read_text()


def test_nothing_but_the_bundle_is_in_the_bundle(walked: dict[str, str]) -> None:
    """No key and no license in clear crosses: the carried folder is searched as a whole, binary files as well."""
    folder = road.newest_bundle()
    search = ["grep", "-rlaF", "-e", LICENSE_CANARY, "-e", access.KEY_CANARY, "-e", "azure.lab", folder]
    done = run(["docker", "exec", road.BUILDER, *search], check=False)
    assert (done.returncode, done.stdout) == (1, b"")
