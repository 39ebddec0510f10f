# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One look at a builder: everything that stands in the way at once, nothing fetched, no key shown."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import diagnostic
from ansible_collections.airgap.azure_ai.plugins.modules import builder_info
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight import freight_kit as kit
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._freight.toy_proxy import ToyProxy
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import FakeEngine

KEY = "key-canary-2203"
ENTRY = {
    "registry": "registry.example",
    "repository": kit.REPOSITORY,
    "size": {"minimum": {"cpus": 1, "memory": "1m"}, "recommended": {"cpus": 1, "memory": "1m"}},
    "cpu_flags": [],
    "online": [{"name": "license", "settings": {}, "produces": ["license"]}],
    "files": [{"option": "glossary", "mount": "/g"}],
}


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> kit.FolderRegistry:
    found = kit.FolderRegistry(tmp_path / "registry")
    found.push("1.0", kit.make_image("base", "one"))
    monkeypatch.setenv("PATH", f"{found.program.parent}:{os.environ['PATH']}")
    return found


@pytest.fixture
def azure() -> t.Iterator[ToyProxy]:
    found = ToyProxy()
    yield found
    found.close()


@pytest.fixture
def options(tmp_path: Path, remote: kit.FolderRegistry, azure: ToyProxy, fake: FakeEngine) -> dict[str, t.Any]:
    (tmp_path / "files").mkdir()
    (tmp_path / "vault").write_text("x")
    return {
        "containers": [container()],
        "accounts": [
            {"name": "dc0", "endpoint": f"http://{azure.address}", "api_key": KEY},
            {"name": "idle", "endpoint": "http://nowhere.invalid", "api_key": KEY},
        ],
        "files_root": str(tmp_path / "files"),
        "vault_password_file": str(tmp_path / "vault"),
        "store": str(tmp_path / "store"),
        "docker_socket": fake.path,
        "timeout": 5,
    }


def container(**changes: t.Any) -> dict[str, t.Any]:
    base = {"name": "a", "service": "speech_to_text", "tag": "1.0", "resource": "dc0", "options": {}, "variable": "azure_ai_containers", "entry": ENTRY}
    return {**base, **changes}


Run = t.Callable[..., dict[str, t.Any]]


def test_a_good_builder_is_told_so_and_nothing_is_fetched(options: dict[str, t.Any], remote: kit.FolderRegistry, run: Run) -> None:
    result = run(builder_info.main, **options)
    assert (result["problems"], result["changed"], result["engine"]) == ([], False, "20.10.24")
    image = kit.make_image("base", "one")
    assert result["fetch_bytes"] == sum(map(len, (image.manifest, image.config, *image.layers.values())))
    assert result["images"] == [f"{kit.REPOSITORY}:1.0 {kit.sha(image.manifest)}"] and "nothing stands in the way" in result["msg"]
    assert remote.fetched() == [] and not Path(options["store"]).exists()


def test_everything_is_told_at_once(options: dict[str, t.Any], fake: FakeEngine, run: Run) -> None:
    huge = {**ENTRY, "size": {"minimum": {"cpus": 1, "memory": "999t"}, "recommended": {"cpus": 1, "memory": "999t"}}}
    options["containers"] += [
        container(name="b", tag="8"),
        container(name="c", tag="9", resource="nobody-s"),
        container(name="d", options={"glossary": "gone"}),
        container(name="e", entry=huge),
    ]
    options["accounts"][0]["endpoint"] = "http://127.0.0.1:9"
    options.update(docker_socket="/nowhere", vault_password_file="/nowhere", proxy={"HTTP_PROXY": "nonsense://x"})
    problems = run(builder_info.main, **options)["problems"]
    for words in (
        "container c (azure_ai_containers): resource nobody-s is not in",
        "azure_ai_proxy.HTTP_PROXY: not the address",
        "container d (azure_ai_containers), option glossary: ",
        "vault password file /nowhere: no such file",
        "engine: Docker Engine at /nowhere: no such socket",
        "container e (azure_ai_containers): its license run needs",
        f"images registry.example/{kit.REPOSITORY}:8, registry.example/{kit.REPOSITORY}:9: the registry has no such tag",
        "endpoint http://127.0.0.1:9 of resource dc0: ",
    ):
        assert any(words in line for line in problems), (words, problems)
    assert len(problems) == 8


def test_without_probe_neither_engine_nor_network_is_asked(options: dict[str, t.Any], azure: ToyProxy, run: Run) -> None:
    options.update(probe=False, docker_socket="/nowhere", registry="nowhere.invalid", containers=[container(resource="x")])
    result = run(builder_info.main, **options)
    assert len(result["problems"]) == 1 and "resource x is not in azure_ai_resources" in result["problems"][0] and "images" not in result


def test_a_service_without_license_needs_no_engine_and_no_account(options: dict[str, t.Any], run: Run) -> None:
    options.update(
        containers=[container(entry={**ENTRY, "online": []}, resource="none")], docker_socket="/nowhere", vault_password_file="/nowhere", accounts=[]
    )
    assert run(builder_info.main, **options)["problems"] == []


def test_the_model_s_resource_is_asked_as_well(options: dict[str, t.Any], run: Run) -> None:
    entry = {**ENTRY, "online": [{"name": "m", "account": "model", "settings": {}, "produces": ["models"]}, *ENTRY["online"]]}
    options["containers"] = [container(entry=entry, options={"model_resource": "idle"})]
    (problem,) = run(builder_info.main, **options)["problems"]
    assert "endpoint http://nowhere.invalid of resource idle: has no address" in problem


def test_no_key_is_shown(options: dict[str, t.Any], run: Run) -> None:
    assert KEY not in json.dumps(run(builder_info.main, **options))
    spec = builder_info.argument_spec()
    assert spec["accounts"]["options"]["api_key"]["no_log"] and spec["proxy"]["no_log"]


@pytest.mark.parametrize("said", [None, "Azure refuses the key; compare"])
def test_the_diagnostic_image_runs_once_for_each_resource_in_use(
    options: dict[str, t.Any], remote: kit.FolderRegistry, run: Run, monkeypatch: pytest.MonkeyPatch, said: str | None
) -> None:
    remote.push("latest", kit.make_image("diagnostic"))
    seen: list[t.Any] = []
    monkeypatch.setattr(diagnostic, "problem", lambda _engine, *given: seen.append(given) or said)
    assert run(builder_info.main, check=True, diagnostic=True, **options)["problems"] == [] and seen == []
    result = run(builder_info.main, diagnostic=True, **options)
    assert [given[1].api_key for given in seen] == [KEY]
    assert result["problems"] == ([f"diagnostic image for resource dc0: {said}"] if said else [])
    assert len(remote.fetched()) == 1, "the image of the probe alone"


def test_what_is_returned_is_documented(options: dict[str, t.Any], run: Run) -> None:
    told = yaml.safe_load(builder_info.RETURN)
    assert {name for name in run(builder_info.main, **options) if name not in ("changed", "invocation", "failed")} == set(told)
