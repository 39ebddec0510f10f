# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adjustments: one spelling, signed by a known author, chained, never twice, never about what nobody reported."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, TrustError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import adjustment, ledger
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import tables
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Keys, Site

GIVEN = {"site": "plant-7", "host": "h1", "container": "stt", "service": "s", "resource": "r", "meter": "M", "month": "2026-01", "quantity": "1"}
GIVEN |= {"kind": "correction", "reason": "because"}
MOMENT = "2026-04-01T00:00:00Z"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7")


@pytest.fixture
def site(tmp_path: Path, keys: Keys) -> Site:
    made = Site(tmp_path / "site", keys)
    made.harvest(5)
    return made


@pytest.mark.parametrize(
    ("written", "kept"), [("2.50", "2.5"), ("-2.50", "-2.5"), ("007", "7"), ("-0", "0"), ("0.00", "0"), (" 3 ", "3"), ("9" * 36, "9" * 36)]
)
def test_a_number_has_one_spelling(written: str, kept: str) -> None:
    assert adjustment.entry({**GIVEN, "quantity": written})["quantity"] == kept


@given(st.sampled_from(adjustment.SAYS), st.none() | st.text(max_size=10) | st.integers() | st.sampled_from(["1e3", "NaN", "9" * 37, "a\nb", "\ud800"]))
def test_any_value_is_taken_or_refused_in_a_line(name: str, value: t.Any) -> None:
    try:
        row = adjustment.entry({**GIVEN, name: value})
    except AirgapError as exc:
        assert "\n" not in str(exc)
    else:
        assert adjustment.entry(row) == row


def test_a_signed_row_verifies_and_an_altered_one_does_not(keys: Keys) -> None:
    trust = Trust(str(keys.signers))
    row = adjustment.signed(adjustment.entry(GIVEN), "site@plant-7", MOMENT, str(keys.make("site@plant-7")), trust)
    adjustment.verify(row, trust)
    for name in (*adjustment.SAYS, "author", "entered_at", "document"):
        with pytest.raises(IntegrityError):
            adjustment.verify({**row, name: "another"}, trust)
    again = {**row, "quantity": "2"}
    with pytest.raises(TrustError, match="does not verify"):
        adjustment.verify({**again, "document": adjustment.document(again).decode()}, trust)


def test_a_stranger_cannot_sign_and_nobody_signs_for_another(keys: Keys) -> None:
    trust = Trust(str(keys.signers))
    with pytest.raises(TrustError, match="does not know"):
        adjustment.signed(adjustment.entry(GIVEN), "site@plant-7", MOMENT, str(keys.make("stranger")), trust)
    with pytest.raises(TrustError, match="says author site@plant-8 but was signed by site@plant-7"):
        adjustment.signed(adjustment.entry(GIVEN), "site@plant-8", MOMENT, str(keys.make("site@plant-7")), trust)


def test_rows_are_chained_and_never_entered_twice(site: Site) -> None:
    assert [site.adjust()["seq"], site.adjust(quantity="3")["seq"]] == [1, 2]
    assert (site.adjust(quantity="2.500")["changed"], site.adjust()["seq"]) == (False, 1)
    assert site.adjust(billed_unit="2.5")["seq"] == 3
    with site.database.read() as connection:
        assert ledger.verify(connection) == []
        assert ledger.heads(connection)["plant-7"]["adjustments"]["seq"] == 3
        assert connection.exec_driver_sql("SELECT adjustments_to FROM appends ORDER BY number DESC LIMIT 1").scalar() == 3


@pytest.mark.parametrize("kind", adjustment.KINDS)
def test_what_never_reported_needs_a_kind_that_says_why(site: Site, kind: str) -> None:
    unknown = {"container": "sst", "kind": kind}
    if kind in adjustment.WITHOUT_READINGS:
        assert site.adjust(**unknown)["changed"]
        return
    with pytest.raises(InputError, match=r"M of h1 sst \(speech_to_text, r0\): the ledger of plant-7 has no reading of it"):
        site.adjust(**unknown)
    with site.database.read() as connection:
        assert connection.execute(tables().adjustments.select()).all() == []


def test_the_first_row_of_a_site_may_be_an_opening_balance(tmp_path: Path, keys: Keys) -> None:
    site = Site(tmp_path / "fresh", keys)
    assert not Path(site.url).exists() and site.adjust(keep=False, kind="opening_balance")["changed"] and not Path(site.url).exists()
    assert site.adjust(kind="opening_balance")["seq"] == 1
    with site.database.read() as connection:
        assert ledger.current(connection, "plant-7") is not None
