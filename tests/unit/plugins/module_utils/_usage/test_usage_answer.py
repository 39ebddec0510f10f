# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What leaves a host: everything that was asked, whatever came of it, and little code for it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import answer
from ansible_collections.airgap.azure_ai.plugins.modules import usage_info

ENDPOINTS: list[dict[str, t.Any]] = [{"name": "c", "url": "http://h", "source": "s1", "closed": {"months": []}}, {"name": "d", "url": "http://h/d"}]


def test_an_endpoint_leaves_with_what_the_ledger_takes_and_nothing_else() -> None:
    (first, second) = answer.whole(ENDPOINTS, [], [])["endpoints"]
    assert first == {"name": "c", "url": "http://h", **dict.fromkeys(answer.ATTRIBUTES), "source": "s1"}
    assert second["source"] is None and "closed" not in first


def test_the_string_holds_the_same() -> None:
    assert json.loads(answer.compact(ENDPOINTS, [], [])) == answer.whole(ENDPOINTS, [], [])


@pytest.mark.parametrize(("own", "scopes"), [(None, ["2026-01", "2026-02", "all"]), (["2026-02"], ["2026-02", "all"]), ([], ["all"])])
def test_silence_names_every_scope_that_would_have_been_asked(own: list[str] | None, scopes: list[str]) -> None:
    found = answer.silence([{"name": "c", "url": "http://h", "months": own}], ["2026-01", "2026-02"], "y" * 300)
    assert [item["scope"] for item in found["failures"]] == scopes
    assert {(item["kind"], item["reason"]) for item in found["failures"]} == {("no_answer", "y" * 200)}


def needs(path: Path, found: set[str]) -> set[str]:
    """Names of the collection's own files that a file imports, and what those import."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and ".plugins.module_utils." in node.module:
            place = path.parents[[part.name for part in path.parents].index("plugins")] / node.module.partition(".plugins.")[2].replace(".", "/")
            for name in [place.with_suffix(".py")] if place.with_suffix(".py").exists() else [place / f"{alias.name}.py" for alias in node.names]:
                if f"{name.parent.name}/{name.stem}" not in found:
                    found.add(f"{name.parent.name}/{name.stem}")
                    needs(name, found)
    return found


def test_what_every_host_gets_at_every_harvest_stays_small() -> None:
    """Python compiles it anew on each host: a file more costs a fleet more than what it does."""
    wanted = {
        "_base/digest",
        "_base/errors",
        "_base/names",
        "_usage/answer",
        "_usage/client",
        "_usage/host",
        "_usage/months",
        "_usage/records",
        "_usage/response",
        "_usage/transport",
    }
    assert needs(Path(usage_info.__file__), set()) == wanted


def test_what_takes_long_to_import_is_imported_only_where_it_is_needed() -> None:
    script = f"import sys, {usage_info.__name__}; print([name for name in ('ssl', 'http.client', 'email', 'tempfile', 'subprocess') if name in sys.modules])"
    before = (
        "import sys, ansible.module_utils.basic; print([name for name in ('ssl', 'http.client', 'email', 'tempfile', 'subprocess') if name in sys.modules])"
    )
    ours, anybodys = (subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout for text in (script, before))
    assert ours == anybodys
