# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage exports, written at the site: what is new since the last receipt, why one has to be made, and its folder. Normative text: docs/usage-export.md.

This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import typing as t
from decimal import Context, Decimal

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import pretty
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest, copy_hashing
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import (
    TEMPORARY_PREFIX,
    atomic_file,
    fsync_folder,
    open_regular,
    read_regular,
    write_bytes,
)
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.signature import SUFFIX, fingerprint, sign_file, signed_by
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import ledger, summary, wire
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.counter import NOTHING, plain
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.tables import GENESIS, tables

with contextlib.suppress(ImportError):  # tables.IMPORT_ERROR says so
    import sqlalchemy as sa

_FETCH = 2000  # rows that are in memory at once
_LEDGERS = ("id", "opened_at", "predecessor", "heads", "reason")
_EXACT = Context(prec=120)  # sums of 36-digit numbers stay exact
_NOTHING = {"seq": 0, "hash": GENESIS}

Record = dict[str, t.Any]
Heads = dict[str, dict[str, t.Any]]


class Plan(t.NamedTuple):
    """What the next export of a site would be: ``spans`` by table, ``last`` the export made last or None, ``receipt`` the last one or None."""

    site: str
    detail: str
    number: int
    since: int
    spans: dict[str, Record]
    ledgers: list[Record]
    last: t.Optional[Record]
    receipt: t.Optional[Record]

    @property
    def heads(self) -> Heads:
        """Last row of each chain."""
        return {table: {"seq": span["to"], "hash": span["after"]} for table, span in self.spans.items()}

    @property
    def folder(self) -> str:
        """Name of the export's folder."""
        return folder_name(self.site, self.number)


class Tally(t.NamedTuple):
    """What a file of an export holds."""

    name: str
    digest: str
    size: int
    rows: int


def folder_name(site: str, number: int) -> str:
    """Name of an export's folder in the outbox."""
    return f"usage-{site}-{number}"


def plan(connection: t.Any, site: str, detail: str, since: t.Optional[int] = None) -> Plan:
    """Find out what is new since the last receipt, or since export number ``since`` (0: everything).

    :raises MissingError: the ledger has no row of this site; InputError: no export ``since`` of this detail was made here.
    """
    ledgers = ledgers_of(connection, site)
    opened = (ledgers[-1]["heads"] if ledgers else None) or {}
    floors = {table: _end(connection, table, site, "asc") or opened.get(table) or dict(_NOTHING) for table in wire.CHAINS}
    heads = {table: _end(connection, table, site, "desc") or floors[table] for table in wire.CHAINS}
    if not any(head["seq"] for head in heads.values()):
        raise MissingError(f"ledger of site {site}", "holds no row of this site", "run airgap.azure_ai.harvest first, or mend azure_ai_site")
    if not ledgers:  # rows from before ledgers had ids
        ledger.open_ledger(connection, site, "first export")
        ledgers = ledgers_of(connection, site)
    exports, receipts = _all(connection, "exports", site), _all(connection, "receipts", site)
    acknowledged = [row for row in receipts if json.loads(row["document"])["detail"] == detail]
    receipt = acknowledged[-1] if acknowledged else None
    base = receipt
    if since is not None:
        base = next((row for row in reversed(exports) if row["number"] == since and row["detail"] == detail), None)
        if since and base is None:
            raise InputError(f"since {since}", f"no export of this number and detail {detail} was made here", "give 0 to export everything")
    before: Heads = json.loads(base["heads"]) if base else {}
    spans = {table: _span(max(floors[table], before.get(table, _NOTHING), key=lambda head: head["seq"]), heads[table]) for table in wire.CHAINS}
    number = max([0, *(row["number"] for row in exports + receipts)]) + 1
    if detail == "site":  # a reason is a person's words, which may name a host
        ledgers = [{**row, "reason": ""} for row in ledgers]
    return Plan(site, detail, number, base["number"] if base else 0, spans, ledgers, exports[-1] if exports else None, receipt)


def ledgers_of(connection: t.Any, site: str) -> list[Record]:
    """The ledgers that a site had, the last one its own: ``id``, ``opened_at``, ``predecessor``, ``heads``, ``reason``."""
    rows = [{name: row[name] for name in _LEDGERS} for row in _all(connection, "ledgers", site)]
    return [{**row, "heads": json.loads(row["heads"]) if row["heads"] else None, "reason": row["reason"] or ""} for row in rows]


def reason(made: Plan, dest: str, key: str, state: bytes, asked: t.Optional[int] = None) -> t.Optional[str]:
    """Why an export has to be made, or None when the one made last will do.

    :param state: bytes of state.json as they would be written now
    :param asked: the number that a user wants to go back to
    """
    last = made.last
    if last is None:
        return "nothing was exported yet"
    new = sum(max(0, head["seq"] - last[f"{table}_to"]) for table, head in made.heads.items())
    if new:
        return f"{new} rows are new since export {last['number']}"
    if last["detail"] != made.detail:
        return f"export {last['number']} has detail {last['detail']}"
    folder = os.path.join(dest, folder_name(made.site, last["number"]))
    if not os.path.isdir(folder):
        done = made.receipt is not None and made.receipt["number"] >= last["number"] and asked is None
        return None if done else f"{folder} is gone and was not acknowledged"
    try:
        manifest = wire.load_manifest(read_regular(os.path.join(folder, wire.NAME), wire.MAX_MANIFEST), wire.NAME)
        problem = _damage(folder, manifest, last["id"], key)
    except AirgapError as exc:
        problem = str(exc)
    if problem:
        return f"{folder} is not as it was written: {problem}"
    if asked is not None and asked != manifest["since"]:
        return f"export {last['number']} begins after number {manifest['since']}"
    if manifest["files"][-1]["digest"] != str(Digest.of(state)):
        return "the site's state has changed"
    return None


def lay(connection: t.Any, made: Plan, state: bytes, collection: str, created: str, folder: t.Optional[str]) -> tuple[Record, list[Tally], list[str]]:
    """Write the files of an export into ``folder``; without one, only count. Return manifest, files and the months that rows are about."""
    months: set[str] = set()
    if made.detail == "host":
        files = [_file(folder, wire.rows_file(table), _rows(connection, table, made.site, span, months)) for table, span in made.spans.items()]
    else:
        files = [_file(folder, wire.STATEMENTS, _statements(connection, made.site, months))]
    if folder:
        write_bytes(os.path.join(folder, wire.STATE), state)
    files.append(Tally(wire.STATE, str(Digest.of(state)), len(state), 0))
    manifest: Record = {
        "format": wire.FORMAT,
        "kind": wire.KIND,
        "created": created,
        "site": made.site,
        "ledger": made.ledgers[-1]["id"],
        "ledgers": made.ledgers,
        "number": made.number,
        "since": made.since,
        "detail": made.detail,
        "collection": collection,
        "tables": made.spans,
        "files": [{"name": item.name, "digest": item.digest, "size": item.size} for item in files],
    }
    manifest["id"] = wire.identity(manifest)
    return manifest, files, sorted(months)


def begin(dest: str, made: Plan) -> str:
    """An empty folder in ``dest`` for the export while it grows; what an interrupted run left of it goes."""
    folder = os.path.join(dest, f"{TEMPORARY_PREFIX}{made.folder}")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder, mode=0o750)
    return folder


def seal(folder: str, manifest: Record, key: str) -> None:
    """Write the manifest and sign it."""
    path = os.path.join(folder, wire.NAME)
    write_bytes(path, pretty(manifest))
    os.chmod(sign_file(path, key, wire.NAMESPACE), 0o644)
    fsync_folder(folder)


def record(connection: t.Any, made: Plan, manifest: Record) -> None:
    """Note the export in the ledger. Commit before the folder gets its name: no number is ever given twice."""
    values = {**{f"{table}_to": head["seq"] for table, head in made.heads.items()}, "heads": json.dumps(made.heads, sort_keys=True)}
    base = {"site": made.site, "number": made.number, "id": manifest["id"], "created_at": manifest["created"], "detail": made.detail}
    connection.execute(tables().exports.insert(), {**base, **values})


def publish(dest: str, made: Plan, folder: str) -> tuple[str, list[str]]:
    """Give the folder its name and remove the exports of this site that it makes superfluous; return its path and their names."""
    path = os.path.join(dest, made.folder)
    shutil.rmtree(path, ignore_errors=True)
    os.rename(folder, path)
    fsync_folder(dest)
    older = [folder_name(made.site, number) for number in range(1, made.number)]
    gone = [name for name in sorted(set(os.listdir(dest)) & set(older)) if os.path.isfile(os.path.join(dest, name, wire.NAME))]
    for name in gone:
        shutil.rmtree(os.path.join(dest, name))
    return path, gone


def preview(made: Plan, files: t.Sequence[Tally], months: t.Sequence[str]) -> list[str]:
    """What leaves, in words, a line each."""
    since = f"since the receipt or export {made.since}" if made.since else "since the beginning"
    lines = [f"export {made.number} of {made.site}, detail {made.detail}, {since}, {sum(item.size for item in files)} bytes and a signature"]
    for item in files[:-1]:
        span = made.spans.get(item.name.rpartition(".")[0])
        which = f", {span['from']} to {span['to']}" if span and item.rows else ""
        lines.append(f"{item.name}: {item.rows} rows{which}, {item.size} bytes")
    lines.append(f"{wire.STATE}: releases that run, license ends, findings, versions, {files[-1].size} bytes")
    lines.append(f"months: {', '.join(months) or 'none'}")
    if made.detail == "host":
        lines.append("leaves the site: names of hosts and containers, URLs of endpoints, ids of output folders, what each counted, reasons of failures")
    else:
        lines.append("leaves the site: sums by service, resource, meter and month, heads of the chains; no host, container, output folder or URL")
    return lines


def _end(connection: t.Any, name: str, site: str, order: str) -> t.Optional[Record]:
    """The last row of a chain (``desc``), or what its first row follows (``asc``); None where there is no row."""
    table = tables().metadata.tables[name]
    query = sa.select(table.c.seq, table.c.hash if order == "desc" else table.c.prev).where(table.c.site == site)
    found = connection.execute(query.order_by(getattr(table.c.seq, order)()).limit(1)).first()
    return {"seq": found[0] - (order == "asc"), "hash": found[1]} if found else None


def _span(before: Record, head: Record) -> Record:
    return {"from": before["seq"] + 1, "to": head["seq"], "before": before["hash"], "after": head["hash"]}


def _all(connection: t.Any, name: str, site: str) -> list[Record]:
    table = tables().metadata.tables[name]
    return [dict(row) for row in connection.execute(sa.select(table).where(table.c.site == site).order_by(table.c.number)).mappings()]


def _damage(folder: str, manifest: Record, expected: str, key: str) -> t.Optional[str]:
    if manifest["id"] != expected:
        return "another export lies there"
    for entry in manifest["files"]:
        with open_regular(os.path.join(folder, entry["name"])) as stream:
            if copy_hashing(stream, None, entry["size"]) != (Digest.parse(entry["digest"]), entry["size"]):
                return f"{entry['name']} has other bytes"
    path = os.path.join(folder, wire.NAME)
    if signed_by(read_regular(path, wire.MAX_MANIFEST), path + SUFFIX, wire.NAMESPACE) != fingerprint(key):
        return f"not signed by {key}"
    return None


def _file(folder: t.Optional[str], name: str, lines: t.Iterable[bytes]) -> Tally:
    state, size, count = hashlib.sha256(), 0, 0
    with atomic_file(os.path.join(folder, name)) if folder else contextlib.nullcontext() as stream:
        for line in lines:
            state.update(line)
            size += len(line)
            count += 1
            if stream:
                stream.write(line)
    return Tally(name, str(Digest(state.hexdigest())), size, count)


def _rows(connection: t.Any, name: str, site: str, span: Record, months: set[str]) -> t.Iterator[bytes]:
    table = tables().metadata.tables[name]
    query = sa.select(table).where(table.c.site == site, table.c.seq.between(span["from"], span["to"])).order_by(table.c.seq)
    scope = "scope" if name == "looks" else "month"
    names = [column.name for column in table.columns]
    for row in connection.execute(query.execution_options(yield_per=_FETCH)):
        values = dict(zip(names, row))
        months.add(values[scope])
        yield wire.line_of(values)


def _statements(connection: t.Any, site: str, months: set[str]) -> t.Iterator[bytes]:
    """Sums of all readings and adjustments, a line for each service, resource, meter and month."""
    by = wire.STATEMENT[:4]
    adjustments = tables().adjustments
    adjusted: dict[tuple[str, ...], Decimal] = {}
    for row in connection.execute(sa.select(adjustments).where(adjustments.c.site == site)).mappings():
        key = tuple(row[name] for name in by)
        adjusted[key] = _EXACT.add(adjusted.get(key, Decimal(0)), Decimal(row["billed_unit"] or row["quantity"]))
    sums = {tuple(row[name] for name in by): row for row in summary.grouped(summary.accounts(connection, site).parts, by)}
    nothing = {"quantity": summary.pair(NOTHING), "units": summary.pair(NOTHING)}
    for key in sorted(sums.keys() | adjusted.keys()):
        row = sums.get(key, nothing)
        values = [*key, *row["quantity"], *row["units"], plain(adjusted.get(key, Decimal(0)))]
        months.add(key[3])
        yield wire.line_of(dict(zip(wire.STATEMENT, values)))
