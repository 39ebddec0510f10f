# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module: endpoints in, ledger out; check mode asks and appends nothing; a second run changes nothing."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import client, schema, spool
from ansible_collections.airgap.azure_ai.plugins.modules import usage_harvest
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.faults import ALL, Endpoint, report
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import rows

Run = t.Callable[..., dict[str, t.Any]]


def options(tmp_path: Path, url: str, **more: t.Any) -> dict[str, t.Any]:
    endpoints = [{"host": host, "container": "stt", "url": f"{url}/{host}", "service": "speech_to_text", "resource": "r0"} for host in ("h1", "h2")]
    return {"url": str(tmp_path / "ledger.db"), "site": "plant-7", "harvest": "x", "endpoints": endpoints, "retries": 0, "timeout": 1, **more}


def test_check_then_run_then_again(run: Run, tmp_path: Path) -> None:
    with Endpoint({f"/h1{ALL}": report(7)}) as server:
        dry = run(usage_harvest.main, check=True, **options(tmp_path, server.url))
        assert not (tmp_path / "ledger.db").exists()
        assert {path for path, _port in server.asked} == {f"/{host}{path}" for host in ("h1", "h2") for path in (ALL, ALL[:-1])} - {f"/h1{ALL[:-1]}"}
        done = run(usage_harvest.main, **options(tmp_path, server.url))
        again = run(usage_harvest.main, **options(tmp_path, server.url, harvest="y"))
    assert {key: dry[key] for key in ("changed", "looks", "readings", "new", "lines")} == {
        "changed": True,
        "looks": 2,
        "readings": 1,
        "new": 1,
        "lines": ["h2 stt: bad_answer, HTTP 404 (all)"],
    }
    assert set(yaml.safe_load(usage_harvest.RETURN)) <= set(done)
    assert (done["changed"], again["changed"], again["looks"]) == (True, False, 2)
    assert rows(schema.Database(str(tmp_path / "ledger.db")), "readings", "host", "container", "service", "resource", "source") == [
        ("h1", "stt", "speech_to_text", "r0", "host:h1/stt")
    ]


def test_closed_months_are_noted_and_not_asked_again(run: Run, tmp_path: Path) -> None:
    table = {f"/{host}{path}": report(7) for host in ("h1", "h2") for path in (ALL, "/records/usage-logs/01/2026")}
    more = {"since": "2026-01", "until": "2026-01", "closed": str(tmp_path / "closed")}
    with Endpoint(table) as server:
        for harvest in ("x", "y", "z"):
            server.asked.clear()
            run(usage_harvest.main, **options(tmp_path, server.url, harvest=harvest, **more))
    assert sorted(path for path, _port in server.asked) == [f"/h1{ALL}", f"/h2{ALL}"]
    assert spool.read_closed(str(tmp_path / "closed"), "h1") == {"stt": {"source": "host:h1/stt", "months": ["2026-01"]}}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"timeout": 0}, "timeout"),
        ({"concurrency": 65}, "concurrency"),
        ({"since": "x"}, "not a month"),
        ({"endpoints": [{"host": "h", "container": "c", "url": "http://h"}] * 2}, "h/c: twice"),
        ({"endpoints": [{"host": "h", "container": "c", "url": "ftp://h"}]}, "not of the form"),
        ({"endpoints": [{"host": "h", "container": "c", "url": "http://h", "service": "two\nlines"}]}, "h/c: its service is not one line"),
        ({"endpoints": [{"host": "h\t", "container": "c", "url": "http://h"}]}, "its name is not one line"),
    ],
)
def test_wrong_options_are_named(run: Run, tmp_path: Path, more: dict[str, t.Any], words: str) -> None:
    found = run(usage_harvest.main, **options(tmp_path, "http://127.0.0.1:1", **more))
    assert found["failed"] and words in found["msg"]
    assert not (tmp_path / "ledger.db").exists()


def test_nothing_is_asked_further_when_the_ledger_refuses(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"no database" * 1000)
    params = {name: option.get("default") for name, option in usage_harvest.argument_spec().items()}
    with Endpoint({}) as server, pytest.raises(IntegrityError, match="no whole SQLite database"):
        endpoints = [{**dict.fromkeys(("source", "service")), "host": "h", "container": f"c{index}", "url": server.url} for index in range(3)]
        usage_harvest.harvest({**params, **options(tmp_path, server.url), "endpoints": endpoints}, keep=True)


def test_a_stream_that_nobody_takes_any_more_ends() -> None:
    with Endpoint({ALL: report()}) as server:
        endpoints = [{"name": str(index), "url": server.url} for index in range(200)]
        stream = client.stream(endpoints, [], client.Limits(1, 0, 1000), 2)
        next(stream)
        stream.close()
        asked = len(server.asked)
    assert asked < 100


def test_a_wrong_url_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InputError):
        client.stream([{"name": "a", "url": "ftp://h"}], [], client.Limits())
