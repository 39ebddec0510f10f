# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must be true after every fault: the next run has nothing to do and changes nothing, and no record of usage is lost."""

from __future__ import annotations

import json
import typing as t
from contextlib import contextmanager, suppress
from decimal import Decimal

from tests.lab import outcome, overlay, road, settings
from tests.lab.settings import Json
from tests.lab.shell import docker, inside

_known: list[Json] = []  # what the ledger held when the last fault was over
LOOK = f"{settings.COLLECTION_MOUNT}/tests/lab/files/ledger.yml"
# All of a host that the collection keeps, but for what containers write.
STATE = r"""
cd /var/lib/azure-ai
find . -path '*/output' -prune -o -type l -printf '%p -> %l\n' -o -type f -printf '%p %m %U ' -exec sha256sum {} \; | sort
docker ps --all --no-trunc --format '{{.ID}} {{.Names}} {{.Image}} {{.State}}' | sort
docker images --all --no-trunc --format '{{.ID}} {{.Repository}}:{{.Tag}}' | sort
ls -A /home/deploy/.azure-ai/incoming 2>/dev/null || true
"""


def state() -> dict[str, list[str]]:
    """What is on each host of the site, and when its containers were started."""
    found = {name: inside(settings.host(name).container, "sh", "-ec", STATE).splitlines() for name in overlay.PUBLISHED}
    for name in found:
        found[name] += sorted(f"{each['Name']} since {each['State']['StartedAt']}" for each in road.containers(name))
    return found


@contextmanager
def of(fault: str, again: t.Callable[..., str] = road.rollout) -> t.Iterator[None]:
    """A fault, and the run that ends where it would have ended; then this holds what came of it.

    The services are used right before, so that there are records which no ledger has when things go wrong.

    :param again: the same run once more, which must find nothing to do
    """
    before = _known[-1] if _known else harvested(f"{fault}-before")
    road.traffic(1)
    try:
        yield
    except BaseException:
        with suppress(road.Refused):
            road.rollout(log=f"{fault}-mended")  # the next test shall not fail for this one's sake
        raise
    ended = state()
    output = again(log=f"{fault}-again")
    assert set(road.changes(output).values()) == {0}, f"{fault}: once more changes nothing"
    assert state() == ended, f"{fault}: the same end state"
    road.traffic(1)
    after = harvested(f"{fault}-after", before)
    nothing_lost(fault, before, after)
    _known[:] = [after]


def harvested(log: str, before: Json | None = None) -> Json:
    """Harvest; what the ledger holds then, which proves that everything of ``before`` is in it as it was."""
    heads = ((site, table, head) for site, tables in (before or {"heads": {}})["heads"].items() for table, head in tables.items())
    anchors = [{"site": site, "table": table, **head} for site, table, head in heads]
    road.harvest(LOOK, "-e", json.dumps({"ledger_anchors": anchors}), log=log)
    return t.cast(Json, json.loads(road.read(road.CONTROL, f"/home/{road.USER}/lab/ledger.json")))


def totals(told: Json) -> dict[tuple[str, str, str, str], tuple[Decimal, Decimal]]:
    """(host, container, meter, month) to the least and the most that a ledger says; sums over all time are left out."""
    rows = [row for row in told["totals"] if row["month"] != "all"]
    return {(row["host"], row["container"], row["meter"], row["month"]): (Decimal(row["quantity"][0]), Decimal(row["quantity"][1])) for row in rows}


def nothing_lost(fault: str, before: Json, after: Json) -> None:
    """Each reading from before is there, no total went back, and of what runs the ledger says what its record files say, to the unit."""
    assert after["verified"] is True, f"{fault}: {after['problems']}"
    former, told, written, there = totals(before), totals(after), outcome.metered(), outcome.running()
    back = {key: (value, told.get(key)) for key, value in former.items() if key not in told or told[key] < value}
    assert back == {}, f"{fault}: totals went back"
    running = {key: (value, value) for key, value in written.items() if key[:2] in there}
    assert running and {key: value for key, value in told.items() if key[:2] in there} == running, f"{fault}: the record files say otherwise"


def fatal(output: str, host: str) -> str:
    """All that a run that failed says of a host's failures."""
    return "\n".join(line for line in output.splitlines() if line.startswith(("fatal: ", "failed: ")) and f"[{host}" in line.partition("]")[0] + "]")


def images(host: str) -> list[str]:
    """Names of the collection's images in a host's engine."""
    return sorted(name for name in docker("exec", host, "docker", "images", "--format", "{{.Repository}}:{{.Tag}}").split() if "azure-ai.invalid" in name)
