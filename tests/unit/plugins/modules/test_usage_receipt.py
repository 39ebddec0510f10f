# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: what a bundle brought is taken in, named or passed over; the rollout goes on whatever it is."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import usage_receipt
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = Site(tmp_path / "site", Keys(tmp_path, "site@plant-7", "hq@headquarters"))
    made.harvest(5)
    made.export()
    return made


@pytest.fixture
def brought(tmp_path: Path, site: Site) -> list[str]:
    hq = Headquarters(tmp_path / "hq", site.keys)
    hq.take(site.outbox)
    return [str(hq.receipt()), f"{hq.receipt()}.sig", str(tmp_path / "letter.pdf")]


def options(made: Site, paths: list[str], **more: t.Any) -> dict[str, t.Any]:
    return {"url": made.url, "site": made.name, "path": paths, "allowed_signers": str(made.keys.signers), **more}


def test_check_then_take_then_nothing(site: Site, brought: list[str], run: Run) -> None:
    dry = run(usage_receipt.main, check=True, **options(site, brought))
    done = run(usage_receipt.main, **options(site, brought))
    assert (dry["changed"], done["changed"], done["lines"]) == (True, True, dry["lines"])
    assert done["ignored"] == brought[2:]
    assert not run(usage_receipt.main, **options(site, brought))["changed"]


def test_in_check_mode_the_bundle_need_not_be_there_yet(site: Site, run: Run) -> None:
    done = run(usage_receipt.main, check=True, **options(site, ["/nowhere/receipt.json"]))
    assert (done["changed"], done["problems"]) == (False, [])
    assert "no such file" in run(usage_receipt.main, **options(site, ["/nowhere/receipt.json"]))["problems"][0]


def test_expiry_is_judged_no_earlier_than_at_the_bundle_accepted_last(site: Site, brought: list[str], tmp_path: Path, run: Run) -> None:
    freight_kit.expire(str(site.keys.signers), "20980101")
    stores = [freight_kit.accepted(tmp_path / year, f"{year}-06-01T00:00:00Z") for year in ("2098", "2097")]
    late, early = [run(usage_receipt.main, **options(site, brought, store=store)) for store in stores]
    assert "key has expired" in late["problems"][0] and not late["changed"]
    assert early["problems"] == [] and early["changed"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"site": "plant-8"}, "made for site plant-7"),
        ({"url": "/nowhere/ledger.db"}, "headquarters has usage of this site"),
        ({"empty": True}, "does not name"),
    ],
)
def test_what_cannot_be_believed_is_a_problem_and_no_failure(
    site: Site, brought: list[str], tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, more: dict[str, t.Any], says: str
) -> None:
    # Where a warning goes depends on whether the process has ever been a controller.
    warned: list[str] = []
    monkeypatch.setattr(usage_receipt.AnsibleModule, "warn", lambda _self, text: warned.append(text))
    if more.pop("empty", False):
        other = Site(tmp_path / "other", site.keys)
        other.harvest(1)
        more["url"] = other.url
    done = run(usage_receipt.main, **options(site, brought, **more))
    assert (done["changed"], len(done["problems"])) == (False, 1)
    assert says in done["problems"][0] and warned == done["problems"]
