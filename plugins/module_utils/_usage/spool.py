# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The spool: one document per host and harvest on its way from a host to the ledger.

    {"format": 1, "site", "host", "harvest", "spooled_at", "answer": {"endpoints", "readings", "failures"}}

``endpoints``, ``readings`` and ``failures`` are what ``usage_info`` returns. Everything in ``answer`` was written by a host
and is checked here before it may enter the ledger. This file is private to the collection.
"""

from __future__ import annotations

import json
import os
import time
import typing as t
import urllib.parse

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import make_folder, shared_mode, write_bytes
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.names import local_url
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import answer as said
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import MAX_NAME, dumps, is_exact

FORMAT = 1
_HELD = 16 * 1024 * 1024  # bytes of documents kept in memory between checking and appending


def file_name(*words: str) -> str:
    """File name for a host, or for a harvest and a host; whatever they are called, it stays one name in one folder, and another for other words."""
    *first, last = (urllib.parse.quote(word, safe="") for word in words)
    name = "--".join([*(word.replace("-", "%2D") for word in first), last])
    return ("%2E" + name[1:] if name.startswith(".") else name) + ".json"


def endpoints_of(containers: t.Sequence[t.Mapping[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Endpoints, as seen from their own host, of the containers that the lookup ``airgap.azure_ai.containers`` gives."""
    result = []
    for container in containers:
        result.append(
            {
                "name": container["name"],
                "url": local_url(str(container.get("bind") or ""), container["port"]),
                "container": container["name"],
                "service": container.get("service"),
                "resource": container.get("resource"),
            }
        )
    return result


def targets(args: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """Endpoints for ``usage_harvest`` from the options of ``usage_spool``, ``host`` and ``direct`` included."""
    result = []
    for container in args.get("containers") or []:
        url = args["direct"]
        for name, value in (("host", args["host"]), ("container", container["name"]), ("port", container["port"])):
            url = url.replace(f"{{{name}}}", str(value))
        result.append({"host": args["host"], "container": container["name"], "url": url, **{key: container.get(key) for key in ("service", "resource")}})
    for endpoint in _declared(args):
        known = {key: endpoint[key] for key in ("url", *said.ATTRIBUTES) if endpoint.get(key) and key != "container"}
        result.append({"host": args["host"], "container": endpoint.get("container") or endpoint["name"], **known})
    return result


def _declared(args: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """The option ``endpoints``; :raises InputError: it is no list of dictionaries."""
    found = args.get("endpoints") or []
    if not isinstance(found, list) or not all(isinstance(endpoint, dict) for endpoint in found):
        raise InputError(
            "endpoints of usage_spool (harvest_endpoints)", "not a list of dictionaries", "write each as {name: stt, url: http://h1.example.com:5000}"
        )
    return [dict(endpoint) for endpoint in found]


_OWN = ("containers", "endpoints", "direct", "spool", "closed", "site", "host", "harvest", "months")  # options that the host does not see


class Plan(t.NamedTuple):
    """What the action ``usage_spool`` is to do for one host."""

    path: str
    site: str
    host: str
    harvest: str
    months: list[str]
    module_args: dict[str, t.Any]

    @classmethod
    def of(cls, args: t.Mapping[str, t.Any]) -> Plan:
        """Read the options of ``usage_spool``, ``host`` included; :raises InputError: one is missing or wrong."""
        for name in ("spool", "site", "host", "harvest"):
            if not is_line(args.get(name)) or not args[name]:
                raise InputError("usage_spool", f"{name} is missing or not a line of text")
        endpoints = endpoints_of(args.get("containers") or []) + _declared(args)
        if not all(_lines(endpoint, ("name", "url")) for endpoint in endpoints):
            raise InputError("usage_spool", "an endpoint without name or url")
        closed = read_closed(args.get("closed"), args["host"])
        for endpoint in endpoints:
            if endpoint.get("container") in closed:
                endpoint["closed"] = closed[endpoint["container"]]
        moment = calendar.now()
        since = args.get("since") or _since(args.get("months"), moment)
        asked = calendar.span(since, args.get("until"), moment)
        passed = {key: value for key, value in args.items() if key not in _OWN}
        # The month is this clock's, not the host's: all hosts of a harvest are asked for the same.
        passed.update(endpoints=endpoints, compact=True, **({"since": asked[0], "until": asked[-1]} if asked else {}))
        # A file of its own for each harvest: what an interrupted one left still reaches the ledger, under its own name.
        path = os.path.join(args["spool"], file_name(args["harvest"], args["host"]))
        return cls(path, args["site"], args["host"], args["harvest"], asked, passed)

    def silence(self, reason: str) -> dict[str, t.Any]:
        """The answer of this host when it gives none."""
        line = "".join(char if char.isprintable() else "?" for char in reason)
        return said.silence(self.module_args["endpoints"], self.months, line)

    def write(self, answer: t.Mapping[str, t.Any]) -> None:
        """Spool ``answer``."""
        folder = os.path.dirname(self.path)
        make_folder(folder)
        text = dumps(document(self.site, self.host, self.harvest, answer, calendar.now()))
        write_bytes(self.path, text.encode("utf-8"), shared_mode(folder, 0o600))


def _since(count: t.Any, moment: str) -> t.Optional[str]:
    """First of the ``count`` months that end with this one."""
    if count in (None, "", 0, "0"):
        return None
    if not str(count).isdigit() or int(count) > calendar.MAX_MONTHS:
        raise InputError("usage_spool", f"months {count!r} is not a number up to {calendar.MAX_MONTHS}")
    return calendar.back(moment[:7], int(count) - 1)


class Waiting(t.NamedTuple):
    """A document that waits; None where it was not kept in memory."""

    name: str
    harvest: str
    spooled_at: str
    document: t.Optional[dict[str, t.Any]]


class Folder:
    """A spool folder on the control node."""

    def __init__(self, path: str) -> None:
        self._path = path

    def load(self, site: str) -> tuple[list[Waiting], list[tuple[str, str]]]:
        """Documents of ``site`` that wait, oldest first, and refused files as (file name, why). Nothing is moved yet."""
        good: list[Waiting] = []
        refused: list[tuple[str, str]] = []
        held = 0
        names = sorted(os.listdir(self._path)) if os.path.isdir(self._path) else []
        for name in names:
            if not name.endswith(".json") or name.startswith("."):
                continue
            try:
                size = os.path.getsize(os.path.join(self._path, name))
                found = self._read(name)
                if found["site"] != site:
                    raise InputError(f"spool file {name}", f"of site {found['site']}, not {site}")
                held += size
                good.append(Waiting(name, found["harvest"], found["spooled_at"], found if held <= _HELD else None))
            except InputError as exc:
                refused.append((name, str(exc)))
        return sorted(good, key=lambda item: item.spooled_at), refused

    def documents(self, good: t.Iterable[Waiting]) -> t.Iterator[dict[str, t.Any]]:
        """The documents themselves, read again where there were too many to keep; :raises InputError: one has changed meanwhile."""
        for item in good:
            found = item.document or self._read(item.name)
            if found["harvest"] != item.harvest:
                raise InputError(f"spool file {item.name}", "changed while it was appended", "run again")
            yield found

    def _read(self, name: str) -> dict[str, t.Any]:
        with open(os.path.join(self._path, name), "rb") as stream:
            return load_document(stream.read(), f"spool file {name}")

    def archive(self, good: t.Iterable[Waiting], refused: t.Iterable[tuple[str, str]]) -> None:
        """Move documents to ``../done/<harvest>/`` and refused files to ``../refused/``."""
        beside = os.path.dirname(os.path.abspath(self._path))
        moves = [(item.name, os.path.join(beside, "done", file_name(item.harvest)[: -len(".json")])) for item in good]
        moves += [(name, os.path.join(beside, "refused")) for name, _why in refused]
        for name, folder in moves:
            make_folder(folder)
            os.replace(os.path.join(self._path, name), os.path.join(folder, name))


def old(done: str, keep_months: int, moment: str) -> list[str]:
    """Names of the folders of ``done`` that nothing came into since ``keep_months`` months before that of ``moment``, the oldest first."""
    if not os.path.isdir(done):
        return []
    limit = calendar.back(moment[:7], keep_months)
    with os.scandir(done) as found:
        ages = sorted((entry.stat(follow_symlinks=False).st_mtime, entry.name) for entry in found if entry.is_dir(follow_symlinks=False))
    return [name for age, name in ages if time.strftime("%Y-%m", time.gmtime(age)) < limit]


def write_closed(folder: str, closed: t.Mapping[tuple[str, str, str], t.Mapping[str, t.Any]]) -> None:
    """Note closed months, ``{(site, host, container): {"source", "months"}}``, in one file per host."""
    hosts: dict[str, dict[str, t.Any]] = {}
    for (_site, host, container), entry in closed.items():
        hosts.setdefault(host, {})[container] = entry
    make_folder(folder)
    for host, containers in hosts.items():
        write_bytes(os.path.join(folder, file_name(host)), dumps(containers).encode("utf-8"), shared_mode(folder, 0o600))


def counts(answer: t.Mapping[str, t.Any]) -> dict[str, int]:
    """How many scopes reported usage, none, or failed."""
    outcomes = [reading["outcome"] for reading in answer["readings"]]
    return {"usage": outcomes.count("usage"), "no_usage": outcomes.count("no_usage"), "failures": len(answer["failures"])}


def read_closed(folder: t.Optional[str], host: str) -> dict[str, dict[str, t.Any]]:
    """Closed months of a host's containers, ``{container: {"source", "months"}}``; the file is a mere saving, so a bad one counts as none."""
    if not folder:
        return {}
    try:
        with open(os.path.join(folder, file_name(host)), "rb") as stream:
            found = json.loads(stream.read())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def document(site: str, host: str, harvest: str, answer: t.Mapping[str, t.Any], moment: str) -> dict[str, t.Any]:
    """One spool document."""
    return {"format": FORMAT, "site": site, "host": host, "harvest": harvest, "spooled_at": moment, "answer": answer}


def load_answer(text: t.Any, what: str) -> dict[str, t.Any]:
    """Read what ``compact`` wrote, on a host that may be broken or hostile.

    :raises InputError: any part is not as ``usage_info`` documents it.
    """
    if not isinstance(text, str) or len(text) > 256 * 1024 * 1024:
        raise InputError(what, "no answer in the result of usage_info")
    return check_answer(_json(text, what), what)


def load_document(data: bytes, what: str) -> dict[str, t.Any]:
    """Read a spool file.

    :raises InputError: not a spool document.
    """
    try:
        found = _json(data.decode("utf-8"), what)
    except UnicodeDecodeError as exc:
        raise InputError(what, "not UTF-8") from exc
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise InputError(what, f"not a spool document of format {FORMAT}")
    for key in ("site", "host", "harvest", "spooled_at"):
        if not is_line(found.get(key)) or not found[key]:
            raise InputError(what, f"{key} is not a line of text")
    check_answer(found.get("answer"), what)
    return found


def check_answer(answer: t.Any, what: str) -> dict[str, t.Any]:
    """Return ``answer`` when every endpoint, reading and failure in it is well formed; raise InputError otherwise."""
    if not isinstance(answer, dict) or any(not isinstance(answer.get(key), list) for key in ("endpoints", "readings", "failures")):
        raise InputError(what, "an answer holds lists of endpoints, readings and failures")
    names = set()
    for endpoint in answer["endpoints"]:
        _need(isinstance(endpoint, dict) and _lines(endpoint, ("name", "url")) and _lines(endpoint, said.ATTRIBUTES, True), what, "endpoint")
        names.add(endpoint["name"])
    _need(len(names) == len(answer["endpoints"]), what, "list of endpoints (a name twice)")
    for failure in answer["failures"]:
        _need(isinstance(failure, dict) and _lines(failure, ("name", "url", "scope", "kind", "reason")), what, "failure")
        _need(failure["name"] in names and calendar.is_scope(failure["scope"]) and failure["kind"] in ("no_answer", "bad_answer"), what, "failure")
    for reading in answer["readings"]:
        _need(isinstance(reading, dict) and _is_reading(reading) and reading["name"] in names, what, "reading")
    return answer


def _is_reading(reading: dict[str, t.Any]) -> bool:
    meters = reading.get("meters")
    return (
        _lines(reading, ("name", "url", "scope", "outcome", "api_type", "service_name", "observed_at"))
        and _lines(reading, ("body_sha256",), True)
        and calendar.is_scope(reading["scope"])
        and reading["outcome"] in ("usage", "no_usage")
        and isinstance(reading.get("http_status"), int)
        and isinstance(reading.get("extra"), dict)
        and isinstance(meters, list)
        and all(_is_meter(meter) for meter in meters)
        and len({meter["name"] for meter in meters}) == len(meters)
    )


def _is_meter(meter: t.Any) -> bool:
    return (
        isinstance(meter, dict)
        and _lines(meter, ("name",))
        and is_exact(meter.get("quantity"))
        and (meter.get("billed_unit") is None or is_exact(meter["billed_unit"]))
    )


def _lines(value: dict[str, t.Any], keys: t.Sequence[str], optional: bool = False) -> bool:
    return all(is_line(value.get(key)) or (optional and value.get(key) is None) for key in keys)


def is_line(value: t.Any) -> bool:
    """Whether it is text that may stand in the ledger as a name or an address."""
    return isinstance(value, str) and len(value) <= 4 * MAX_NAME and value.isprintable()


def _need(fine: bool, what: str, part: str) -> None:
    if not fine:
        raise InputError(what, f"a malformed {part}", "the host did not answer with this collection's usage_info")


def _json(text: str, what: str) -> t.Any:
    try:
        return json.loads(text, parse_float=_no_float, parse_constant=_no_float)
    except (ValueError, RecursionError) as exc:
        raise InputError(what, f"not valid JSON ({exc})"[:200]) from exc


def _no_float(text: str) -> t.NoReturn:
    raise ValueError(f"{text[:20]}: numbers with a point travel as strings")
