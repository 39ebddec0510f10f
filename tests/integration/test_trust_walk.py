# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Replacing and revoking a builder's key, walked through as docs/trust.md tells it: with the playbooks, and with the very lines of the page."""

from __future__ import annotations

import datetime
import json
import os
import re
import shutil
import subprocess
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import fingerprint
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import bundle as builder
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.bundle import Bundles
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _want
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "trust.md").read_text()
BUILDER = "builder@headquarters,hq@headquarters"


class World:
    """A connected zone and a site on this machine; ``media`` is what a person carries."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.media = folder, folder / "media"
        self.media.mkdir()
        self.store = kit.fill(folder / "store")

    def home(self, side: str) -> Path:
        return self.folder / side / "azure-ai"

    def play(self, side: str, name: str, **values: t.Any) -> subprocess.CompletedProcess[str]:
        given = {"azure_ai_site": kit.SITE, "azure_ai_home": str(self.home(side)), **values}
        command = ["ansible-playbook", "-i", "localhost,", f"airgap.azure_ai.{name}", "-e", json.dumps(given)]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.folder, env={**os.environ, "ANSIBLE_NOCOLOR": "1"})

    def typed(self, side: str, start: str) -> None:
        """Type the line of the page that begins like this, with this machine's folders in the place of the page's."""
        rows = [row for row in PAGE.splitlines() if row.startswith("|")]
        line = next(found for row in rows for found in re.findall(r"`([^`]+)`", row) if found.startswith(start))
        line = line.replace("/media/usb", str(self.media))
        subprocess.run(["sh", "-euc", line], check=True, env={**os.environ, "HOME": str(self.home(side).parent)}, capture_output=True)

    def trust(self, key: str, came: Path | None = None) -> None:
        """The site learns a key of the builder that came on a medium or in a bundle, held against the fingerprint that was told by telephone."""
        told = fingerprint(str(self.home("connected") / "keys" / key))
        shutil.copy(self.home("connected") / "keys" / f"{key}.pub", self.media)
        values = {"init_side": "site", "init_trust": str(came or self.media / f"{key}.pub"), "init_trust_principal": BUILDER, "init_trust_fingerprint": told}
        done = self.play("site", "init", **values)
        assert done.returncode == 0, done.stdout

    def build(self, key: str, sequence: int = 1) -> Path:
        """The bundle of that number, of what the builder holds now, signed with one of its keys."""
        bundles = Bundles(str(self.home("connected") / "bundles"), self.store)
        receipts = builder.receipts(self.store, [str(path) for path in (self.home("connected") / "outbox" / "trust").glob("*.pub")], keep=True)
        wanted = kit.compose(self.store, sequence=sequence, receipts=receipts)
        assert bundles.reason(wanted, bundles.last(kit.SITE), str(self.home("connected") / "keys" / key)), "another key is a reason"
        return Path(bundles.build(wanted, str(self.home("connected") / "keys" / key)))

    def forge(self, key: str) -> str:
        """Let whoever found a key make plant-7-50, with another image under a known tag and as late a date as passes; return the release."""
        now = datetime.datetime.now(datetime.timezone.utc)
        created, made = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in (now, now + datetime.timedelta(hours=20)))
        store = Store(str(self.folder / "forger")).create()
        release = kit.add_release(store, kit.add_image(store, "1.0", "evil"), made=made, settings={"MODELS": "evil"})
        manifest = kit.compose(store, "1.0", systems=[], sequence=50, created=created)
        Bundles(str(self.folder / "forger" / "bundles"), store).build(manifest, str(self.home("connected") / "keys" / key))
        return str(release["id"])

    def bound(self) -> dict[str, t.Any]:
        """What a rollout of the site takes for the container."""
        held = json.loads((self.home("site") / "store" / "holdings.json").read_bytes())
        return t.cast("dict[str, t.Any]", _want.bound(kit.selectors("1.0")[0], held)["release"])

    def receive(self, bundle: Path | None = None, **values: t.Any) -> subprocess.CompletedProcess[str]:
        """Receive what lies in the inbox, with one more bundle; whatever was received stays there."""
        if bundle:
            shutil.copytree(bundle, self.home("site") / "inbox" / bundle.name, dirs_exist_ok=True)
        done = self.play("site", "receive", **values)
        assert "Traceback" not in done.stdout + done.stderr
        return done

    def refused(self, bundle: Path, **values: t.Any) -> str:
        """What is said of a bundle that must not come in; it is taken out of the inbox again."""
        done = self.receive(bundle, **values)
        shutil.rmtree(self.home("site") / "inbox" / bundle.name)
        assert done.returncode != 0, done.stdout
        return done.stdout


def test_a_key_is_replaced_and_its_successor_revoked(tmp_path: Path) -> None:
    world = World(tmp_path)
    assert (done := world.play("connected", "init", init_side="connected")).returncode == 0, done.stdout
    world.trust("signing")
    old = world.build("signing")
    bytes_of_old = (old / "bundle.json").read_bytes()
    assert (done := world.receive(old)).returncode == 0, done.stdout

    world.typed("connected", "ssh-keygen -t ed25519")
    world.typed("connected", "ssh-keygen -l -f ~/azure-ai/keys/signing-2")
    assert (world.build("signing-2") / "bundle.json").read_bytes() == bytes_of_old, "signed anew, under its old number"
    world.typed("connected", "mkdir -p ~/azure-ai/outbox/trust")
    told = world.receive(world.build("signing", 2))
    print_ = fingerprint(str(world.home("connected") / "keys" / "signing-2"))
    assert told.returncode == 0 and f"plant-7-2 brings the key signing-2.pub, {print_}, and is signed by builder@headquarters" in told.stdout, told.stdout
    assert "ledger" not in told.stdout, "a key is no receipt for usage"
    fresh = world.build("signing-2", 3)
    assert "does not know for builder" in world.refused(fresh), "no key is trusted because it came"
    came = world.home("site") / "store" / "received" / "plant-7-2" / "signing-2.pub"
    assert f"-e init_trust={came} " in told.stdout and f"-e init_trust_principal={BUILDER} -e init_trust_fingerprint={print_}" in told.stdout
    world.trust("signing-2", came)
    assert (done := world.receive(fresh)).returncode == 0, done.stdout
    world.typed("site", "sed -i")
    forged = world.forge("signing-2")
    dropped = world.receive(tmp_path / "forger" / "bundles" / "plant-7-50")
    assert dropped.returncode == 0 and "plant-7-1: accepted before, and its signature does not count any more: passed over" in dropped.stdout
    assert world.bound()["id"] == forged, "nothing tells a forger's release from a genuine one"
    kit.add_package(world.store, "third")
    assert "does not know for builder" in world.refused(world.build("signing", 4)), "what is new is judged by the keys of today"

    world.typed("site", "cat /media/usb/signing-2.pub >>")
    revoked = {"azure_ai_revoked_keys": str(world.home("site") / "keys" / "revoked")}
    assert "signed by a revoked key" in world.refused(world.build("signing-2", 4), **revoked)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(world.home("connected") / "keys" / "signing-3")], check=True)
    world.trust("signing-3")
    genuine = world.build("signing-3", 4)
    older = world.receive(genuine, **revoked, receive_full=True)
    assert older.returncode == 0 and "nothing newer than sequence 50 has arrived" in older.stdout and "plant-7-50: accepted before" in older.stdout
    assert world.bound()["id"] == forged, "reading every blob again finds nothing"

    world.typed("site", "mkdir ~/azure-ai/lost")
    assert (done := world.receive(genuine, **revoked)).returncode == 0, done.stdout
    held = json.loads((world.home("site") / "store" / "holdings.json").read_bytes())
    assert held["bundles"][kit.SITE]["sequence"] == 4 and "evil" not in json.dumps(held)
    assert forged not in [release["id"] for release in held["releases"]] and world.bound()["tag"] == "1.0"
    again = world.receive(tmp_path / "forger" / "bundles" / "plant-7-50", **revoked)
    assert again.returncode != 0 and "signed by a revoked key" in again.stdout


def test_with_two_officers_sign_first_then_split(tmp_path: Path) -> None:
    world = World(tmp_path)
    keys = kit.make_keys(tmp_path / "keys")
    made = kit.build(world.store, world.home("connected") / "bundles", keys)
    values = {"bundle_signing_key": keys.builder, "bundle_allowed_signers": keys.signers, "bundle_source": str(made), "bundle_part_size": "4MB"}
    alone = world.play("connected", "split", **values)
    assert alone.returncode == 0 and "signed by the builder alone" in alone.stdout, alone.stdout
    kit.Keys.countersign(made / "bundle.json", keys.officer(tmp_path, "azure-ai-bundle"), "azure-ai-bundle")
    both = world.play("connected", "split", **values)
    assert both.returncode == 0 and "signed by the builder alone" not in both.stdout, both.stdout
    part = next(made.parent.glob("plant-7-1-part-01-of-*"))
    assert (part / "bundle.json.officer.sig").is_file()
