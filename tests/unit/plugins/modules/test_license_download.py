# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's decisions over a real store; the engine's part is replaced."""

from __future__ import annotations

import datetime
import io
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.store import Store
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.download import Outcome
from ansible_collections.airgap.azure_ai.plugins.modules import license_download

KEY = "key-canary-51d0"
LICENSE = b"license-canary-77"
NOW = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.timezone.utc)
ENTRY = {
    "mounts": {"license": "/license", "output": "/output", "models": "/models"},
    "online": [{"name": "both", "settings": {"ApiKey": "{api_key}"}, "produces": ["models", "license"]}],
}


class FakeEngine:
    def __init__(self, *_arguments: object) -> None:
        pass

    def image(self, _name: str) -> dict[str, object]:
        return {"Id": "sha256:1"}


class FakeDownload:
    runs = 0
    refused = False

    def __init__(self, *arguments: object) -> None:
        pass

    def run(self, _steps: object, sink: t.Callable[..., str]) -> Outcome:
        FakeDownload.runs += 1
        if FakeDownload.refused:
            raise RemoteError("x", "refused")
        digest = sink("a/w.bin", io.BytesIO(b"weights"), 7)
        return Outcome(LICENSE, "license.dat", {"MODELS": "/models/a"}, [{"path": "a/w.bin", "digest": digest, "size": 7}])


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeDownload.runs, FakeDownload.refused = 0, False
    monkeypatch.setattr(license_download, "ArchiveEngine", FakeEngine)
    monkeypatch.setattr(license_download, "Download", FakeDownload)
    header = "$ANSIBLE_VAULT;1.2;AES256;"
    monkeypatch.setattr(vault, "encrypt", lambda data, vault_id, _file: f"{header}{vault_id}\n{data.hex()}".encode())
    monkeypatch.setattr(vault, "decrypt", lambda data, _vault_id, _file: bytes.fromhex(data.decode().splitlines()[1]))


@pytest.fixture
def params(tmp_path: Path) -> dict[str, t.Any]:
    return {
        "store": str(tmp_path / "store"),
        "docker_socket": "/nowhere",
        "image": record("a"),
        "service": "text_translation",
        "tag": "1.0",
        "entry": ENTRY,
        "options": {"languages": ["en", "fr"]},
        "resource": "translator-dc0",
        "endpoint": "https://x.example",
        "api_key": KEY,
        "lifetime_days": 40,
        "renew_days": 30,
        "vault_id": "plant-7",
        "vault_password_file": __file__,
        "vaults": {},
        "proxy": {},
        "network": "bridge",
        "progress_file": None,
        "timeout": 1,
    }


def record(letter: str) -> dict[str, t.Any]:
    return {"manifest": "sha256:" + letter * 64, "manifest_size": 1, "media_type": "x", "config": "sha256:" + "0" * 64, "config_size": 1, "layers": []}


def run(params: dict[str, t.Any], check: bool = False, days: int = 0) -> dict[str, t.Any]:
    return license_download.LicenseDownload(params, NOW + datetime.timedelta(days=days)).run(check)


def test_check_mode_says_why_and_makes_nothing(params: dict[str, t.Any]) -> None:
    result = run(params, check=True)
    assert result["changed"]
    assert "would be downloaded: there is no license" in result["msg"]
    assert not Path(params["store"]).exists()


def test_a_download_is_kept_whole_and_the_second_run_changes_nothing(params: dict[str, t.Any]) -> None:
    first, second = run(params), run(params)
    assert (first["changed"], second["changed"], FakeDownload.runs) == (True, False, 1)
    assert first["release"] == second["release"]
    assert (first["release"]["expires"], first["release"]["settings"]) == ("2026-04-10", {"MODELS": "/models/a"})
    held = Store(params["store"]).holdings()
    assert [record["id"] for record in held["releases"]] == [first["release"]["id"]]
    assert held["models"][0]["digest"] == first["release"]["models"]
    blob = Path(Store(params["store"]).path_of(Digest.parse(first["release"]["license"])))
    assert blob.stat().st_mode & 0o777 == 0o600
    assert held["releases"][0]["license_size"] == blob.stat().st_size


def test_neither_key_nor_license_is_in_the_answer_or_the_store(params: dict[str, t.Any]) -> None:
    answer = json.dumps(run(params))
    files = b"".join(path.read_bytes() for path in Path(params["store"]).rglob("*") if path.is_file())
    assert KEY not in answer
    assert KEY.encode() not in files
    assert LICENSE not in files
    assert LICENSE.decode() not in answer


def test_it_is_renewed_when_the_window_opens(params: dict[str, t.Any]) -> None:
    run(params)
    assert not run(params, days=19)["changed"]
    result = run(params, days=20)
    assert "ends on 2026-04-10, in 20 days (renewed from 20 days on)" in result["reason"]
    assert result["release"]["expires"] == "2026-04-30"


def test_a_lifetime_declared_later_is_recorded_without_a_download(params: dict[str, t.Any]) -> None:
    params["lifetime_days"] = None
    assert run(params)["release"]["expires"] is None
    params["lifetime_days"] = 40
    assert run(params, check=True)["changed"]
    result = run(params)
    assert "recorded as unknown, lifetime_days says 2026-04-10" in result["reason"]
    assert Store(params["store"]).holdings()["releases"][0]["expires"] == "2026-04-10"
    assert not run(params)["changed"]
    params["lifetime_days"] = None
    assert not run(params)["changed"]
    assert FakeDownload.runs == 1


def test_another_digest_wants_another_license_and_keeps_the_old_one(params: dict[str, t.Any]) -> None:
    run(params)
    params["image"] = record("b")
    assert "bound to image sha256:aaaaaaaaaaaa" in run(params)["reason"]
    assert len(Store(params["store"]).holdings()["releases"]) == 2
    assert not run(params)["changed"]


@pytest.mark.parametrize(("which", "words"), [("license", "no longer holds the license"), ("model", "no longer holds model file a/w.bin")])
def test_what_the_store_lost_is_downloaded_again(params: dict[str, t.Any], which: str, words: str) -> None:
    release = run(params)["release"]
    store = Store(params["store"])
    lost = release["license"] if which == "license" else store.holdings()["models"][0]["files"][0]["digest"]
    Path(store.path_of(Digest.parse(lost))).unlink()
    assert words in run(params)["reason"]
    assert not run(params)["changed"]


def test_another_site_gets_the_same_license_without_another_download(params: dict[str, t.Any]) -> None:
    first = run(params)["release"]
    params.update(vault_id="plant-8", vaults={"plant-7": __file__, "plant-8": __file__})
    assert "would be encrypted again from the vault of plant-7" in run(params, check=True)["msg"]
    second = run(params)["release"]
    assert FakeDownload.runs == 1
    assert second["license"] != first["license"]
    assert second["downloaded"] == first["downloaded"]
    assert second["models"] == first["models"]
    assert not run(params)["changed"]
    params["vault_id"] = "plant-7"
    assert run(params)["release"] == first


def test_another_sites_license_that_ends_soon_is_not_used(params: dict[str, t.Any]) -> None:
    run(params)
    params.update(vault_id="plant-8", vaults={"plant-7": __file__})
    assert "downloaded" in run(params, days=20)["msg"]
    assert FakeDownload.runs == 2


def test_an_empty_key_matters_only_when_something_is_downloaded(params: dict[str, t.Any]) -> None:
    run(params)
    params["api_key"] = ""
    assert not run(params)["changed"]
    params["resource"] = "other-dc0"
    with pytest.raises(InputError, match="the api_key is empty; set azure_ai_resources.other-dc0.api_key"):
        run(params)


def test_a_refusal_leaves_the_store_as_it_was(params: dict[str, t.Any]) -> None:
    FakeDownload.refused = True
    with pytest.raises(RemoteError):
        run(params)
    assert Store(params["store"]).holdings()["releases"] == []
    FakeDownload.refused = False
    assert run(params)["changed"]


def test_the_spec_hides_key_and_proxies() -> None:
    spec = license_download.argument_spec()
    assert [name for name, option in spec.items() if option.get("no_log")] == ["api_key", "proxy"]


def test_an_image_record_that_is_none_is_named(params: dict[str, t.Any]) -> None:
    params["image"] = {"manifest": "sha256:" + "a" * 64}
    with pytest.raises(InputError, match="image: its record is without manifest_size, media_type, config"):
        run(params)


def test_without_a_vault_password_nothing_is_downloaded(params: dict[str, t.Any]) -> None:
    params["vault_password_file"] = "/nowhere/vault"
    for check in (True, False):
        with pytest.raises(MissingError, match="vault password file /nowhere/vault: no such file"):
            run(params, check)
    assert FakeDownload.runs == 0
