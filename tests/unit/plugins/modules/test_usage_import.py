# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: results per site, receipts in the outbox, problems at the end."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import usage_import
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.exchange_kit import Headquarters, Keys, Site

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path, "site@plant-7", "site@plant-8", "hq@headquarters")


@pytest.fixture
def hq(tmp_path: Path, keys: Keys) -> Headquarters:
    for number, name in enumerate(("plant-7", "plant-8")):
        site = Site(tmp_path / name, keys, name)
        site.harvest(5 + number)
        site.carry(tmp_path / "inbox")
    return Headquarters(tmp_path / "hq", keys)


def options(hq: Headquarters, tmp_path: Path, **more: t.Any) -> dict[str, t.Any]:
    key = str(hq.keys.make("hq@headquarters"))
    base = {"url": hq.url, "src": [str(tmp_path / "inbox")], "allowed_signers": str(hq.keys.signers), "outbox": str(hq.outbox), "signing_key": key}
    return {**base, **more}


def test_check_then_merge_then_nothing(hq: Headquarters, tmp_path: Path, run: Run) -> None:
    dry = run(usage_import.main, check=True, **options(hq, tmp_path))
    assert (dry["changed"], Path(hq.url).exists(), hq.outbox.exists()) == (True, False, False)
    done = run(usage_import.main, **options(hq, tmp_path))
    assert {**dry, "invocation": ""} == {**done, "invocation": ""}
    assert (done["sites"], done["problems"]) == (["plant-7", "plant-8"], [])
    assert done["receipts"] == [str(hq.receipt(name)) for name in ("plant-7", "plant-8")]
    assert not run(usage_import.main, **options(hq, tmp_path))["changed"]


def test_a_revoked_site_is_refused_and_the_other_is_merged(hq: Headquarters, tmp_path: Path, run: Run) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text((tmp_path / "site@plant-7.pub").read_text())
    done = run(usage_import.main, **options(hq, tmp_path, revoked_keys=str(revoked)))
    assert done["sites"] == ["plant-8"]
    assert len(done["problems"]) == 1 and "revoked key of site@plant-7" in done["problems"][0]


def test_without_an_outbox_no_receipt_is_written(hq: Headquarters, tmp_path: Path, run: Run) -> None:
    base = options(hq, tmp_path)
    del base["outbox"], base["signing_key"]
    assert run(usage_import.main, **base)["receipts"] == []
    assert not hq.outbox.exists()


def test_an_empty_inbox_is_nothing_to_do(hq: Headquarters, tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    done = run(usage_import.main, **options(hq, tmp_path, src=[str(tmp_path / "empty")]))
    assert (done["changed"], done["exports"], Path(hq.url).exists()) == (False, [], False)


@pytest.mark.parametrize(("more", "says"), [({"src": ["/nowhere"]}, "source /nowhere: no such folder"), ({"signing_key": None}, "signing_key")])
def test_refusals_are_one_line(hq: Headquarters, tmp_path: Path, run: Run, more: dict[str, t.Any], says: str) -> None:
    done = run(usage_import.main, **{name: value for name, value in options(hq, tmp_path, **more).items() if value is not None})
    assert done["failed"] and says in done["msg"] and "\n" not in done["msg"]


def test_a_signing_key_that_is_gone_fails_after_the_rows_are_in(hq: Headquarters, tmp_path: Path, run: Run) -> None:
    done = run(usage_import.main, **options(hq, tmp_path, signing_key="/nowhere/key"))
    assert done["failed"] and "signing key /nowhere/key" in done["msg"]
    assert run(usage_import.main, **options(hq, tmp_path))["receipts"] == [str(hq.receipt(name)) for name in ("plant-7", "plant-8")]
