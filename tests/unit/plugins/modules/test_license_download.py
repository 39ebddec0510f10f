# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module's decisions over a real store; the engine's part is replaced."""

from __future__ import annotations

import datetime
import errno
import io
import json
import os
import types
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import vault
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import room
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight.licenses import MAX_CIPHERTEXT
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
    made: t.ClassVar[list[tuple[t.Any, ...]]] = []

    def __init__(self, *arguments: object) -> None:
        FakeDownload.made.append(arguments)

    def run(self, _steps: object, sink: t.Callable[..., str], survey: t.Callable[..., object]) -> Outcome:
        FakeDownload.runs += 1
        if FakeDownload.refused:
            raise RemoteError("x", "refused")
        survey([("a/w.bin", 7)])
        digest = sink("a/w.bin", io.BytesIO(b"weights"), 7)
        return Outcome(LICENSE, "license.dat", {"MODELS": "/models/a"}, [{"path": "a/w.bin", "digest": digest, "size": 7}])


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeDownload.runs, FakeDownload.refused, FakeDownload.made = 0, False, []
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
        "model_endpoint": "",
        "model_api_key": "",
        "files_root": str(tmp_path / "files"),
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


def free(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Let every disk have that many bytes free."""
    state = os.statvfs("/")
    fields = {name: getattr(state, name) for name in dir(state) if name.startswith("f_")}
    monkeypatch.setattr(room.os, "statvfs", lambda _folder: types.SimpleNamespace(**{**fields, "f_frsize": 1, "f_bavail": size}))


def test_no_room_for_a_license_is_told_before_anything_runs(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, MAX_CIPHERTEXT + room.RESERVE - 1)
    with pytest.raises(InputError, match=rf"store .* \({MAX_CIPHERTEXT} bytes\) are to be written and .* are free on its disk"):
        run(params)
    assert FakeDownload.runs == 0 and Store(params["store"]).holdings()["releases"] == []
    free(monkeypatch, MAX_CIPHERTEXT + room.RESERVE)
    assert run(params)["changed"]


def test_no_room_for_models_is_told_before_the_first_is_kept(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    heavy = [("a/w.bin", 2**40), ("b/w.bin", 5)]
    monkeypatch.setattr(FakeDownload, "run", lambda _self, _steps, _sink, survey: survey(heavy))
    with pytest.raises(InputError, match=rf"store .*, models: .* \({2**40 + 5} bytes\) are to be written"):
        run(params)
    assert not list(Path(params["store"], "blobs/sha256").iterdir())


def test_a_disk_that_fills_up_under_models_is_named_and_leaves_no_release(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FakeDownload, "run", full)
    with pytest.raises(InputError, match="store .*: no space left on its disk"):
        run(params)
    assert Store(params["store"]).holdings()["releases"] == []


def test_the_spec_hides_key_and_proxies() -> None:
    spec = license_download.argument_spec()
    assert [name for name, option in spec.items() if option.get("no_log")] == ["api_key", "model_api_key", "proxy"]


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


WITH_FILES = {**ENTRY, "files": [{"option": "glossary", "mount": "/hotfix"}]}


@pytest.fixture
def glossary(params: dict[str, t.Any]) -> Path:
    """A folder of declared files that the option names."""
    folder = Path(params["files_root"]) / "glossary"
    folder.mkdir(parents=True)
    (folder / "en.fr.snt").write_bytes(b"words")
    params.update(entry=WITH_FILES, options={"languages": ["en", "fr"], "glossary": "glossary"})
    return folder


def test_changed_files_make_a_release_with_the_old_license(params: dict[str, t.Any], glossary: Path) -> None:
    first = run(params)["release"]
    assert first["files"] and first["files"] != first["models"] and not run(params, days=1)["changed"]
    (glossary / "en.fr.snt").write_bytes(b"other words")
    planned = run(params, check=True, days=2)
    assert planned["changed"] and "would be bound anew, nothing downloaded: its declared files have changed" in planned["msg"]
    second = run(params, days=2)["release"]
    assert second == planned["release"] and second["id"] != first["id"] and second["files"] != first["files"]
    assert {name: second[name] for name in ("license", "models", "downloaded", "expires", "selector", "settings")} == {
        name: first[name] for name in ("license", "models", "downloaded", "expires", "selector", "settings")
    }
    assert (first["made"], second["made"]) == (None, "2026-03-03T12:00:00Z")
    held = Store(params["store"]).holdings()
    assert {entry["digest"] for entry in held["models"]} == {first["models"], first["files"], second["files"]}
    assert all(record["license_size"] for record in held["releases"])
    assert not run(params, days=3)["changed"] and FakeDownload.runs == 1
    (glossary / "en.fr.snt").write_bytes(b"words")
    back = run(params, days=4)["release"]
    assert back["id"] == first["id"] and Store(params["store"]).find_release(first["selector"])["id"] == first["id"]


def test_declared_files_that_are_not_there_stop_before_anything_is_downloaded(params: dict[str, t.Any], glossary: Path) -> None:
    (glossary / "en.fr.snt").unlink()
    for check in (True, False):
        with pytest.raises(MissingError, match="option glossary of text_translation: .*holds no files"):
            run(params, check)
    assert FakeDownload.runs == 0


def test_files_that_the_store_lost_come_again(params: dict[str, t.Any], glossary: Path) -> None:
    first = run(params)["release"]
    lost = Path(Store(params["store"]).path_of(Digest.of(b"words")))
    lost.unlink()
    assert run(params)["changed"] and lost.exists() and FakeDownload.runs == 1
    assert not run(params)["changed"] and Store(params["store"]).holdings()["releases"][0]["id"] == first["id"]


@pytest.mark.parametrize("change", [{"glossary": None}, {"glossary": "glossary/deep"}])
def test_options_that_the_license_does_not_see_make_no_download(params: dict[str, t.Any], glossary: Path, change: dict[str, t.Any]) -> None:
    (glossary / "deep").mkdir()
    (glossary / "deep" / "en.fr.snt").write_bytes(b"words")
    first = run(params)["release"]
    params["options"] = {name: value for name, value in {**params["options"], **change}.items() if value is not None}
    result = run(params)
    assert FakeDownload.runs == 1 and "on which the license does not depend" in result["reason"]
    assert result["release"]["selector"] != first["selector"] and result["release"]["license"] == first["license"]
    assert not run(params)["changed"]


def test_other_languages_are_told_and_downloaded(params: dict[str, t.Any]) -> None:
    run(params)
    params["options"] = {"languages": ["en", "fr", "de"]}
    assert "yet: languages is en,fr,de and was en,fr" in run(params)["reason"]
    assert FakeDownload.runs == 2


def test_a_setting_that_the_offline_run_lacks_is_downloaded(params: dict[str, t.Any]) -> None:
    run(params)
    params["entry"] = {**ENTRY, "offline": {"captured": ["MODELS", "CONFIG"]}}
    assert "without the setting CONFIG" in run(params)["reason"]


def test_another_site_s_files_are_its_own(params: dict[str, t.Any], glossary: Path) -> None:
    run(params)
    (glossary / "en.fr.snt").write_bytes(b"for plant 8")
    params.update(vault_id="plant-8", vaults={"plant-7": __file__})
    second = run(params, days=1)["release"]
    assert FakeDownload.runs == 1 and second["made"] == "2026-03-02T12:00:00Z"
    assert not run(params, days=1)["changed"]


def test_a_service_without_license_needs_neither_engine_nor_key_nor_vault(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(license_download, "ArchiveEngine", None)
    params.update(entry={"online": [], "mounts": {}}, options={}, api_key="", endpoint="", resource="none", vault_password_file="/nowhere", vault_id="x")
    assert "would be bound: there is no release" in run(params, check=True)["msg"]
    first = run(params)["release"]
    assert (first["license"], first["models"], first["expires"], first["downloaded"], first["made"]) == (None, None, None, None, "2026-03-01T12:00:00Z")
    held = Store(params["store"]).holdings()["releases"][0]
    assert held["license_size"] == 0 and "good until" not in run(params)["msg"]
    params["vault_id"] = "another"
    assert not run(params, days=400)["changed"], "it belongs to no vault and never ends"
    params["image"] = record("b")
    assert "the tag is now sha256:bbbbbbbbbbbb" in run(params)["reason"]


def test_model_steps_get_the_model_s_account_and_nobody_else(params: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[t.Any] = []
    monkeypatch.setattr(FakeDownload, "run", lambda _self, steps, _sink, _survey: seen.extend(steps) or Outcome(LICENSE, "license.dat", {}, []))
    models = {"name": "model", "account": "model", "settings": {"ApiKey": "{api_key}"}, "produces": ["models"]}
    params.update(
        entry={**ENTRY, "online": [models, *ENTRY["online"]]}, options={"model_resource": "s0"}, model_endpoint="https://s0", model_api_key="s0-canary"
    )
    answer = json.dumps(run(params))
    assert [step.settings["ApiKey"] for step in seen] == ["s0-canary", KEY]
    assert "s0-canary" not in answer and "s0-canary" in FakeDownload.made[0][3], "errors blot it out"


def test_the_proxy_reaches_the_container_in_its_own_spelling(params: dict[str, t.Any]) -> None:
    params["proxy"] = {"HTTPS_PROXY": "http://user:word@proxy.example:3128", "NO_PROXY": "local"}
    run(params)
    _engine, recipe, _what, secrets, _begin = FakeDownload.made[0]
    assert recipe.environment == {
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTP_PROXY_CREDS": "user:word",
        "HTTPS_PROXY": "http://user:word@proxy.example:3128",
        "NO_PROXY": "local",
    }
    assert {"user:word", "word"} <= set(secrets) and "local" not in secrets


def test_progress_says_which_part_runs(params: dict[str, t.Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params["progress_file"] = str(tmp_path / "progress.json")
    before = FakeDownload.run
    monkeypatch.setattr(FakeDownload, "run", lambda self, *given: self.begin("step both (1 of 1)") and before(self, *given))
    monkeypatch.setattr(FakeDownload, "begin", property(lambda _self: FakeDownload.made[-1][4]), raising=False)
    run(params)
    state = json.loads((tmp_path / "progress.json").read_text())
    assert state["label"] == "license of text_translation:1.0 for translator-dc0, step both (1 of 1)" and state["finished"] and state["done"] == 7
