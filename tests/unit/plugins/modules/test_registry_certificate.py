# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made once, renewed in time, private, and the authority stays what hosts trust."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.modules import registry_certificate

Run = t.Callable[..., dict[str, t.Any]]


@pytest.fixture
def keep(run: Run, tmp_path: Path) -> t.Callable[..., dict[str, t.Any]]:
    def kept(*addresses: str, **more: t.Any) -> dict[str, t.Any]:
        return run(registry_certificate.main, folder=str(tmp_path), addresses=list(addresses), **{"days": 20, "renew_days": 10, **more})

    return kept


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_check_do_do(keep: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    told = keep("10.1.2.3", check=True)
    assert told["changed"] and "an authority of the site's own" in told["msg"] and "a certificate for 10.1.2.3" in told["msg"] and files(tmp_path) == {}
    assert keep("10.1.2.3")["msg"] == told["msg"]
    made = files(tmp_path)
    assert sorted(made) == ["ca.crt", "ca.key", "server.crt", "server.key"]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    again = keep("10.1.2.3")
    assert (again["changed"], again["msg"], files(tmp_path)) == (False, "its certificate is good", made)


def test_a_certificate_is_renewed_and_the_authority_stays(keep: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    keep("10.1.2.3")
    before = files(tmp_path)
    assert keep("10.1.2.3", renew_days=19)["changed"] is False
    assert "it ends in " in keep("10.1.2.3", days=40, renew_days=21)["msg"]
    assert "it does not name control.lan" in keep("10.1.2.3", "control.lan")["msg"]
    (tmp_path / "server.key").unlink()
    assert "there is none yet" in keep("10.1.2.3")["msg"], "a key that was lost"
    assert keep("10.1.2.3")["changed"] is False
    after = files(tmp_path)
    assert [after[name] == before[name] for name in ("ca.crt", "ca.key", "server.crt")] == [True, True, False]
    (tmp_path / "ca.key").unlink()
    assert "an authority" in keep("10.1.2.3")["msg"] and files(tmp_path)["ca.crt"] != before["ca.crt"]


def test_what_cannot_be_is_told(keep: t.Callable[..., dict[str, t.Any]], tmp_path: Path) -> None:
    assert "renew_days is not less than days" in keep("10.1.2.3", renew_days=20)["msg"]
    for address in ("büro.lan", "control lan", ""):
        assert "neither an IP address nor the name of a host" in keep(address)["msg"]
    (tmp_path / "ca.key").write_text("x")
    (tmp_path / "ca.crt").write_text("x")
    failed = keep("10.1.2.3")
    assert failed["failed"] and "the site's authority: not readable" in failed["msg"]
