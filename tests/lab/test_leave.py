# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A container is taken out of service and nothing of it is lost or left; a diagnosis explains a host and gives nothing away."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import typing as t
from decimal import Decimal

import pytest

from tests.lab import access, outcome, overlay, road, settings
from tests.lab.settings import Json
from tests.lab.shell import docker, inside, wait_for

NAME, PORT = "leave-me", 5093
FOLDER = f"/var/lib/azure-ai/containers/{NAME}"
DECLARED = "host_vars/text-1/leave.yml"
TEXT = settings.host("text-1").container
ONLY: Json = {"retire_containers": [NAME]}


def retire(*argv: str, **values: t.Any) -> str:
    """Retire the test's container on text-1."""
    return road.playbook(road.CONTROL, "retire", "--limit", "text-1", "-e", json.dumps({**ONLY, **values}), *argv, log="leave-retire")


def refused(*argv: str, **values: t.Any) -> str:
    """The words with which retiring is refused."""
    with pytest.raises(road.Refused) as caught:
        retire(*argv, **values)
    assert "Traceback" not in caught.value.output
    return caught.value.output


def sums(folder: str) -> dict[str, str]:
    """Path below ``folder`` on text-1 to SHA-256, of every file."""
    lines = inside(TEXT, "sh", "-c", f"cd {folder} && find . -type f -exec sha256sum {{}} +").splitlines()
    return {path.removeprefix("./"): digest for digest, path in (line.split(maxsplit=1) for line in lines)}


def others() -> dict[str, str]:
    """Name of each other container of the site to when it was started."""
    found = [each for host in overlay.PUBLISHED for each in road.containers(host)]
    return {each["Name"].strip("/"): each["State"]["StartedAt"] for each in found if each["Name"] != f"/{NAME}"}


def images() -> list[str]:
    """Images in the engine of text-1, whatever names they have: an earlier test may have left names that the next rollout removes."""
    return sorted(set(docker("exec", TEXT, "docker", "images", "--quiet", "--no-trunc").split()))


def opened(output: str) -> list[tuple[str, dict[str, str]]]:
    """(path, members) of each archive that a diagnosis told of."""
    found = []
    for path in sorted(set(re.findall(r"archive: (/\S+?\.tar\.gz)", output))):
        with tarfile.open(fileobj=io.BytesIO(road.read(road.CONTROL, path))) as tar:
            found.append((path, {each.name: t.cast("t.IO[bytes]", tar.extractfile(each)).read().decode() for each in tar if each.isreg()}))
    return found


def secrets() -> list[str]:
    """Words that must never be in an archive: of keys, licenses, passwords and vaults."""
    licenses = inside(TEXT, "sh", "-c", "cat /var/lib/azure-ai/containers/*/current/license/*").split()
    vault = road.read(road.CONTROL, f"{road.HOME}/keys/vault-{road.SITE}").decode().strip()
    keys = [resource["key"] for resource in overlay.resources().values()]
    return [*keys, access.KEY_CANARY, *licenses, vault, access.read("become_password").strip()]


@pytest.fixture(scope="module")
def used(walked: dict[str, str]) -> t.Iterator[dict[str, t.Any]]:
    """A container of its own, used; what was there beside it."""
    before: dict[str, t.Any] = {"others": others(), "images": images()}
    declared = [{"name": NAME, "service": "sentiment", "tag": "3.0-en", "port": PORT, "resource": "language-dc0"}]
    overlay.write(road.CONTROL, road.HOME, DECLARED, {"azure_ai_containers__leave": declared})
    try:
        road.rollout("--limit", "text-1", log="leave-rollout")
        inside(TEXT, "python3", "-c", (settings.FILES / "traffic.py").read_text(), "5", str(PORT))
        before["words"] = refused(retire_confirm="text-1")
    finally:
        inside(road.CONTROL, "rm", "-r", f"{road.HOME}/{overlay.FOLDER}/host_vars/text-1")
    before["counted"] = {key: value for key, value in outcome.metered().items() if key[1] == NAME}
    before["wrote"] = sums(f"{FOLDER}/output")
    (before["license"],) = sums(f"{FOLDER}/current/license/").values()
    yield before


def holders(digest: str) -> list[str]:
    """Files below the collection's folder on text-1 that have this digest."""
    return sorted(path for path, found in sums("/var/lib/azure-ai").items() if found == digest)


def test_a_slip_of_the_fingers_retires_nothing(used: dict[str, t.Any]) -> None:
    assert f"container {NAME}: still declared, so the next rollout would bring it back" in used["words"]
    assert "run it again with -e retire_confirm=text-1" in " ".join(refused().split())
    assert "run it again with -e retire_confirm=text-1" in " ".join(refused(retire_confirm="speech-1").split())
    told = retire("--check")
    assert f"container {NAME}: stop and remove it, archive {len(used['wrote'])} files" in told and road.changes(told)["text-1"] >= 1
    assert any(each["Name"] == f"/{NAME}" for each in road.containers("text-1"))


def test_a_container_is_retired_and_nothing_is_lost(used: dict[str, t.Any]) -> None:
    held = holders(used["license"])
    assert len([path for path in held if f"/{NAME}/" in path]) == 1 and len(held) > 1, "another container has the same license"
    output = retire(retire_confirm="text-1")
    path = re.search(r"archived and proved: (\S+?\.tar\.gz)", output)
    assert path, output
    assert re.search(rf"carry the folder \S+/outbox/usage-{road.SITE}-\d+ into", output), "what was read last waits for nobody"
    assert "text-1: 1 license files wiped" in output and "text-1: 0 sets of models and files removed, neither they" in output
    with tarfile.open(fileobj=io.BytesIO(road.read(road.CONTROL, path[1]))) as tar:
        kept = {each.name: hashlib.sha256(t.cast("t.IO[bytes]", tar.extractfile(each)).read()).hexdigest() for each in tar if each.isreg()}
    assert {name.removeprefix("output/"): digest for name, digest in kept.items() if name.startswith("output/")} == used["wrote"]
    assert used["license"] not in kept.values() and "source.json" in kept
    assert inside(TEXT, "sh", "-c", f"ls -d {FOLDER} 2>/dev/null || echo gone") == "gone"
    assert holders(used["license"]) == [each for each in held if f"/{NAME}/" not in each]
    assert (others(), images()) == (used["others"], used["images"])
    road.report(log="leave-report")
    reported = {key: value for key, value in outcome.reported(outcome.report()).items() if key[1] == NAME}
    assert reported == used["counted"] and reported, "the last reading is in the ledger"
    again = retire(retire_confirm="text-1")
    assert set(road.changes(again).values()) == {0} and "nothing to retire" in again
    assert set(road.changes(road.rollout("--limit", "text-1", log="leave-rollout-again")).values()) == {0}


@pytest.mark.parametrize("marking", ["stay", "leave"])
def test_a_diagnosis_explains_and_gives_nothing_away(walked: dict[str, str], marking: str) -> None:
    output = road.playbook(road.CONTROL, "diagnose", "-e", f"diagnose_marking={marking}", log=f"leave-diagnose-{marking}")
    assert set(road.changes(output).values()) == {0}
    archives = opened(output)
    assert len(archives) == len(overlay.PUBLISHED)
    words = secrets() + (["text-1", "speech-1", road.SITE, "10.78."] if marking == "leave" else [])
    for path, members in archives:
        assert path.endswith(f"-{marking.upper()}.tar.gz") and members["summary.txt"].splitlines()[0].startswith(("STAYS", "MAY LEAVE")[marking == "leave"])
        assert [(name, word[:6]) for name, text in (*members.items(), (path, path)) for word in words if word in text] == []
        summary = json.loads(members["summary.json"])
        assert summary["engine"]["error"] is None and abs(summary["host"]["clock_offset"]) < 60
        assert all(item["status"] == "running" for item in summary["containers"]) and len(summary["containers"]) >= 1
        assert {item["container"] for item in summary["releases"] if item["license_days"] is not None}


def test_a_diagnosis_of_a_host_whose_engine_is_down(walked: dict[str, str]) -> None:
    before = others()
    try:
        inside(TEXT, "systemctl", "stop", "docker.socket", "docker.service")
        output = road.playbook(road.CONTROL, "diagnose", "--limit", "text-1", log="leave-diagnose-down")
    finally:
        inside(TEXT, "systemctl", "start", "docker.service")
    wait_for("the containers of text-1", lambda: set(others()) == set(before), 60)
    ((_path, members),) = opened(output)
    summary = json.loads(members["summary.json"])
    assert "start the engine" in summary["engine"]["error"] or "no such socket" in summary["engine"]["error"]
    assert summary["releases"] and "journal/docker.txt" in members


SPEECH = settings.host("speech-1").container
LICENSE_CANARY = "SIMULATED-LICENSE-CANARY"


def leave(*argv: str, **values: t.Any) -> str:
    """Retire whole hosts, or the site, although the inventory goes on declaring their containers."""
    return road.playbook(road.CONTROL, "retire", *argv, "-e", json.dumps({"retire_declared": True, **values}), log="leave-all")


def archived(host: str) -> dict[tuple[str, str, str, str], Decimal]:
    """What the record files in the archives of a host add up to, as ``outcome.metered`` tells it of a host's folders."""
    found: dict[tuple[str, str, str, str], Decimal] = {}
    folder = f"{road.HOME}/archive/{road.SITE}/{host}"
    for name in inside(road.CONTROL, "ls", folder).split():
        with tarfile.open(fileobj=io.BytesIO(road.read(road.CONTROL, f"{folder}/{name}"))) as tar:
            files = [each for each in tar if re.fullmatch(r"output/[^/]+/[^/]+/usage-[^/]+\.jsonl", each.name)]
            rows = [json.loads(line) for each in files for line in t.cast("t.IO[bytes]", tar.extractfile(each)).read().splitlines()]
        for row in rows:
            key = (host, re.sub(r"-\d{8}T\d{6}Z\.tar\.gz$", "", name), row["meter"], row["time"][:7])
            found[key] = found.get(key, Decimal(0)) + Decimal(row["quantity"])
    return found


def left_of(container: str) -> tuple[str, str, str]:
    """What is left on a host: its containers, our names of images, and files with a license."""
    ps = inside(container, "docker", "ps", "--all", "--quiet", "--filter", "label=airgap.azure_ai.container")
    names = inside(container, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
    held = inside(container, "sh", "-c", f"grep -rlIs {LICENSE_CANARY} /var/lib/azure-ai /home /tmp /var/tmp; true")
    return ps, "\n".join(line for line in names.splitlines() if line.startswith("azure-ai.invalid/")), held


@pytest.fixture(scope="module")
def retired(used: dict[str, t.Any]) -> dict[str, t.Any]:
    """First speech-1 as a whole, with archives, then the rest of the site, which keeps what was written; everything was used once more before."""
    known: dict[str, t.Any] = {"words": ""}
    road.traffic(2)
    known["running"] = outcome.running()
    known["wrote"] = {key: value for key, value in outcome.metered().items() if key[:2] in known["running"]}
    with pytest.raises(road.Refused) as caught:
        leave("--limit", "speech-1", retire_confirm="speech-1", retire_declared=False)
    known["words"] = caught.value.output
    known["check"] = leave("--limit", "speech-1", "--check")
    assert outcome.running() == known["running"]
    known["host"] = leave("--limit", "speech-1", retire_confirm="speech-1")
    known["left"] = outcome.running()
    known["site check"] = leave("--check", retire_site=True, retire_output="keep")
    known["site"] = leave(retire_site=True, retire_confirm=road.SITE, retire_output="keep")
    known["again"] = leave(retire_site=True, retire_confirm=road.SITE, retire_output="keep")
    return known


def test_a_whole_host_is_retired_and_the_others_go_on(retired: dict[str, t.Any]) -> None:
    assert "container stt-en: still declared" in retired["words"]
    mine = {name for host, name in retired["running"] if host == "speech-1"}
    for name in mine:
        assert f"container {name}: stop and remove it, archive" in retired["check"]
        assert re.search(rf"archived and proved: \S+/speech-1/{name}-\S+\.tar\.gz", retired["host"])
    assert road.changes(retired["check"])["speech-1"] >= 1
    assert f"/outbox/usage-{road.SITE}-" in retired["host"]
    assert retired["left"] == {each for each in retired["running"] if each[0] == "text-1"}
    assert {key: value for key, value in archived("speech-1").items() if key[1] in mine} == {
        key: value for key, value in retired["wrote"].items() if key[0] == "speech-1"
    }
    assert left_of(SPEECH) == ("", "", "")
    assert inside(SPEECH, "sh", "-c", "find /var/lib/azure-ai -type f | grep -v '/lock$' || echo nothing") == "nothing"
    assert inside(SPEECH, "systemctl", "is-active", "docker") == "active", "Docker goes on request only"


def test_a_site_is_retired_and_headquarters_has_every_record(retired: dict[str, t.Any]) -> None:
    assert {host for host, count in road.changes(retired["site check"]).items() if count} >= {"text-1"}
    assert left_of(TEXT) == ("", "", "")
    assert re.search(r"text-1: [1-9]\d* sets of models and files removed", retired["site"]), "those of the translator"
    kept = {key: value for key, value in outcome.metered().items() if key[:2] in retired["running"]}
    assert kept == {key: value for key, value in retired["wrote"].items() if key[0] == "text-1"}, "what was written stays where it was"
    assert set(road.changes(retired["again"]).values()) == {0} and "nothing to retire" in retired["again"]
    road.carry_export()
    road.playbook(road.BUILDER, "usage_import", log="leave-import")
    road.playbook(road.BUILDER, "report", log="leave-headquarters")
    told = outcome.reported(json.loads(road.read(road.BUILDER, f"{road.HOME}/report/report.json")))
    assert {key: value for key, value in told.items() if key[:2] in retired["running"]} == retired["wrote"]


def test_docker_goes_on_request(retired: dict[str, t.Any]) -> None:
    told = leave("--limit", "text-1", "--check", retire_engine=True, retire_output="keep")
    assert "purge" in told and "docker.io" in told
    leave("--limit", "text-1", retire_engine=True, retire_output="keep", retire_confirm="text-1")
    assert inside(TEXT, "sh", "-c", "command -v dockerd || echo gone") == "gone"
    assert inside(TEXT, "ls", "-d", "/var/lib/docker") == "/var/lib/docker"
    assert road.changes(leave("--limit", "text-1", retire_engine=True, retire_output="keep", retire_confirm="text-1")) == {"text-1": 0}
