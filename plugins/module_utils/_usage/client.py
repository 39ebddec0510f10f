# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask usage endpoints: every endpoint, every scope, each with an outcome, none spoiling another.

An endpoint is ``{"name", "url", "source", …}``; a scope is ``all`` or a month. This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
import typing as t
from dataclasses import dataclass

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import months as calendar
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.records import BadAnswer, parse_body
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.transport import NoAnswer, Session, Target, tls_context

if t.TYPE_CHECKING:
    import ssl

RECORDS = "/records/usage-logs"
_AGAIN = (408, 429, 500, 502, 503, 504)  # a container that starts or is busy
_ABSENT = (204, 400, 404)  # what a month without usage, or one in the other spelling, may be answered with
_FIRST_PAUSE = 0.2  # seconds; doubled each time, times 0.5 to 1.5
_LONGEST_PAUSE = 5.0


@dataclass(frozen=True)
class Limits:
    """:param timeout: seconds for one request, body included; :param retries: further attempts; :param max_body: bytes"""

    timeout: float = 10.0
    retries: int = 2
    max_body: int = 4 * 1024 * 1024


class Answers(t.NamedTuple):
    """``readings`` and ``failures`` as the module ``usage_info`` returns them."""

    readings: list[dict[str, t.Any]]
    failures: list[dict[str, t.Any]]


Ask = t.Callable[[int], Answers]


def ask_all(
    endpoints: t.Sequence[t.Mapping[str, t.Any]],
    months: t.Sequence[str],
    limits: Limits,
    concurrency: int = 4,
    context: t.Optional[ssl.SSLContext] = None,
) -> Answers:
    """Ask every endpoint for all time and for ``months`` (an endpoint's own ``months`` win); order is kept.

    :raises InputError: a URL is none; nothing is asked then.
    """
    found = dict(stream(endpoints, months, limits, concurrency, context))
    answers = Answers([], [])
    for index in range(len(endpoints)):
        answers.readings.extend(found[index].readings)
        answers.failures.extend(found[index].failures)
    return answers


def stream(
    endpoints: t.Sequence[t.Mapping[str, t.Any]],
    months: t.Sequence[str],
    limits: Limits,
    concurrency: int = 4,
    context: t.Optional[ssl.SSLContext] = None,
) -> t.Iterator[tuple[int, Answers]]:
    """As ``ask_all``, but each endpoint's index and answers as soon as they are there; who takes them slowly slows the asking.

    :raises InputError: a URL is none; at once, nothing is asked then.
    """
    return spread(asker(endpoints, months, limits, context), iter(range(len(endpoints))), min(concurrency, len(endpoints)))


def asker(
    endpoints: t.Sequence[t.Mapping[str, t.Any]],
    months: t.Sequence[str],
    limits: Limits,
    context: t.Optional[ssl.SSLContext] = None,
) -> Ask:
    """What asks the endpoint of a number; :raises InputError: a URL is none."""
    targets = [Target(endpoint["url"]) for endpoint in endpoints]
    if context is None and any(target.tls for target in targets):
        context = tls_context(None, True)

    def ask(index: int) -> Answers:
        wanted = endpoints[index].get("months")
        tls = context if targets[index].tls else None
        return _Endpoint(endpoints[index], targets[index], limits, tls).ask(months if wanted is None else wanted)

    return ask


def spread(ask: Ask, waiting: t.Iterator[int], concurrency: int, ahead: int = 0) -> t.Iterator[tuple[int, Answers]]:
    """``ask`` each number that waits, some threads at once; nobody runs further ahead of who takes the results than ``ahead``, or four for each thread."""
    lock = threading.Lock()
    stopped = threading.Event()
    results: queue.Queue[t.Union[tuple[int, Answers], BaseException, None]] = queue.Queue(maxsize=max(ahead, 4 * concurrency, 4))

    def work() -> None:
        try:
            while not stopped.is_set():
                with lock:
                    index = next(waiting, None)
                if index is None:
                    break
                results.put((index, ask(index)))
            results.put(None)
        except BaseException as exc:
            results.put(exc)

    threads = [threading.Thread(target=work, daemon=True) for _index in range(max(1, concurrency))]
    for thread in threads:
        thread.start()
    try:
        working = len(threads)
        while working:
            found = results.get()
            if isinstance(found, BaseException):
                raise found
            if found is None:
                working -= 1
            else:
                yield found
    finally:
        stopped.set()
        with contextlib.suppress(queue.Empty):
            while True:  # whoever waits for room in the queue must get it to end
                results.get_nowait()


class _Endpoint:
    """The requests to one endpoint, one after the other."""

    def __init__(self, endpoint: t.Mapping[str, t.Any], target: Target, limits: Limits, context: t.Optional[ssl.SSLContext]) -> None:
        self._endpoint = endpoint
        self._target = target
        self._limits = limits
        self._session = Session(target, limits.timeout, limits.max_body, context)
        self._silent = 0  # scopes in a row without an answer
        self._dead: t.Optional[NoAnswer] = None
        self._padded = True

    def ask(self, months: t.Sequence[str]) -> Answers:
        """Months first and all time last: use that goes on meanwhile can then never make a month exceed all time."""
        answers = Answers([], [])
        absent: list[tuple[str, str, int]] = []
        try:
            for month in months:
                self._month(month, answers, absent)
            known = self._scope(calendar.ALL, [RECORDS + "/", RECORDS], answers)
        finally:
            self._session.close()
        for month, url, status in absent:
            # Nobody documents what a month without usage looks like: an endpoint that answers for all time knows what it says.
            if known:
                answers.readings.append(self._reading(month, url, status, {}))
            else:
                answers.failures.append(self._failure(month, url, "bad_answer", f"HTTP {status}, and no usage report for all time either"))
        return answers

    def _month(self, month: str, answers: Answers, absent: list[tuple[str, str, int]]) -> None:
        year, number = month.split("-")
        padded, plain = f"{RECORDS}/{number}/{year}", f"{RECORDS}/{int(number)}/{year}"
        paths = [padded, plain] if self._padded else [plain, padded]
        found = self._scope(month, list(dict.fromkeys(paths)), answers, absent)
        if found and plain != padded:
            self._padded = found == padded

    def _scope(self, scope: str, paths: list[str], answers: Answers, absent: t.Optional[list[tuple[str, str, int]]] = None) -> t.Optional[str]:
        """Ask for one scope, ``paths`` in turn while they answer that there is none; return the path that gave a usage report."""
        url, statuses = self._target.base + paths[0], []
        try:
            for path in paths:
                status, body = self._get(path, scope)
                if status not in _ABSENT:
                    url = self._target.base + path
                    if status != 200:
                        raise BadAnswer(f"HTTP {status}")
                    answers.readings.append(self._reading(scope, url, status, parse_body(body)))
                    return path
                statuses.append(status)
            if absent is None:
                raise BadAnswer(f"HTTP {statuses[0]}")
            absent.append((scope, url, statuses[0]))
        except BadAnswer as exc:
            answers.failures.append(self._failure(scope, url, "bad_answer", exc.problem))
        except NoAnswer as exc:
            answers.failures.append(self._failure(scope, url, "no_answer", exc.problem))
        return None

    def _get(self, path: str, scope: str) -> tuple[int, bytes]:
        if self._dead is not None and (scope != calendar.ALL or not self._dead.connected):
            raise NoAnswer(f"not asked: {self._dead.problem} before" if self._dead.connected else self._dead.problem)
        tries = 1 if self._silent else self._limits.retries + 1
        for attempt in range(tries):
            last = attempt == tries - 1
            try:
                status, body = self._session.get(path)
            except NoAnswer as exc:
                if last:
                    self._note(exc)
                    raise
            else:
                if last or status not in _AGAIN:
                    self._silent = 0
                    return status, body
            time.sleep(min(_FIRST_PAUSE * 2**attempt * random.uniform(0.5, 1.5), _LONGEST_PAUSE))
        raise NoAnswer("no attempt was allowed")

    def _note(self, error: NoAnswer) -> None:
        # A dead endpoint must not cost months times retries times the time limit.
        self._silent += 1
        if not error.connected or self._silent >= 2:
            self._dead = error

    def _reading(self, scope: str, url: str, status: int, report: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        return {
            "name": self._endpoint["name"],
            "source": self._endpoint.get("source"),
            "url": url,
            "scope": scope,
            "outcome": "usage" if report.get("meters") else "no_usage",
            "http_status": status,
            "api_type": report.get("api_type", ""),
            "service_name": report.get("service_name", ""),
            "meters": report.get("meters", []),
            "extra": report.get("extra", {}),
            "observed_at": calendar.now(),
            "body_sha256": report.get("body_sha256"),
        }

    def _failure(self, scope: str, url: str, kind: str, reason: str) -> dict[str, t.Any]:
        line = "".join(char if char.isprintable() else "?" for char in reason)
        return {"name": self._endpoint["name"], "url": url, "scope": scope, "kind": kind, "reason": line[:200]}


def options(concurrency: int) -> dict[str, dict[str, t.Any]]:
    """Options of modules that ask, but what: for an argument spec. Documented in the fragment ``_asking``."""
    return {
        "since": {"type": "str"},
        "until": {"type": "str"},
        "timeout": {"type": "float", "default": 10},
        "retries": {"type": "int", "default": 2},
        "concurrency": {"type": "int", "default": concurrency},
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "max_body": {"type": "int", "default": 4 * 1024 * 1024},
    }


def limits_of(params: t.Mapping[str, t.Any], module: str) -> Limits:
    """The limits that ``options`` gave; :raises InputError: one of them is impossible."""
    limits = Limits(params["timeout"], params["retries"], params["max_body"])
    problem = check_limits(limits, params["concurrency"])
    if problem:
        raise InputError(module, problem)
    return limits


def context_of(params: t.Mapping[str, t.Any], endpoints: t.Iterable[t.Mapping[str, t.Any]]) -> t.Optional[ssl.SSLContext]:
    """TLS settings that ``options`` gave, where an endpoint needs them; :raises InputError: no certificates to be read there."""
    needed = any(endpoint["url"].startswith("https:") for endpoint in endpoints)
    return tls_context(params["ca_path"], params["validate_certs"]) if needed else None


def check_limits(limits: Limits, concurrency: int) -> t.Optional[str]:
    """What is wrong with the limits, or None."""
    if not 0 < limits.timeout <= 3600:
        return "timeout must be more than 0 and at most 3600 seconds"
    if not 0 <= limits.retries <= 10:
        return "retries must be 0 to 10"
    if not 1 <= concurrency <= 64:
        return "concurrency must be 1 to 64"
    if not 1 <= limits.max_body <= 64 * 1024 * 1024:
        return "max_body must be 1 byte to 64 MiB"
    return None
