# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What usage exports and receipts look like while they cross: their documents and lines, checked. Pure. Normative text: docs/usage-export.md.

This file is private to the collection.
"""

from __future__ import annotations

import json
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import digest_of, parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.digest import Digest
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError, IntegrityError, Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import is_dns_label
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.ledger import row_hash, series_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import dumps, is_exact

FORMAT = 1
KIND, RECEIPT_KIND = "airgap.azure_ai/usage-export", "airgap.azure_ai/usage-receipt"
NAMESPACE, RECEIPT_NAMESPACE = "azure-ai-usage", "azure-ai-receipt"
NAME, STATE, STATEMENTS, RECEIPT = "export.json", "state.json", "statements.jsonl", "receipt.json"
CHAINS = ("looks", "readings", "adjustments")
DETAILS = ("host", "site")
STATEMENT = ("service", "resource", "meter", "month", "quantity_low", "quantity_high", "units_low", "units_high", "adjusted")
MAX_MANIFEST, MAX_STATE, MAX_LINE, MAX_FILE = 4 * 1024 * 1024, 16 * 1024 * 1024, 16 * 1024 * 1024, 2**36  # bytes
MAX_LEDGERS = 1000
_MAX_NUMBER = 2**53
_MAX_PROBLEMS = 20

Record = dict[str, t.Any]
Check = t.Callable[[t.Any], bool]
_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_HASH = re.compile(r"[0-9a-f]{64}")
_LEDGER = re.compile(r"[0-9a-f]{32}")
_SIGNED = re.compile(r"-?[0-9]{1,36}(\.[0-9]{1,36})?")
_OUTCOMES = ("usage", "no_usage", "no_answer", "bad_answer")


def rows_file(table: str) -> str:
    """Name of the file that holds rows of a table."""
    return f"{table}.jsonl"


def files_of(detail: str) -> tuple[str, ...]:
    """Files beside export.json and its signature, in the order in which the manifest lists them."""
    rows = tuple(rows_file(table) for table in CHAINS) if detail == "host" else (STATEMENTS,)
    return (*rows, STATE)


def identity(document: t.Mapping[str, t.Any]) -> str:
    """Digest of an export's manifest without ``id`` and ``created``."""
    return str(digest_of({name: value for name, value in document.items() if name not in ("id", "created")}))


def load_manifest(data: bytes, what: str) -> Record:
    """Read the bytes of export.json, whose signature was verified before.

    :raises InputError, Problems: anything in it is not as docs/usage-export.md says.
    """
    document = _load(data, what, MAX_MANIFEST, "headquarters")
    spans = {"from": _number, "to": _count, "before": _is_hash, "after": _is_hash}
    problems = _record(document, _MANIFEST, "")
    if not problems:
        problems += [line for table, span in document["tables"].items() for line in _record(span, spans, f"tables.{table}")]
        problems += [line for place, entry in enumerate(document["ledgers"]) for line in _record(entry, _LEDGERS, f"ledgers[{place}]")]
        problems += [line for place, entry in enumerate(document["files"]) for line in _record(entry, _FILES, f"files[{place}]")]
    if not problems:
        problems = _agreement(document)
    if problems:
        raise Problems(what, problems[:_MAX_PROBLEMS])
    return document


def load_receipt(data: bytes, what: str) -> Record:
    """Read the bytes of a receipt, whose signature was verified before.

    :raises InputError, Problems: anything in it is not as docs/usage-export.md says.
    """
    document = _load(data, what, MAX_MANIFEST, "the site")
    problems = _record(document, _RECEIPT, "")
    if not problems:
        problems = [line for table, head in document["heads"].items() for line in _record(head, {"seq": _count, "hash": _is_hash}, f"heads.{table}")]
    if problems:
        raise Problems(what, problems[:_MAX_PROBLEMS])
    return document


def line_of(row: t.Mapping[str, t.Any]) -> bytes:
    """One line of a file: the canonical JSON of a row, and a line feed."""
    return dumps(dict(row)).encode("utf-8") + b"\n"


def load_line(line: bytes, what: str) -> Record:
    """Read a line that ``line_of`` wrote.

    :raises InputError: not such a line, byte for byte: cut off, another spelling, one member twice, not an object of texts and numbers.
    """
    try:
        text = line.decode("utf-8")
        row = json.loads(text, parse_float=_no_number, parse_constant=_no_number)
        same = isinstance(row, dict) and all(value is None or type(value) in (str, int) for value in row.values()) and dumps(row) + "\n" == text
    except (ValueError, RecursionError) as exc:
        raise InputError(what, f"not JSON ({exc})"[:200]) from exc
    if not same:
        raise InputError(what, "not the canonical JSON of a row")
    return row


class Walk:
    """Follows the rows of one chain through a file: each must be the next one, and be what its hash says.

    :param table: a chained table as SQLAlchemy sees it
    :param span: ``from``, ``to``, ``before``, ``after`` as the manifest says
    """

    def __init__(self, table: t.Any, site: str, span: t.Mapping[str, t.Any]) -> None:
        self._name, self._site, self._span = table.name, site, span
        self._checks = {column.name: _column_check(column) for column in table.columns}
        self._content = [name for name in self._checks if name not in ("seq", "prev", "hash")]
        self.seq, self.head = span["from"] - 1, span["before"]

    def take(self, line: bytes) -> Record:
        """The row of the next line.

        :raises InputError, IntegrityError: malformed, not the next row, or altered; the line names the row.
        """
        self.seq += 1
        where = f"{self._name} row {self.seq}"
        row = load_line(line, where)
        problems = _record(row, self._checks, "")
        if problems:
            raise InputError(where, problems[0])
        if row["seq"] != self.seq or self.seq > self._span["to"]:
            raise IntegrityError(where, f"row {row['seq']} stands in its place", "the export is not whole: export again")
        if row["site"] != self._site:
            raise IntegrityError(where, f"of site {row['site']}, not {self._site}")
        if row["prev"] != self.head:
            raise IntegrityError(where, f"does not follow row {self.seq - 1}", "a row was altered, added or left out")
        if row_hash(self._name, self._content, row) != row["hash"]:
            raise IntegrityError(where, "its content does not match its hash", "it was altered after it was written")
        problem = _MEANING[self._name](row)
        if problem:
            raise InputError(where, problem)
        self.head = row["hash"]
        return row

    def finish(self) -> None:
        """Raise IntegrityError when the last row is not the one that the manifest names."""
        if self.seq != self._span["to"]:
            raise IntegrityError(f"{self._name} row {self.seq + 1}", f"missing; the export says rows up to {self._span['to']}")
        if self.head != self._span["after"]:
            raise IntegrityError(f"{self._name} row {self.seq}", "is not the head that the export names")


def load_statement(line: bytes, what: str) -> Record:
    """One line of statements.jsonl; :raises InputError: it is none."""
    row = load_line(line, what)
    problems = _record(row, _STATEMENT, "")
    if problems:
        raise InputError(what, problems[0])
    return row


def is_signed_exact(value: t.Any) -> bool:
    """A decimal number as text, possibly negative."""
    return isinstance(value, str) and _SIGNED.fullmatch(value) is not None


def is_text(value: t.Any) -> bool:
    """A line of at most 4096 characters."""
    return isinstance(value, str) and len(value) <= 4096 and value.isprintable()


def is_time(value: t.Any) -> bool:
    """``YYYY-MM-DDTHH:MM:SSZ``."""
    return isinstance(value, str) and _TIME.fullmatch(value) is not None


def _load(data: bytes, what: str, limit: int, reader: str) -> Record:
    document = parse(data, what, limit, 8)
    if not isinstance(document, dict):
        raise InputError(what, "not a JSON object")
    if isinstance(document.get("format"), int) and document["format"] > FORMAT:
        raise InputError(what, f"has format {document['format']}, this collection reads {FORMAT}", f"update the collection at {reader}")
    return document


def _agreement(document: Record) -> list[str]:
    """What single members cannot say about themselves."""
    problems = []
    for table, span in document["tables"].items():
        if span["to"] < span["from"] - 1:
            problems.append(f"tables.{table} ends before it begins")
        elif span["to"] == span["from"] - 1 and span["before"] != span["after"]:
            problems.append(f"tables.{table} has no row, but another head after than before")
    if [entry["name"] for entry in document["files"]] != list(files_of(document["detail"])):
        problems.append(f"files are not {', '.join(files_of(document['detail']))}")
    if document["ledgers"][-1]["id"] != document["ledger"]:
        problems.append("ledger is not the last of ledgers")
    if identity(document) != document["id"]:
        problems.append(f"id is {document['id']}, the contents give {identity(document)}")
    return problems


def _record(value: t.Any, shape: t.Mapping[str, Check], where: str) -> list[str]:
    """What is missing from an object, unknown to it or wrong in it, a line each."""
    if not isinstance(value, dict):
        return [f"{where} is not an object"]
    dot = f"{where}." if where else ""
    problems = [f"{dot}{name} is missing" for name in shape if name not in value]
    problems += [f"{dot}{ascii(name)[1:-1]} is unknown to format {FORMAT}"[:200] for name in value if name not in shape]
    problems += [f"{dot}{name} has the bad value {value[name]!a}"[:200] for name, check in shape.items() if name in value and not check(value[name])]
    return problems


def _column_check(column: t.Any) -> Check:
    whole = column.type.python_type is int

    def check(value: t.Any) -> bool:
        if value is None:
            return bool(column.nullable)
        return _count(value) if whole else isinstance(value, str) and "\0" not in value

    return check


def _look(row: Record) -> t.Optional[str]:
    if row["outcome"] not in _OUTCOMES or not calendar.is_scope(row["scope"]) or not is_time(row["recorded_at"]):
        return "outcome, scope or recorded_at is none"
    return None


def _reading(row: Record) -> t.Optional[str]:
    if not is_exact(row["quantity"]) or not (row["billed_unit"] is None or is_exact(row["billed_unit"])) or not calendar.is_scope(row["month"]):
        return "quantity, billed_unit or month is none"
    if row["series"] != series_of(row["source"], row["reporter"], row["service"], row["meter"], row["month"]):
        return "series is not that of its source, reporter, service, meter and month"
    return None


def _adjustment(row: Record) -> t.Optional[str]:
    numbers = is_signed_exact(row["quantity"]) and (row["billed_unit"] is None or is_signed_exact(row["billed_unit"]))
    return None if numbers and calendar.is_scope(row["month"]) else "quantity, billed_unit or month is none"


def _no_number(text: str) -> t.NoReturn:
    raise ValueError(f"{text[:20]}: not a whole number")


def _number(value: t.Any) -> bool:
    return _count(value) and value > 0


def _count(value: t.Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_NUMBER


def _is_hash(value: t.Any) -> bool:
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_digest(value: t.Any) -> bool:
    try:
        Digest.parse(value)
    except AirgapError:
        return False
    return True


def _is_ledger(value: t.Any) -> bool:
    return isinstance(value, str) and _LEDGER.fullmatch(value) is not None


def _is_heads(value: t.Any) -> bool:
    return isinstance(value, dict) and set(value) <= set(CHAINS) and all(isinstance(head, dict) for head in value.values())


_MEANING: dict[str, t.Callable[[Record], t.Optional[str]]] = {"looks": _look, "readings": _reading, "adjustments": _adjustment}
_STATEMENT: dict[str, Check] = {
    **dict.fromkeys(STATEMENT[:3], is_text),
    "month": calendar.is_scope,
    **dict.fromkeys(STATEMENT[4:], is_signed_exact),
}
_HEADER: dict[str, Check] = {
    "format": lambda value: value == FORMAT and value is not True,
    "site": is_dns_label,
    "ledger": _is_ledger,
    "number": _number,
    "detail": lambda value: value in DETAILS,
}
_MANIFEST: dict[str, Check] = {
    **_HEADER,
    "kind": lambda value: value == KIND,
    "id": _is_digest,
    "created": is_time,
    "ledgers": lambda value: isinstance(value, list) and 0 < len(value) <= MAX_LEDGERS,
    "since": _count,
    "collection": is_text,
    "tables": lambda value: isinstance(value, dict) and tuple(sorted(value)) == tuple(sorted(CHAINS)),
    "files": lambda value: isinstance(value, list) and len(value) <= 16,
}
_RECEIPT: dict[str, Check] = {
    **_HEADER,
    "kind": lambda value: value == RECEIPT_KIND,
    "export": _is_digest,
    "issued": is_time,
    "heads": _is_heads,
}
_LEDGERS: dict[str, Check] = {
    "id": _is_ledger,
    "opened_at": is_time,
    "predecessor": lambda value: value is None or _is_ledger(value),
    "heads": lambda value: value is None or _is_heads(value),
    "reason": is_text,
}
_FILES: dict[str, Check] = {"name": is_text, "digest": _is_digest, "size": lambda value: _count(value) and value <= MAX_FILE}
