# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Media carried to a control node that has Python and OpenSSH only: its tools, a delta in parts, one of them damaged, and what turns out to be missing.

The tests follow one another: each goes on from where the one before it ended.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.lab import carry, leaks, overlay, road
from tests.lab.demo import told
from tests.lab.settings import Json
from tests.lab.shell import inside


@pytest.fixture(scope="module")
def fleet(walked: dict[str, str]) -> str:
    """One run for three sites, on the holdings that plant-7 sent out; what it printed."""
    carry.lay_fleet()
    for name in ("holdings.json", "holdings.json.sig"):
        road.hand_over(road.CONTROL, f"{road.HOME}/outbox/{name}", road.BUILDER, f"{road.HOME}/carried/{road.SITE}/{name}")
    with pytest.raises(road.Refused) as caught:
        carry.bundle("carry-bundle")
    return caught.value.output


@pytest.fixture(scope="module")
def delta(fleet: str) -> str:
    """The folder of the bundle for plant-7 on the builder."""
    return road.newest_bundle()


@pytest.fixture(scope="module")
def media(delta: str) -> list[str]:
    """The bundle's parts, each mounted on the new control node: path there, in order."""
    carry.new_node()
    mounted = []
    for number, folder in enumerate(carry.split(delta), 1):
        mounted.append(f"{carry.MEDIA}/{number}")
        road.bring(road.BUILDER, folder, carry.NODE, mounted[-1])
    return mounted


def manifest(folder: str, container: str = road.BUILDER) -> Json:
    """``bundle.json`` of a bundle's folder."""
    return json.loads(road.read(container, f"{folder}/bundle.json"))


def damage(path: str, container: str = carry.NODE) -> None:
    """Change bytes in the middle of a file."""
    inside(container, "sh", "-c", f"printf damaged | dd of={path} bs=1 seek=1000 conv=notrunc status=none")


def test_one_run_builds_for_every_site_and_one_that_fails_stops_no_other(fleet: str, delta: str) -> None:
    lines = told(fleet)
    row = {line.split()[0]: line for line in lines if re.match(r"plant-[789] +(built|failed)", line)}
    assert "on holdings: " in row["plant-7"] and "complete: " in row["plant-8"] and row["plant-9"].split()[1] == "failed"
    assert "plant-9: " in fleet.rpartition("fatal: [localhost]")[2] and "3.0-nobody" in fleet and "Traceback" not in fleet
    licenses = [line for line in lines if line.startswith("license of ")]
    downloaded = [line.split(" for ")[0] for line in licenses if ": downloaded" in line]
    assert len(downloaded) == len(set(downloaded)) == 1, "what one site has, the others get without another download"
    again = [line for line in licenses if "encrypted again from the vault of" in line]
    assert len(again) >= 3 and sum(line.startswith("fetched ") for line in lines) == 1
    other = manifest(row["plant-8"].rpartition(": ")[2])
    # The store has one set for all sites; hosts install what their own site asks for.
    packages = [{entry["name"]: entry["requested"] for entry in each["packages"]} for each in (manifest(delta), other)]
    assert set(packages[0]) == set(packages[1]) and [(names["jq"], names["nginx"], names["docker.io"]) for names in packages] == [
        (False, True, True),
        (True, False, True),
    ]
    secrets = [{release["license"] for release in each["releases"]} for each in (manifest(delta), other)]
    assert not secrets[0] & secrets[1], "licenses of one site open with no other's password"
    # Two bundles, the store and the kit: one file on the disk.
    biggest = max(other["blobs"], key=lambda blob: blob["size"])["digest"].partition(":")[2]
    assert int(inside(road.BUILDER, "stat", "-c", "%h", f"{road.HOME}/store/blobs/sha256/{biggest}")) >= 3


def test_a_delta_brings_what_the_site_lacks_and_the_kit_goes_along(delta: str, media: list[str]) -> None:
    made = manifest(delta)
    carried = [blob["size"] for blob in made["blobs"] if blob["carried"]]
    assert made["base"]["kind"] == "holdings" and carry.PACKAGE_SIZE <= sum(carried) < carry.PACKAGE_SIZE * 1.02 < sum(blob["size"] for blob in made["blobs"])
    assert len(media) == 3 and max(carried) > carry.PART_SIZE
    sizes = [int(inside(carry.NODE, "du", "-sb", folder).split()[0]) for folder in media]
    assert max(sizes) <= carry.PART_SIZE and max(sizes) - min(sizes) < carry.PART_SIZE / 10
    assert [inside(carry.NODE, "sh", "-c", f"ls {folder}/blobs/sha256 2>/dev/null | wc -l") != "0" for folder in media] == [True, False, False]


def test_a_damaged_wheel_is_named_and_an_older_kit_installed(media: list[str]) -> None:
    for missing in ("python3 -m pip --version", "python3 -c 'import ensurepip'", "command -v rsync", "command -v ansible"):
        assert carry.typed("/", missing)[0] != 0, missing
    older = f"{carry.MEDIA}/older"
    road.bring(road.BUILDER, carry.older_kit(), carry.NODE, older)
    wheel = next(entry for entry in json.loads(road.read(carry.NODE, f"{older}/control.json"))["files"] if entry["name"] == "jinja2")
    blob = f"{older}/blobs/sha256/{wheel['digest'].partition(':')[2]}"
    inside(carry.NODE, "cp", blob, f"{carry.MEDIA}/good")
    damage(blob)
    code, said = carry.typed(older, carry.line(older))
    assert code != 0 and f"{wheel['filename']}: damaged" in said and carry.typed("/", "ls /opt/azure-ai/current")[0] != 0
    inside(carry.NODE, "cp", f"{carry.MEDIA}/good", blob)
    code, said = carry.typed(older, carry.line(older))
    assert code == 0 and "rsync" in said and carry.version() == "0.9.0", said


def test_an_old_site_takes_a_new_collection_from_the_medium_and_has_a_way_back(media: list[str]) -> None:
    with pytest.raises(road.Refused, match=r"has format 2, this collection reads 1; install a newer airgap\.azure_ai first"):
        carry.receive(media[0], log="carry-old-receive")
    code, said = carry.typed(media[1], f"cp {media[1]}/install.sh /tmp/ && sh install.sh --signers ~/allowed_signers")
    assert code != 0 and "the kit's files are on another part" in said
    code, said = carry.typed(media[0], carry.line(media[0]))
    assert code == 0 and "takes the place of control-0.9.0-" in said and carry.version() == "1.0.0", said
    assert carry.typed(media[0], "sh install.sh --rollback")[0] == 0 and carry.version() == "0.9.0"
    assert carry.typed(media[0], carry.line(media[0]))[0] == 0 and carry.version() == "1.0.0"


def test_media_come_one_at_a_time_and_a_damaged_part_alone_is_made_again(delta: str, media: list[str]) -> None:
    piece = inside(carry.NODE, "sh", "-c", f"ls -S {media[1]}/blobs/000/* | head -n 1")
    damage(piece)
    with pytest.raises(road.Refused) as caught:
        carry.receive(media[1], log="carry-damaged")
    output = caught.value.output
    assert f"part 2: {piece[len(media[1]) + 1 :]}: damaged" in output and "have part 2 made again" in output and "airgap.azure_ai.split" in output
    inside(road.BUILDER, "rm", "-r", next(folder for folder in carry.split(delta) if "-part-02-" in folder))
    road.bring(road.BUILDER, carry.split(delta, 2)[1], carry.NODE, media[1])
    assert "part 3 of 3 is here" in carry.receive(media[2], log="carry-third").replace("parts", "part")
    assert "part 1 still to come" in carry.receive(media[1], log="carry-second")


def test_a_missing_base_is_named_before_anything_is_touched_and_comes_by_its_code(delta: str, media: list[str]) -> None:
    with pytest.raises(road.Refused) as caught:
        carry.receive(media[0], log="carry-first")
    made = manifest(delta)
    missing = [blob["size"] for blob in made["blobs"] if not blob["carried"]]
    code = re.search(r"\b([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\b", caught.value.output)
    assert code and f"builds on {len(missing)} blobs" in caught.value.output
    assert inside(carry.NODE, "sh", "-c", f"ls {road.HOME}/store/blobs/sha256 2>/dev/null | wc -l") == "0", "the store is as it was"
    asked = json.loads(road.read(carry.NODE, f"{road.HOME}/outbox/missing.json"))
    assert asked["code"] == code[1]
    carry.bundle("carry-missing", bundle_missing=code[1], bundle_sites=road.SITE)
    second = road.newest_bundle()
    came = {blob["digest"] for blob in manifest(second)["blobs"] if blob["carried"]}
    assert came == set(asked["blobs"]) and "control.json" not in inside(road.BUILDER, "ls", second).split()
    road.bring(road.BUILDER, second, carry.NODE, f"{road.HOME}/inbox/{second.rpartition('/')[2]}")
    carry.receive(media[0], log="carry-both")
    held = json.loads(road.read(carry.NODE, f"{road.HOME}/outbox/holdings.json"))
    receipts = {each["digest"] for each in made.get("receipts", [])}  # taken into the ledger, not held
    assert {blob["digest"] for blob in made["blobs"]} - receipts <= set(held["blobs"])
    assert "missing.json" not in inside(carry.NODE, "ls", f"{road.HOME}/outbox").split()


def test_the_new_node_plans_and_harvests_with_the_kits_ansible(media: list[str]) -> None:
    overlay.write(carry.NODE, road.HOME, "group_vars/text_hosts/carry.yml", {"azure_ai_containers__carry": [carry.declared()]})
    road.playbook(carry.NODE, "rollout", "--check", log="carry-plan")
    plan = road.read(carry.NODE, f"{road.HOME}/plans/{road.SITE}.txt").decode()
    assert "container own-intents: none -> " in plan and "speech-1\n  nothing to do\n" in plan and "PROBLEM" not in plan, plan
    road.traffic(1)
    assert road.changes(road.playbook(carry.NODE, "harvest", log="carry-harvest"))["localhost"] > 0
    counters = leaks.counters()
    assert counters["site"] == counters["remote"] == {"escaped": 0, "attempted": 0}, "nobody asked a network for anything"


def test_a_site_that_holds_the_base_takes_all_media_at_once(media: list[str]) -> None:
    for folder in media:
        road.bring(carry.NODE, folder, road.CONTROL, folder)
    output = carry.receive(*media, log="carry-at-once", container=road.CONTROL)
    assert "all 3 parts are here" in output and "control kit 1.0.0-" in output and "in use here is none" in output
