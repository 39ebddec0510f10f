# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every endpoint and scope has an outcome, in bounded time, whatever the peer does."""

from __future__ import annotations

import ssl
import time
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.doc_fragments._asking import ModuleDocFragment
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import client
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage import faults
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report

# The time limit leaves a busy machine room: a good answer must always come within it.
QUICK = client.Limits(timeout=1, retries=0, max_body=100_000)
MARCH = "/records/usage-logs/03/2026"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_FIRST_PAUSE", 0.001)


def ask(server: Endpoint, months: t.Sequence[str] = (), limits: client.Limits = QUICK) -> client.Answers:
    return client.ask_all([{"name": "c", "url": server.url, "source": "id1"}], months, limits)


def kinds(answers: client.Answers) -> dict[str, str]:
    return {item["scope"]: item["outcome"] for item in answers.readings} | {item["scope"]: item["kind"] for item in answers.failures}


def test_a_reading_has_the_documented_shape() -> None:
    with Endpoint({ALL: report(2, type="T"), MARCH: report(1.5)}) as server:
        answers = ask(server, ["2026-03"])
    month, whole = answers.readings
    assert whole == {
        "name": "c",
        "source": "id1",
        "url": server.url + ALL,
        "scope": "all",
        "outcome": "usage",
        "http_status": 200,
        "api_type": "a",
        "service_name": "s",
        "meters": [{"name": "M", "quantity": "2", "billed_unit": None}],
        "extra": {"type": "T"},
        "observed_at": whole["observed_at"],
        "body_sha256": whole["body_sha256"],
    }
    assert (month["scope"], month["meters"][0]["quantity"]) == ("2026-03", "1.5")
    assert answers.failures == []


def test_one_connection_serves_all_scopes_and_months_come_first() -> None:
    with Endpoint({ALL: report(), MARCH: report(), "/records/usage-logs/12/2025": report()}) as server:
        ask(server, ["2025-12", "2026-03"])
    assert [path for path, _port in server.asked] == ["/records/usage-logs/12/2025", MARCH, ALL]
    assert len({port for _path, port in server.asked}) == 1


def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    with Endpoint({ALL: report(), MARCH: faults.close_after(report())}) as server:
        assert kinds(ask(server, ["2026-03"])) == {"2026-03": "usage", "all": "usage"}


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (faults.hang, "no_answer", "within 1 s"),
        (faults.drip, "no_answer", "within 1 s"),
        (faults.drip_headers, "no_answer", "within 1 s"),
        (faults.cut, "no_answer", "broke off"),
        (faults.hang_up, "no_answer", "closed before an answer"),
        (faults.flood, "bad_answer", "larger than max_body"),
        (b" " * 100_001, "bad_answer", "100001 bytes, more than max_body"),
        (faults.redirect, "bad_answer", "HTTP 302, a redirect"),
        (faults.nonsense, "bad_answer", "not an HTTP answer"),
        (b"<html>login</html>", "bad_answer", "HTML"),
        (report()[:-2], "bad_answer", "not valid JSON"),
        (report(-1), "bad_answer", "negative"),
        (500, "bad_answer", "HTTP 500"),
        (401, "bad_answer", "HTTP 401"),
        (206, "bad_answer", "HTTP 206"),
    ],
)
def test_a_fault_in_one_month_loses_that_month_alone(fault: t.Any, kind: str, words: str) -> None:
    with Endpoint({ALL: report(), MARCH: fault, "/records/usage-logs/04/2026": report()}) as server:
        started = time.monotonic()
        answers = ask(server, ["2026-03", "2026-04"])
        assert time.monotonic() - started < 4
    assert kinds(answers) == {"2026-03": kind, "2026-04": "usage", "all": "usage"}
    assert words in answers.failures[0]["reason"]
    assert answers.failures[0]["url"] == server.url + MARCH


def test_one_endpoint_never_spoils_another() -> None:
    with Endpoint({ALL: faults.hang}) as bad, Endpoint({ALL: report()}) as good:
        endpoints = [{"name": str(index), "url": server.url} for index, server in enumerate([bad, good, bad, good])]
        endpoints.append({"name": "4", "url": "http://127.0.0.1:1"})
        started = time.monotonic()
        answers = client.ask_all(endpoints, [], QUICK, concurrency=3)
        assert time.monotonic() - started < 4
    assert [item["name"] for item in answers.readings] == ["1", "3"]
    assert [item["name"] for item in answers.failures] == ["0", "2", "4"]


def test_more_endpoints_than_threads_all_come_back_in_order() -> None:
    with Endpoint({ALL: report()}) as server:
        answers = client.ask_all([{"name": str(index), "url": server.url} for index in range(20)], [], QUICK, concurrency=2)
    assert [item["name"] for item in answers.readings] == [str(index) for index in range(20)]


@pytest.mark.parametrize("status", [404, 400, 204])
def test_an_unpadded_month_is_tried_once_and_then_known(status: int) -> None:
    months = {f"/records/usage-logs/{number}/2026": report(number) for number in (1, 2)}
    padded = {f"/records/usage-logs/0{number}/2026": status for number in (1, 2)}
    with Endpoint({ALL: report(), **months, **padded}) as server:
        assert kinds(ask(server, ["2026-01", "2026-02"])) == {"2026-01": "usage", "2026-02": "usage", "all": "usage"}
    assert [path for path, _port in server.asked] == [
        "/records/usage-logs/01/2026",
        "/records/usage-logs/1/2026",
        "/records/usage-logs/2/2026",
        ALL,
    ]


@pytest.mark.parametrize("status", [404, 400, 204])
def test_an_unknown_month_is_no_usage_when_all_time_answers(status: int) -> None:
    with Endpoint({ALL: report(), MARCH: status, "/records/usage-logs/3/2026": status}) as server:
        answers = ask(server, ["2026-03", "2026-11"])
    found = {item["scope"]: item for item in answers.readings}
    assert (found["2026-03"]["outcome"], found["2026-03"]["http_status"], found["2026-03"]["meters"]) == ("no_usage", status, [])
    assert found["2026-11"]["outcome"] == "no_usage"
    assert [path for path, _port in server.asked].count("/records/usage-logs/11/2026") == 1


@pytest.mark.parametrize("always", [404, 503, b"<html>", faults.hang])
def test_an_unknown_month_is_a_bad_answer_when_all_time_does_not(always: t.Any) -> None:
    with Endpoint({ALL: always}) as server:
        answers = ask(server, ["2026-03"])
    assert answers.readings == []
    assert {item["scope"]: item["kind"] for item in answers.failures}["2026-03"] == "bad_answer"


def test_no_meters_are_no_usage() -> None:
    with Endpoint({ALL: b'{"meters":[]}'}) as server:
        assert ask(server).readings[0]["outcome"] == "no_usage"


def test_all_time_without_its_last_slash() -> None:
    with Endpoint({ALL.rstrip("/"): report()}) as server:
        assert ask(server).readings[0]["url"] == server.url + ALL.rstrip("/")


def test_a_path_prefix_stays() -> None:
    with Endpoint({"/stt" + ALL: report()}) as server:
        server.url += "/stt/"
        assert kinds(ask(server)) == {"all": "usage"}


def test_a_container_that_starts_is_asked_again() -> None:
    with Endpoint({ALL: [503, faults.hang_up, report()]}) as server:
        assert kinds(ask(server, limits=client.Limits(1, 2, 1000))) == {"all": "usage"}
    assert len(server.asked) == 3


def test_retries_end() -> None:
    with Endpoint({ALL: 503}) as server:
        answers = ask(server, limits=client.Limits(1, 2, 1000))
    assert answers.failures[0]["reason"] == "HTTP 503"
    assert len(server.asked) == 3


def test_pauses_between_retries_grow_and_are_not_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(client, "_FIRST_PAUSE", 1.0)
    monkeypatch.setattr(client.time, "sleep", pauses.append)
    with Endpoint({ALL: 503}) as server:
        for _run in range(2):
            ask(server, limits=client.Limits(1, 3, 1000))
    assert len(pauses) == 6 and pauses[:3] != pauses[3:]
    assert all(2**attempt / 2 <= pause <= 2**attempt * 1.5 for attempt, pause in enumerate(pauses[:3]))


def test_a_hanging_endpoint_costs_few_time_limits_but_all_time_is_always_tried() -> None:
    months = [f"2025-{number:02d}" for number in range(1, 13)]
    table = {f"/records/usage-logs/{number:02d}/2025": faults.hang for number in range(1, 13)}
    with Endpoint({ALL: report(), **table}) as server:
        started = time.monotonic()
        answers = ask(server, months, client.Limits(1, 1, 1000))
        assert time.monotonic() - started < 6
    assert len(answers.failures) == 12
    assert kinds(answers)["all"] == "usage"


def test_proxy_variables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Endpoint({ALL: report()}) as server:
        assert kinds(ask(server)) == {"all": "usage"}


def test_an_endpoints_own_months_win() -> None:
    with Endpoint({ALL: report()}) as server:
        client.ask_all([{"name": "c", "url": server.url, "months": []}], ["2026-03"], QUICK)
    assert [path for path, _port in server.asked] == [ALL]


@pytest.mark.parametrize("url", ["127.0.0.1:5000", "ftp://h", "http://", "http://u:secret@h", "http://h/?q=1", "http://h:99999", "http://h\n"])
def test_what_is_no_endpoint_is_refused_before_anything_is_asked(url: str) -> None:
    with Endpoint({ALL: report()}) as server, pytest.raises(InputError) as caught:
        client.ask_all([{"name": "a", "url": server.url}, {"name": "b", "url": url}], [], QUICK)
    assert server.asked == []
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("limits", "concurrency"),
    [
        (client.Limits(timeout=0), 1),
        (client.Limits(retries=-1), 1),
        (client.Limits(max_body=0), 1),
        (client.Limits(), 0),
        (client.Limits(timeout=float("nan")), 1),
    ],
)
def test_impossible_limits_are_named(limits: client.Limits, concurrency: int) -> None:
    assert client.check_limits(limits, concurrency)
    assert client.check_limits(client.Limits(), 4) is None


def test_options_are_those_that_are_documented() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
    found = client.options(4)
    assert {name: (option["type"], option.get("default")) for name, option in documented.items()} == {
        name: (option["type"], option.get("default")) for name, option in found.items()
    }
    assert client.options(16)["concurrency"]["default"] == 16


def test_tls_is_set_up_only_where_an_endpoint_needs_it(tmp_path: Path) -> None:
    params = {"ca_path": str(tmp_path / "none.pem"), "validate_certs": True}
    assert client.context_of(params, [{"url": "http://h"}]) is None
    with pytest.raises(InputError, match="no certificates"):
        client.context_of(params, [{"url": "http://h"}, {"url": "https://h"}])
    assert isinstance(client.context_of({**params, "ca_path": None}, [{"url": "https://h"}]), ssl.SSLContext)
