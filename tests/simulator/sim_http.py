# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP face of a simulated container: health, documentation and usage, which all have, and the service's own API."""

from __future__ import annotations

import datetime
import decimal
import http.server
import json
import re
import threading
import time
import typing as t
import urllib.parse

import sim_documents
import sim_language
import sim_speech
import sim_translation
import sim_understanding
import sim_vision
from sim_forms import Answer, Request, Wrong, route
from sim_jobs import Jobs, Kept
from sim_links import INNER
from sim_settings import Settings
from sim_usage import Usage

NON_METERED = "Container is non-metered and does not require an API Key."
VALID = "Api Key is valid, no action needed."
FORMS: dict[str, t.Callable[..., Answer]] = {
    name: form for module in (sim_speech, sim_translation, sim_language, sim_understanding, sim_vision, sim_documents) for name, form in module.FORMS.items()
}


class State:
    """What the service knows about itself; ``problem`` is why it does not get ready, ``usage`` is None without an output mount.

    ``models`` are the folders of models that are loaded, ``shared`` is the folder where results are kept, empty for none.
    """

    def __init__(self, settings: Settings, service: dict[str, t.Any], usage: Usage | None, *, online: bool, shared: str = "") -> None:
        self.settings, self.service, self.usage, self.online = settings, service, usage, online
        self.models: list[str] = []
        self.jobs = Jobs(shared, settings.seconds("SIM_OPERATION_SECONDS", 0))
        self.built = Kept(shared)
        self.problem = ""
        self.invalid = ""
        self.loaded = threading.Event()
        self._last: list[tuple[str, decimal.Decimal]] = []
        self._end_after, self._first_takes = (settings.seconds(f"SIM_{name}_SECONDS", 0) for name in ("LAST_RECORD", "FIRST_ANSWER"))
        self._ready_at = time.monotonic() + settings.seconds("SIM_READY_AFTER", 1)

    def ready(self) -> bool:
        """Whether models are loaded and nothing stands against serving."""
        return self.loaded.is_set() and not self.problem and not self.invalid and time.monotonic() >= self._ready_at

    def is_inner(self, request: Request) -> bool:
        """Whether another container asks."""
        return INNER in request.headers

    def meter(self, form: str, quantity: decimal.Decimal | None, *, inner: bool) -> None:
        """Write a use down; what other containers ask is counted by a switch only."""
        if self.usage and quantity is not None and (not inner or self.settings.switch("SIM_METER_INNER")):
            if self._end_after:
                self._last.append((form, quantity))
            else:
                self.usage.add(form, quantity)

    def warm(self) -> None:
        """The first answer takes its time."""
        takes, self._first_takes = self._first_takes, 0
        time.sleep(takes)

    def end(self) -> None:
        """Write down what is not yet, when asked to stop."""
        if self._last and self.usage:
            time.sleep(self._end_after)
            for form, quantity in self._last:
                self.usage.add(form, quantity)


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the class attribute ``state`` is set by ``serve``."""

    state: State
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep quiet: the real containers do not log requests at their default level."""

    def _answer(self, status: int, body: t.Any, kind: str = "application/json; charset=utf-8", headers: t.Mapping[str, str] | None = None) -> None:
        data = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if data:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Home, health, documentation, usage; else the service's own API."""
        path = urllib.parse.urlsplit(self.path).path
        name = self.state.service["name"]
        if path == "/":
            self._answer(200, f"<html><body>Your {name} container is up and running.</body></html>", "text/html")
        elif path == "/ready":
            self._ready(name)
        elif path == "/status":
            status = ("Invalid" if self.state.invalid else "Valid") if self.state.online else "NonMetered"
            message = self.state.invalid or (VALID if self.state.online else NON_METERED)
            self._answer(200, {"service": name, "apiStatus": status, "apiStatusMessage": message})
        elif path.rstrip("/") == "/swagger" or (path.rstrip("/") == "/api-docs" and self.state.service.get("api_version", "") >= "3.1"):
            self._swagger(name)
        elif path.rstrip("/") == "/records/usage-logs" or path.startswith("/records/usage-logs/"):
            self._usage(path.removeprefix("/records/usage-logs").strip("/"))
        else:
            self._own()

    def _swagger(self, name: str) -> None:
        service = self.state.service
        paths: dict[str, t.Any] = {}
        for api in service["api"]:
            for method in api.get("method", "POST").lower().split("|"):
                paths.setdefault(api["path"], {})[method] = {"responses": {"200": {"description": "ok"}}}
        info = {"title": name, "version": service["version"]}
        if "api_version" in service:
            info |= {"x-api": service["api_version"], "x-api-version": sim_documents.VERSIONS.get(service["api_version"], "")}
        self._answer(200, {"openapi": "3.0.1", "info": info, "paths": paths})

    def _ready(self, name: str) -> None:
        if self.state.ready():
            self._answer(200, {"service": name, "ready": "ready", "message": VALID if self.state.online else NON_METERED})
        else:
            self._answer(503, self.state.problem or self.state.invalid or "Service is temporarily unavailable", "text/plain")

    def _usage(self, month: str) -> None:
        state = self.state
        if state.usage is None:
            return self._answer(404, {"error": "no billing record directory is mounted"})
        share = decimal.Decimal(1)
        if not state.ready() and not state.problem:
            partial = state.settings.switch("SIM_PARTIAL_WHILE_STARTING")
            if not partial:
                return self._answer(503, "Service is temporarily unavailable", "text/plain")
            share = decimal.Decimal("0.5")
            if partial == "empty":
                return self._answer(200, {**state.usage.report(None), "meters": []})
        if not month:
            return self._answer(200, state.usage.report(None, share))
        digits = {"": "0[1-9]|1[0-2]", "only": "[1-9]|1[0-2]", "both": "0?[1-9]|1[0-2]"}[state.settings.switch("SIM_UNPADDED")]
        match = re.fullmatch(rf"({digits})/(\d{{4}})", month)
        if not match:
            padded = re.fullmatch(r"(0?[1-9]|1[0-2])/\d{4}", month)
            return self._answer(404 if padded else 400, {"error": "no such month"})
        return self._month(state.usage, datetime.date(int(match[2]), int(match[1]), 1), share)

    def _month(self, usage: Usage, month: datetime.date, share: decimal.Decimal) -> None:
        body = usage.report(month, share)
        empty = self.state.settings.switch("SIM_EMPTY_MONTH")
        if body["meters"] or empty == "empty":
            return self._answer(200, body)
        if empty == "zero":
            return self._answer(200, {**body, "meters": [{"name": meter["name"], "quantity": 0} for meter in self.state.service["meters"]]})
        return self._answer(int(empty), "" if empty == "204" else {"error": "no usage in that month"})

    def _own(self) -> None:
        """The service's own API; a use is on disk before its answer goes out."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        fitting = route(self.state.service["api"], self.command, parts.path)
        if fitting is None:
            return self._answer(404, {"error": {"code": "404", "message": "Resource not found"}})
        if not self.state.ready():
            return self._answer(503, "Service is temporarily unavailable", "text/plain")
        given = urllib.parse.parse_qs(parts.query)
        query = {name: values[0] for name, values in given.items()}
        request = Request(self.command, parts.path, query, given, self.headers, body, fitting[1])
        form = fitting[0]["form"]
        try:
            answer = FORMS[form](self.state, request)
        except Wrong as exc:
            return self._answer(exc.status, exc.body)
        self.state.meter(answer.meter or form, answer.use, inner=self.state.is_inner(request))
        self.state.warm()
        return self._answer(answer.status, answer.body, answer.kind, answer.headers)

    def do_POST(self) -> None:
        """The service's own API."""
        self._own()

    def do_DELETE(self) -> None:
        """The service's own API."""
        self._own()


def serve(state: State, address: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server bound to the port, not yet serving."""
    handler = type("BoundHandler", (Handler,), {"state": state})
    return http.server.ThreadingHTTPServer((address, port), handler)
