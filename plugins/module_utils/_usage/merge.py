# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge a site's exports into headquarters' ledger, row by row as the site wrote them. Normative text: docs/usage-export.md.

One transaction holds a site: a fork, an altered row or a foreign ledger leaves nothing of it; a gap leaves what came before it.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, IntegrityError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import Trust
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import adjustment, imports, ledger, wire
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import GENESIS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

_CHUNK = 500  # rows in one INSERT
_FETCH = 2000  # hashes that are in memory at once

Record = dict[str, t.Any]


class Refusal(IntegrityError):
    """An export that may not be merged. ``status`` is one of fork, gap, ledger, future."""

    def __init__(self, status: str, what: str, problem: str, way_out: str) -> None:
        self.status = status
        super().__init__(what, problem, way_out)


class Outcome(t.NamedTuple):
    """What became of an export: ``status`` (imported, known, older, or why not), one line, rows by table."""

    status: str
    text: str
    rows: dict[str, int]


def in_order(parcels: t.Iterable[imports.Parcel]) -> list[imports.Parcel]:
    """Exports of one site in the order in which they were made; copies of one export count once."""
    once = {parcel.manifest["id"]: parcel for parcel in parcels}
    return sorted(once.values(), key=lambda parcel: (parcel.manifest["number"], parcel.manifest["created"]))


def merge(connection: t.Any, parcel: imports.Parcel, trust: Trust, moment: str, tolerance: int) -> Outcome:
    """Merge one verified export.

    :param moment: now, in UTC; :param tolerance: seconds that a site's clock may be ahead
    :raises Refusal, IntegrityError, InputError, TrustError: it may not be merged; only after a Refusal gap or future nothing was written.
    """
    manifest = parcel.manifest
    what = f"export {manifest['number']} of {manifest['site']}"
    _refuse_future(what, manifest, moment, tolerance)
    earlier = _imports(connection, manifest["site"])
    if any(row["export_id"] == manifest["id"] for row in earlier):
        return Outcome("known", f"{what}: imported before", {})
    opened = _succession(connection, what, manifest, earlier)
    merging = _rows if manifest["detail"] == "host" else _statements
    counts = merging(connection, what, parcel, earlier, trust)
    last = max((row["number"] for row in earlier), default=0)
    if manifest["number"] < last and not any(counts.values()):
        return Outcome("older", f"{what}: older than export {last}, which was imported before; nothing new in it", {})
    for row in opened:
        connection.execute(tables().ledgers.insert(), row)
    _note(connection, parcel, moment)
    ledger.stamp(connection, manifest["site"], moment)
    said = ", ".join(f"{count} {table[:-1] if count == 1 else table}" for table, count in counts.items() if count) or "no rows"
    return Outcome("imported", f"{what}, detail {manifest['detail']}: {said}", counts)


def _refuse_future(what: str, manifest: Record, moment: str, tolerance: int) -> None:
    ahead = _seconds(manifest["created"]) - _seconds(moment)
    if ahead > tolerance:
        problem = f"made at {manifest['created']}, this machine's clock says {moment}"
        raise Refusal("future", what, problem, "compare both clocks; nothing is taken from a time to come")


def _seconds(moment: str) -> float:
    try:
        return datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.timezone.utc).timestamp()
    except ValueError as exc:
        raise IntegrityError(f"time {moment}", "no such moment") from exc


def _imports(connection: t.Any, site: str) -> list[Record]:
    table = tables().imports
    return [dict(row) for row in connection.execute(sa.select(table).where(table.c.site == site).order_by(table.c.number)).mappings()]


def _succession(connection: t.Any, what: str, manifest: Record, earlier: list[Record]) -> list[Record]:
    """Rows for the table of ledgers; :raises Refusal: the export's ledger is none that headquarters may believe to be this site's."""
    table = tables().ledgers
    known = [row.id for row in connection.execute(sa.select(table.c.id).where(table.c.site == manifest["site"]).order_by(table.c.number))]
    current = known[-1] if known else None
    ours = manifest["ledger"]
    twin = next((row for row in earlier if (row["ledger"], row["number"]) == (ours, manifest["number"])), None)
    if twin:
        problem = f"another export of this number was imported before ({twin['export_id'][:23]}…, this is {manifest['id'][:23]}…)"
        raise Refusal("fork", what, problem, "two control nodes write one ledger: find out which one counts")
    if ours == current:
        return []
    if ours in known:
        way_out = "an old control node still runs or this is an old medium: find out, and import what the newer one exports"
        raise Refusal("ledger", what, f"from ledger {ours}, which ledger {current} has succeeded", way_out)
    entries = {entry["id"]: entry for entry in manifest["ledgers"]}
    path: list[Record] = []
    step = entries.get(ours)
    while step and step["id"] != current and len(path) <= len(entries):
        path.append(step)
        step = entries.get(step["predecessor"]) or ({"id": current} if step["predecessor"] == current and current else None)
    if current and (step is None or step["id"] != current):
        way_out = "restore the site's ledger from its backup or its last receipt, so that the new one names the old one; nothing was written"
        raise Refusal("ledger", what, f"from ledger {ours}, headquarters knows ledger {current} of this site, and the new one does not name it", way_out)
    last = max((row["number"] for row in earlier), default=0)
    if current and manifest["number"] <= last:
        way_out = "take the last receipt in at the site (airgap.azure_ai.receive), then export again"
        raise Refusal("ledger", what, f"a restored ledger's export with a number that export {last} of its predecessor has passed", way_out)
    return [
        {**entry, "site": manifest["site"], "number": len(known) + place, "heads": json.dumps(entry["heads"]) if entry["heads"] else None}
        for place, entry in enumerate(reversed(path), 1)
    ]


def _rows(connection: t.Any, what: str, parcel: imports.Parcel, earlier: list[Record], trust: Trust) -> dict[str, int]:
    """Detail host: compare rows that are here, append those that are not."""
    site, spans = parcel.manifest["site"], parcel.manifest["tables"]
    heads = {name: _head(connection, name, site) for name in wire.CHAINS}
    for name, span in spans.items():
        seq, digest = heads[name]
        if span["from"] > seq + 1:
            again = max((row["number"] for row in earlier if row["detail"] == "host" and _reached(row, heads)), default=0)
            way_out = f"have the site export again with usage_export_since={again}"
            raise Refusal("gap", what, f"{name} rows {seq + 1} to {span['from'] - 1} are missing", way_out)
        base = digest if span["from"] == seq + 1 else _hash(connection, name, site, span["from"] - 1)
        if base != span["before"]:
            raise _fork(what, name, span["from"] - 1, base, span["before"], (seq, digest), span)
    return {name: _chain(connection, what, parcel, name, heads[name], trust) for name in wire.CHAINS}


def _chain(connection: t.Any, what: str, parcel: imports.Parcel, name: str, head: tuple[int, str], trust: Trust) -> int:
    """Walk the rows of one table; return how many were appended."""
    site, span = parcel.manifest["site"], parcel.manifest["tables"][name]
    table = tables().metadata.tables[name]
    walk = wire.Walk(table, site, span)
    ours = _hashes(connection, table, site, span["from"], min(span["to"], head[0]))
    waiting: list[Record] = []
    count = 0
    for line in imports.lines(parcel, wire.rows_file(name)):
        row = walk.take(line)
        if row["seq"] <= head[0]:
            here = next(ours)
            if here != row["hash"]:
                raise _fork(what, name, row["seq"], here, row["hash"], head, span)
            continue
        if name == "adjustments":
            adjustment.verify(row, trust)
        waiting.append(row)
        count += 1
        if len(waiting) == _CHUNK:
            connection.execute(table.insert(), waiting)
            waiting = []
    walk.finish()
    if waiting:
        connection.execute(table.insert(), waiting)
    return count


def _statements(connection: t.Any, what: str, parcel: imports.Parcel, earlier: list[Record], _trust: Trust) -> dict[str, int]:
    """Detail site: heads must go on from heads that are known here; the sums are kept as they are."""
    manifest = parcel.manifest
    site = manifest["site"]
    for name, span in manifest["tables"].items():
        anchors = {0: GENESIS}
        for row in earlier:
            point = json.loads(row["heads"]).get(name) or {"seq": 0, "hash": GENESIS}
            anchors[point["seq"]] = point["hash"]
        most = max(anchors)
        for seq, digest in ((span["from"] - 1, span["before"]), (span["to"], span["after"])):
            here = anchors.get(seq) or _hash(connection, name, site, seq)
            if here is not None and here != digest:
                raise _fork(what, name, seq, here, digest, (most, anchors[most]), span)
        if span["from"] - 1 > most:
            way_out = f"have the site export again with usage_export_since={max((row['number'] for row in earlier if row['detail'] == 'site'), default=0)}"
            raise Refusal("gap", what, f"{name} rows {most + 1} to {span['from'] - 1} were never accounted for", way_out)
        if span["to"] < most and manifest["number"] > max(row["number"] for row in earlier):
            raise _fork(what, name, span["to"], anchors[most], span["after"], (most, anchors[most]), span)
    return {"statements": _keep(connection, parcel)}


def _keep(connection: t.Any, parcel: imports.Parcel) -> int:
    base = {"site": parcel.manifest["site"], "export_id": parcel.manifest["id"], "number": parcel.manifest["number"]}
    rows: dict[tuple[str, ...], Record] = {}
    for number, line in enumerate(imports.lines(parcel, wire.STATEMENTS), 1):
        row = wire.load_statement(line, f"{wire.STATEMENTS}, line {number}")
        key = tuple(row[name] for name in wire.STATEMENT[:4])
        if key in rows:
            raise IntegrityError(f"{wire.STATEMENTS}, line {number}", "says twice what the same meter used")
        rows[key] = {**base, **row}
    if rows:
        connection.execute(tables().statements.insert(), list(rows.values()))
    return len(rows)


def _note(connection: t.Any, parcel: imports.Parcel, moment: str) -> None:
    manifest, found = parcel.manifest, tables()
    base = {"site": manifest["site"], "export_id": manifest["id"], "number": manifest["number"]}
    heads = {name: {"seq": span["to"], "hash": span["after"]} for name, span in manifest["tables"].items()}
    more = {
        "ledger": manifest["ledger"],
        "detail": manifest["detail"],
        "imported_at": moment,
        "signer": parcel.signer,
        "heads": json.dumps(heads, sort_keys=True),
    }
    connection.execute(found.imports.insert(), {**base, **more})
    text = json.dumps(parcel.state, sort_keys=True, ensure_ascii=False)
    connection.execute(found.states.insert(), {**base, "created_at": manifest["created"], "state": text})


def _reached(row: Record, heads: t.Mapping[str, tuple[int, str]]) -> bool:
    """Whether headquarters still holds the rows of an import."""
    return all(point["seq"] <= heads[name][0] for name, point in json.loads(row["heads"]).items())


def _fork(what: str, name: str, seq: int, here: t.Optional[str], there: str, head: tuple[int, str], span: Record) -> Refusal:
    problem = (
        f"fork at {name} row {seq}: headquarters holds {(here or 'none')[:16]}… (head {head[0]} {head[1][:16]}…), "
        f"the export {there[:16]}… (head {span['to']} {span['after'][:16]}…)"
    )
    way_out = "the ledger was put back without a new ledger id or two control nodes write it: find out which one counts; nothing was written for this site"
    return Refusal("fork", what, problem, way_out)


def _head(connection: t.Any, name: str, site: str) -> tuple[int, str]:
    table = tables().metadata.tables[name]
    found = connection.execute(sa.select(table.c.seq, table.c.hash).where(table.c.site == site).order_by(table.c.seq.desc()).limit(1)).first()
    return (found[0], found[1]) if found else (0, GENESIS)


def _hash(connection: t.Any, name: str, site: str, seq: int) -> t.Optional[str]:
    if seq == 0:
        return GENESIS
    table = tables().metadata.tables[name]
    return connection.execute(sa.select(table.c.hash).where(table.c.site == site, table.c.seq == seq)).scalar()


def _hashes(connection: t.Any, table: t.Any, site: str, first: int, last: int) -> t.Iterator[str]:
    query = sa.select(table.c.hash).where(table.c.site == site, table.c.seq.between(first, last)).order_by(table.c.seq)
    for row in connection.execute(query.execution_options(yield_per=_FETCH)):
        yield row[0]


def status_of(error: AirgapError) -> str:
    """Status of an export that was refused."""
    return error.status if isinstance(error, Refusal) else "refused"
