# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Receipts: written once by headquarters, believed by the site only for rows that it has."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import receipt
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7", "hq@headquarters")


@pytest.fixture
def site(tmp_path: Path, keys: Keys) -> Site:
    made = Site(tmp_path / "site", keys)
    made.harvest(5)
    made.export()
    return made


@pytest.fixture
def hq(tmp_path: Path, keys: Keys, site: Site) -> Headquarters:
    made = Headquarters(tmp_path / "hq", keys)
    made.take(site.outbox)
    return made


def read(hq: Headquarters, name: str = "plant-7") -> receipt.Receipt:
    return receipt.read(str(hq.receipt()), name, Trust(str(hq.keys.signers)))


def take(site: Site, found: receipt.Receipt) -> tuple[bool, str]:
    with site.database.write() as connection:
        return receipt.take(connection, found, "2026-04-01T00:00:00Z")


def changed(found: receipt.Receipt, **more: t.Any) -> receipt.Receipt:
    return found._replace(document={**found.document, **more})


def test_it_says_what_headquarters_holds(hq: Headquarters, site: Site) -> None:
    found = read(hq)
    assert found.signer == "hq@headquarters"
    assert {table: head["seq"] for table, head in found.document["heads"].items()} == {"looks": 2, "readings": 2}
    assert take(site, found) == (True, "export 1 is acknowledged: looks up to row 2, readings up to row 2")
    assert take(site, found) == (False, "the receipt of export 1 was received before")


def test_it_is_written_again_only_when_it_says_something_else(hq: Headquarters, site: Site, tmp_path: Path) -> None:
    before = hq.receipt().read_bytes()
    assert hq.take(site.outbox)["receipts"] == []
    assert hq.receipt().read_bytes() == before
    hq.keys.make("another")
    assert hq.take(site.outbox, signing_key=str(tmp_path / "another"))["receipts"] == [str(hq.receipt())]
    hq.receipt().write_text("{}")
    assert hq.take(site.outbox)["receipts"] == [str(hq.receipt())]
    hq.receipt().unlink()
    assert hq.take(site.outbox)["receipts"] == [str(hq.receipt())]
    site.harvest(6)
    site.export()
    assert hq.take(site.outbox)["receipts"] == [str(hq.receipt())]
    assert read(hq).document["number"] == 2


def test_an_older_receipt_changes_nothing(hq: Headquarters, site: Site) -> None:
    older = read(hq)
    site.harvest(6)
    site.export()
    hq.take(site.outbox)
    assert take(site, read(hq))[0]
    assert take(site, older) == (False, "the receipt of export 1 is older than that of export 2, which was received before")


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"ledger": "0" * 32}, "which this one does not name among its predecessors"),
        ({"heads": {"looks": {"seq": 9, "hash": "1" * 64}}}, "acknowledges looks row 9 .* does not have that row"),
        ({"heads": {"readings": {"seq": 1, "hash": "1" * 64}}}, "acknowledges readings row 1 .* has another one"),
    ],
)
def test_a_receipt_for_what_this_ledger_does_not_have_is_named(hq: Headquarters, site: Site, more: dict[str, t.Any], says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        take(site, changed(read(hq), **more))
    assert take(site, read(hq))[0]


def test_a_ledger_that_goes_on_behind_lost_rows_believes_the_receipt_it_began_with(hq: Headquarters, site: Site, tmp_path: Path, keys: Keys) -> None:
    found = read(hq)
    fresh = Site(tmp_path / "fresh", keys)
    row = {"site": "plant-7", "number": 1, "id": "f" * 32, "opened_at": "2026-04-01T00:00:00Z", "predecessor": found.document["ledger"], "reason": "lost"}
    with fresh.database.write() as connection:
        connection.execute(receipt.tables().ledgers.insert(), {**row, "heads": json.dumps(found.document["heads"])})
    assert take(fresh, found)[0]


def test_who_may_speak_and_for_whom(hq: Headquarters, site: Site) -> None:
    with pytest.raises(InputError, match="made for site plant-7, this is plant-8"):
        read(hq, "plant-8")
    hq.receipt().write_bytes(hq.receipt().read_bytes().replace(b"plant-7", b"plant-8"))
    with pytest.raises(TrustError, match="does not verify"):
        read(hq)
    hq.receipt().with_suffix(".json.sig").unlink()
    with pytest.raises(TrustError, match="not signed"):
        read(hq)


@pytest.mark.parametrize("more", [{"heads": []}, {"heads": {"looks": {"seq": "2", "hash": "1" * 64}}}, {"format": 2}, {"number": 0}, {"more": 1}])
def test_a_signed_document_of_another_shape_is_refused(hq: Headquarters, more: dict[str, t.Any]) -> None:
    document = {**read(hq).document, **more}
    receipt.write(str(hq.receipt()), document, str(hq.keys.make("hq@headquarters")))
    assert hq.receipt().read_bytes() == pretty(document)
    with pytest.raises(AirgapError):
        read(hq)
