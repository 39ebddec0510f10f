# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookups that a control node's playbooks use: what leaves as wants, where keys are, what the catalog says."""

from __future__ import annotations

import types
import typing as t

import pytest
from ansible.errors import AnsibleError

from ansible_collections.airgap.azure_ai.plugins.lookup import api_keys, catalog, harvested, wants

SPEECH = {"name": "stt-en", "service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "port": 5001, "resource": "speech-dc0"}
SENTIMENT = {"name": "sentiment", "service": "sentiment", "tag": "3.0-en", "port": 5003, "resource": "language-dc0"}

MODULES = {"api_keys": api_keys, "catalog": catalog, "harvested": harvested, "wants": wants}


class HostVars(dict):
    """Variables by host, as a lookup sees them."""

    def raw_get(self, host: str) -> t.Any:
        return self[host]


def look(name: str, *terms: str, hosts: dict[str, t.Any] | None = None, **variables: t.Any) -> list[t.Any]:
    lookup = MODULES[name].LookupModule(templar=types.SimpleNamespace(template=lambda value: value))
    lookup.set_options = lambda **_options: None
    lookup.get_option = {"allow_latest": False, "months": 2}.get
    return lookup.run(list(terms), variables={"hostvars": HostVars(hosts or {}), **variables})


def test_wants_hold_one_of_each_and_nothing_of_the_hosts() -> None:
    hosts = {
        "a": {"azure_ai_containers__x": [SPEECH], "ansible_host": "10.0.0.1"},
        "b": {"azure_ai_containers": [{**SPEECH, "name": "other", "port": 5009}, SENTIMENT]},
    }
    assert look("wants", "a", "b", hosts=hosts) == [
        {"service": "sentiment", "tag": "3.0-en", "resource": "language-dc0", "options": {}},
        {"service": "speech_to_text", "tag": "4.9.0-amd64-en-us", "resource": "speech-dc0", "options": {}},
    ]


def test_wants_name_every_bad_declaration_with_its_host() -> None:
    hosts = {"a": {"azure_ai_containers": [{**SPEECH, "tag": "latest"}]}, "b": {"azure_ai_containers": [{**SENTIMENT, "service": "sentimental"}]}}
    with pytest.raises(AnsibleError, match=r"2 problems: host a, container stt-en .* \| host b, container sentiment .*'sentimental' is unknown"):
        look("wants", "a", "b", hosts=hosts)


def test_keys_are_found_at_any_depth_and_never_shown() -> None:
    variables = {
        "azure_ai_resources": {"speech-dc0": {"endpoint": "x", "api_key": "geheim"}, "fine": {"endpoint": "y"}},
        "azure_ai_more": [{"API_KEY": "geheim"}],
        "azure_ai_api_key": "geheim",
        "grafana": {"api_key": "not ours"},
    }
    found = look("api_keys", "a", "b", hosts={"a": variables, "b": {"azure_ai_resources": {"fine": {}}}})
    assert found == ["host a: azure_ai_api_key", "host a: azure_ai_more[0].API_KEY", "host a: azure_ai_resources.speech-dc0.api_key"]


def test_a_key_that_cannot_be_decrypted_is_found_without_trying() -> None:
    class Vaulted:
        def __str__(self) -> str:
            raise AssertionError("decrypted")

    assert api_keys.places({"azure_ai_resources": {"x": {"api_key": Vaulted()}}}) == ["azure_ai_resources.x.api_key"]


def test_the_catalog_takes_the_hosts_changes() -> None:
    (entry,) = look("catalog", "sentiment", azure_ai_catalog={"sentiment": {"repository": "mine/sentiment"}})
    assert (entry["repository"], entry["mounts"]["license"]) == ("mine/sentiment", "/license")
    assert "speech_to_text" in look("catalog")[0]


def test_an_unknown_service_is_named() -> None:
    with pytest.raises(AnsibleError, match="service 'sentimental': unknown; use one of"):
        look("catalog", "sentimental")


LEFT = {"__harvest_id": "h", "azure_ai_containers": [SPEECH, SENTIMENT]}


def test_who_left_an_answer_and_who_was_not_meant() -> None:
    unreachable = {"unreachable": True, "msg": "no route"}  # silence was spooled before anybody went there
    hosts = {"a": {**LEFT, "__harvest_answer": {"failed": False}}, "b": {"azure_ai_containers": [SPEECH]}, "c": {**LEFT, "__harvest_answer": unreachable}}
    assert [(row["host"], row["answered"], row["containers"], row["problem"]) for row in look("harvested", *hosts, hosts=hosts)] == [
        ("a", True, [], ""),
        ("c", True, [], ""),
    ]


def test_what_is_declared_where_a_host_left_nothing() -> None:
    more = [{"name": "x", "url": "http://x", "container": "k8s"}, {"name": "y", "url": "http://y", "service": "ocr"}]
    hosts = {"a": {**LEFT, "harvest_endpoints": more}, "b": {**LEFT, "__harvest_answer": {"failed": True, "msg": "disk\nfull"}, "harvest_containers": [SPEECH]}}
    first, second = look("harvested", *hosts, hosts=hosts)
    assert [(row["container"], row["service"]) for row in first["containers"]] == [
        ("k8s", ""),
        ("sentiment", "sentiment"),
        ("stt-en", "speech_to_text"),
        ("y", "ocr"),
    ]
    assert (first["answered"], first["problem"]) == (False, "a task for it failed before")
    assert (len(second["containers"]), second["problem"]) == (1, "disk full")
    (row,) = second["containers"]
    assert (row["host"], len(row["months"])) == ("b", 2) and row["months"][0] < row["months"][1]


@pytest.mark.parametrize(
    ("wrong", "names", "words"),
    [
        ({"azure_ai_containers": [{**SENTIMENT, "service": "sentimental"}]}, [], "'sentimental' is unknown"),
        ({"harvest_endpoints": "http://a"}, ["sentiment", "stt-en"], "harvest_endpoints is not a list"),
        ({"harvest_endpoints": [{"url": "http://a"}]}, ["sentiment", "stt-en"], "harvest_endpoints is not a list"),
        ({"harvest_containers": 5}, [], "harvest_containers is not a list"),
    ],
)
def test_a_host_with_a_refused_declaration_is_named_with_what_is_known(wrong: dict[str, t.Any], names: list[str], words: str) -> None:
    (row,) = look("harvested", "a", hosts={"a": {**LEFT, **wrong}})
    assert [item["container"] for item in row["containers"]] == names
    assert words in row["problem"] and "\n" not in row["problem"]
