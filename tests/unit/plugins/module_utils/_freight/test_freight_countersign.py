# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import time
import typing as t
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import signature
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import countersign, receive, verify
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit

SPACES = 'namespaces="azure-ai-bundle"'


class Office(t.NamedTuple):
    """Keys of builder and officers, and the signers file that knows them."""

    folder: Path
    keys: kit.Keys

    def officer(self, name: str, options: str = SPACES, key: str | None = None) -> Path:
        path = self.folder / (key or name)
        if not path.exists():
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(path)], check=True)
        with open(self.keys.signers, "a", encoding="utf-8") as stream:
            stream.write(f"officer@{name} {options} {Path(f'{path}.pub').read_text().strip()}\n")
        return path

    def sign(self, bundle: Path, key: Path, name: str, space: str = "azure-ai-bundle") -> None:
        """As docs/trust.md tells an officer to."""
        command = f"ssh-keygen -Y sign -q -f {key} -n {space} < {bundle}/bundle.json > {bundle}/bundle.json.{name}.sig"
        subprocess.run(command, shell=True, check=True)

    def problems(self, bundle: Path, required: int) -> list[str]:
        return verify.verify(str(bundle), replace(self.keys.trust, signatures=required), full=False)[2]


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path, kit.make_keys(tmp_path / "keys"))


@pytest.fixture
def made(tmp_path: Path, store: Store, office: Office) -> Path:
    return kit.build(store, tmp_path / "bundles", office.keys)


def test_as_many_officers_as_required_must_have_signed(office: Office, made: Path) -> None:
    assert office.problems(made, 1) == []
    assert "1 of the 2 signatures required" in office.problems(made, 2)[0]
    office.sign(made, office.officer("anna"), "anna")
    assert office.problems(made, 2) == [] == office.problems(made, 1)
    manifest, signers = verify.open_manifest(str(made), replace(office.keys.trust, signatures=2))
    assert signers == "builder@hq, officer@anna" and manifest["site"] == kit.SITE
    assert "2 of the 3 signatures required" in office.problems(made, 3)[0]
    office.sign(made, office.officer("bert"), "2")
    assert office.problems(made, 3) == []


@pytest.mark.parametrize("key", ["anna", "keys/builder"])
def test_one_key_under_two_names_is_one_officer(office: Office, made: Path, key: str) -> None:
    office.sign(made, office.officer("anna"), "anna")
    office.sign(made, office.officer("bert", key=key), "bert")
    assert "2 of the 3 signatures required" in office.problems(made, 3)[0]


def test_signatures_that_do_not_count_are_named(office: Office, made: Path) -> None:
    office.sign(made, office.officer("anna", options='namespaces="azure-ai-usage"'), "anna")
    office.sign(made, office.officer("bert"), "bert", space="azure-ai-usage")
    (made / "bundle.json.junk.sig").write_text("junk")
    line = office.problems(made, 2)[0]
    assert all(f"bundle.json.{name}.sig" in line for name in ("anna", "bert", "junk")) and "\n" not in line


def test_a_countersignature_is_of_these_very_bytes(office: Office, made: Path, store: Store, tmp_path: Path) -> None:
    office.sign(made, office.officer("anna"), "anna")
    other = kit.build(store, tmp_path / "bundles", office.keys, "1.0", sequence=2)
    (other / "bundle.json.anna.sig").write_bytes((made / "bundle.json.anna.sig").read_bytes())
    assert "1 of the 2" in office.problems(other, 2)[0]


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("control.json.anna.sig", True),
        ("index.json.anna.sig", False),
        ("bundle.json.anna.sig", True),
        ("bundle.json..sig", False),
        ("bundle.json.A.sig", False),
        ("x.sig", False),
    ],
)
def test_names(name: str, good: bool) -> None:
    assert countersign.is_name(name) is good and not countersign.is_name(name, "index.json")


def test_a_revoked_officer_does_not_count(office: Office, made: Path) -> None:
    key = office.officer("anna")
    office.sign(made, key, "anna")
    revoked = office.folder / "revoked"
    revoked.write_bytes(Path(f"{key}.pub").read_bytes())
    with pytest.raises(TrustError, match="revoked key of officer@anna"):
        verify.open_manifest(str(made), replace(office.keys.trust, signatures=2, revoked_keys=str(revoked)))


def _expiring(office: Office, until: str) -> None:
    lines = Path(office.keys.signers).read_text().splitlines(keepends=True)
    lines[0] = lines[0].replace("namespaces=", f'valid-before="{until}",namespaces=')
    Path(office.keys.signers).write_text("".join(lines))


def test_expiry_is_judged_by_the_later_of_clock_and_last_bundle(office: Office, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Store(str(tmp_path / "site"))
    late = kit.build(store, tmp_path / "bundles", office.keys, created="2026-06-01T00:00:00Z")
    receive.take(receive.judge(str(late), site, kit.SITE, office.keys.trust), site, kit.SITE)
    _expiring(office, "20260301")
    next_one = kit.build(store, tmp_path / "bundles", office.keys, "1.0", sequence=2)
    monkeypatch.setattr(time, "time", lambda: signature.PLAUSIBLE + 10.0)  # a clock set back would make the key good again
    with pytest.raises(TrustError) as caught:
        receive.judge(str(next_one), site, kit.SITE, office.keys.trust)
    assert str(caught.value).startswith("clock of this machine: says 2026-01-01T00:00Z, it is later than 2026-06-01T00:00Z")
    assert "key has expired" in str(caught.value)


def test_a_right_clock_is_not_blamed(office: Office, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _expiring(office, "20260110")
    with pytest.raises(TrustError, match="^bundle .*key has expired"):
        verify.open_manifest(str(made), office.keys.trust)


def test_a_bundle_from_the_future_is_the_clocks_fault_first(office: Office, store: Store, tmp_path: Path) -> None:
    site = Store(str(tmp_path / "site"))
    made = kit.build(store, tmp_path / "bundles", office.keys, created="2199-01-01T00:00:00Z")
    with pytest.raises(TrustError, match="^clock of this machine: says .* plant-7-1 was made at 2199-01-01"):
        receive.judge(str(made), site, kit.SITE, office.keys.trust)


def test_rotation_and_revocation_as_the_guide_walks_through(office: Office, store: Store, tmp_path: Path) -> None:
    old, new = office.keys.builder, office.folder / "signing-2"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(new)], check=True)
    first = kit.build(store, tmp_path / "b", office.keys)
    second = kit.build(store, tmp_path / "b", office.keys._replace(builder=str(new)), "1.0", sequence=2)
    assert "does not know for builder" in office.problems(second, 1)[0]
    with open(office.keys.signers, "a", encoding="utf-8") as stream:
        stream.write(f"builder@hq {SPACES} {Path(f'{new}.pub').read_text().strip()}\n")
    assert office.problems(first, 1) == [] == office.problems(second, 1)  # both count while media are on their way
    revoked = office.folder / "revoked"
    revoked.write_bytes(Path(f"{old}.pub").read_bytes())
    trust = replace(office.keys.trust, revoked_keys=str(revoked))
    assert "signed by a revoked key" in verify.verify(str(first), trust, full=False)[2][0] and verify.verify(str(second), trust, full=False)[2] == []
    revoked.unlink()
    assert "nothing is accepted without it" in verify.verify(str(second), trust, full=False)[2][0]
