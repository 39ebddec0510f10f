# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""kill -9 of the program that appends, wherever it is, then the same run again: the ledger of a run that nobody disturbed, row by row.

AZURE_AI_KILLS sets how often.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, rules, schema, spool, summary
from ansible_collections.airgap.azure_ai.plugins.modules import ledger as module
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import document, rows

KILLS = int(os.environ.get("AZURE_AI_KILLS", "6"))
HARVESTS, HOSTS, METERS = 3, 20, 60
PROGRAM = """
import json, sys
from ansible_collections.airgap.azure_ai.plugins.modules import ledger
params = json.load(sys.stdin)
print("begun", flush=True)
ledger.append(params, keep=True)
"""


def params(folder: Path) -> dict[str, t.Any]:
    """Options of the module, and a spool of three harvests that wait."""
    (folder / "spool").mkdir(parents=True)
    for harvest in range(HARVESTS):
        for host in range(HOSTS):
            values = {f"M{meter}": 1000 * harvest + meter for meter in range(METERS)}
            made = document(str(harvest), {"all": values, "2026-01": "no_answer"}, f"2026-03-1{harvest}T00:00:00Z", host=f"h{host}", source=f"s{host}")
            (folder / "spool" / spool.file_name(str(harvest), f"h{host}")).write_text(json.dumps(made))
    given = {name: option.get("default") for name, option in module.argument_spec().items()}
    return {**given, "url": str(folder / "ledger.db"), "site": "plant-7", "spool": str(folder / "spool"), "closed": str(folder / "closed")}


def killed_after(given: dict[str, t.Any], delay: float | None) -> float:
    """Append in a program of its own that is killed after some time; return how long it worked."""
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert program.stdin and program.stdout
    with program.stdin, program.stdout:
        program.stdin.write(json.dumps(given))
        program.stdin.close()
        assert program.stdout.readline() == "begun\n"
        begun = time.monotonic()
        if delay is not None:
            time.sleep(delay)
            program.send_signal(signal.SIGKILL)
        code = program.wait()
    assert code in (0, -signal.SIGKILL)
    return time.monotonic() - begun


def state(folder: Path) -> dict[str, t.Any]:
    """What there is in the end: rows with their hashes, months that are closed, which documents are done, which wait."""
    database = schema.Database(str(folder / "ledger.db"))
    with database.read() as connection:
        assert ledger.verify(connection) == []
        found: dict[str, t.Any] = {"heads": ledger.heads(connection), "total": rules.total(summary.accounts(connection).parts)}
    for table in ("looks", "readings"):
        found[table] = rows(database, table, "seq", "host", "hash")
    for name in ("done", "spool", "closed"):
        found[name] = sorted(str(path.relative_to(folder)) for path in (folder / name).rglob("*") if path.is_file())
    return found


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, t.Any], float]:
    folder = tmp_path_factory.mktemp("calm")
    took = killed_after(params(folder), None)
    found = state(folder)
    assert (len(found["readings"]), len(found["done"]), found["spool"]) == (HARVESTS * HOSTS * METERS, HARVESTS * HOSTS, [])
    return found, took


@pytest.mark.parametrize("seed", range(-(-KILLS // 2)))
def test_killed_and_run_again(tmp_path: Path, calm: tuple[dict[str, t.Any], float], seed: int) -> None:
    found, took = calm
    chance, given = random.Random(seed), params(tmp_path)
    for _kill in range(2):
        killed_after(given, chance.uniform(0, took))
    killed_after(given, None)
    assert state(tmp_path) == found


def test_killed_before_the_documents_were_put_away(tmp_path: Path, calm: tuple[dict[str, t.Any], float], monkeypatch: pytest.MonkeyPatch) -> None:
    """The one moment in which rows are in the ledger and their documents wait as well."""
    given = params(tmp_path)

    def archive(*_given: t.Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(spool.Folder, "archive", archive)
        module.append(given, keep=True)
    assert len(list((tmp_path / "spool").iterdir())) == HARVESTS * HOSTS
    killed_after(given, None)
    assert state(tmp_path) == calm[0]
