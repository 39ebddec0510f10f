# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: an adjustment once, signed by whom it names, and refused in one line."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import usage_adjust
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Keys, Site

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site", Keys(tmp_path, "site@plant-7"))
    made.harvest(5)
    return made


def options(made: Site, **more: t.Any) -> dict[str, t.Any]:
    what = {"host": "h1", "container": "stt", "service": "speech_to_text", "resource": "r0", "meter": "M", "month": "2026-01", "quantity": "2.5"}
    base = {"url": made.url, "site": made.name, "kind": "correction", "reason": "because", "allowed_signers": str(made.keys.signers)}
    return {**what, **base, "signing_key": str(made.keys.make("site@plant-7")), **more}


def rows(site: Site) -> list[tuple[t.Any, ...]]:
    with site.database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT quantity, author FROM adjustments")]


def test_check_then_enter_then_nothing(site: Site, run: Run) -> None:
    dry = run(usage_adjust.main, check=True, **options(site))
    assert (dry["changed"], rows(site)) == (True, [])
    done = run(usage_adjust.main, **options(site))
    assert (done["changed"], done["seq"], rows(site)) == (True, 1, [("2.5", "site@plant-7")])
    assert json.loads(done["diff"]["after"])["adjustment"]["reason"] == "because"
    again = run(usage_adjust.main, **options(site))
    assert (again["changed"], again["msg"]) == (False, "row 1 says the same")


def test_somebody_else_may_sign_when_he_is_trusted(site: Site, run: Run) -> None:
    site.keys.trust("site@auditor", "auditor")
    more = {"signing_key": str(site.keys.make("auditor")), "author": "site@auditor"}
    assert run(usage_adjust.main, **options(site, **more))["changed"]
    assert rows(site) == [("2.5", "site@auditor")]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"container": "sst"}, "has no reading of it; look at the spelling"),
        ({"quantity": "many"}, "quantity 'many': not a decimal number"),
        ({"month": "March"}, "month 'March'"),
        ({"reason": " "}, "reason is not a line of text"),
        ({"signing_key": "/nowhere/key"}, "signing key /nowhere/key: no such file"),
        ({"author": "site@plant-8"}, "does not know it for site|says author|does not know for"),
        ({"url": "/nowhere/ledger.db"}, "no such file"),
    ],
)
@pytest.mark.parametrize("check", [False, True])
def test_refusals_are_one_line_and_leave_nothing(site: Site, run: Run, more: dict[str, t.Any], says: str, check: bool) -> None:
    done = run(usage_adjust.main, check=check, **options(site, **more))
    assert done["failed"] and any(part in done["msg"] for part in says.split("|")) and "\n" not in done["msg"]
    assert rows(site) == []
