# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP face of a simulated container."""

from __future__ import annotations

import datetime
import decimal
import email.parser
import email.policy
import http.server
import io
import json
import re
import threading
import time
import typing as t
import urllib.parse
import wave

from sim_settings import Settings
from sim_usage import Usage

NON_METERED = "Container is non-metered and does not require an API Key."
VALID = "Api Key is valid, no action needed."


class BadRequest(Exception):
    """The request is not one that this API takes."""


class State:
    """What the service knows about itself; ``problem`` is why it does not get ready, ``usage`` is None without an output mount."""

    def __init__(self, settings: Settings, service: dict[str, t.Any], usage: Usage | None, *, online: bool) -> None:
        self.settings, self.service, self.usage, self.online = settings, service, usage, online
        self.problem = ""
        self.invalid = ""
        self.loaded = threading.Event()
        self._ready_at = time.monotonic() + settings.seconds("SIM_READY_AFTER", 1)

    def ready(self) -> bool:
        """Whether models are loaded and nothing stands against serving."""
        return self.loaded.is_set() and not self.problem and not self.invalid and time.monotonic() >= self._ready_at


def audio(headers: t.Mapping[str, str], query: dict[str, str], body: bytes) -> tuple[decimal.Decimal, t.Any]:
    """Speech recognition: seconds of a WAV file."""
    if not headers.get("Content-Type", "").startswith("audio/wav") or not re.fullmatch(r"[A-Za-z]{2,3}-[A-Za-z0-9-]+", query.get("language", "")):
        raise BadRequest("needs ?language= and a body of type audio/wav")
    try:
        with wave.open(io.BytesIO(body)) as stream:
            seconds = decimal.Decimal(stream.getnframes()) / stream.getframerate()
    except (wave.Error, EOFError, ZeroDivisionError) as exc:
        raise BadRequest(f"not a WAV file: {exc}") from exc
    seconds = seconds.quantize(decimal.Decimal("0.001"))
    return seconds, {"RecognitionStatus": "Success", "DisplayText": "simulated.", "Offset": 0, "Duration": int(seconds * 10**7)}


def texts(headers: t.Mapping[str, str], query: dict[str, str], body: bytes) -> tuple[decimal.Decimal, t.Any]:
    """Text translation: characters."""
    rows = _json(headers, body)
    if query.get("api-version") != "3.0" or not query.get("to"):
        raise BadRequest("needs ?api-version=3.0&to=")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and isinstance(row.get("Text", row.get("text")), str) for row in rows):
        raise BadRequest('needs [{"Text": "..."}]')
    given = [row.get("Text", row.get("text")) for row in rows]
    answer = [{"translations": [{"text": f"[{query['to']}] {text}", "to": query["to"]}]} for text in given]
    return decimal.Decimal(sum(map(len, given))), answer


def document(headers: t.Mapping[str, str], query: dict[str, str], body: bytes) -> tuple[decimal.Decimal, t.Any]:
    """Document translation: characters of the multipart field ``document``."""
    if not headers.get("Content-Type", "").startswith("multipart/form-data") or not query.get("targetLanguage"):
        raise BadRequest("needs ?targetLanguage= and a multipart/form-data body")
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    for part in form.iter_parts() if form.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "document":
            text = part.get_payload(decode=True).decode(errors="replace")
            return decimal.Decimal(len(text)), {"text": f"[{query['targetLanguage']}] {text}"}
    raise BadRequest("no field named document")


def documents(headers: t.Mapping[str, str], query: dict[str, str], body: bytes) -> tuple[decimal.Decimal, t.Any]:
    """Text analytics: text records of up to 1000 characters."""
    given = _json(headers, body)
    rows = given.get("documents") if isinstance(given, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) and row.get("id") and isinstance(row.get("text"), str) for row in rows):
        raise BadRequest('needs {"documents": [{"id": "1", "text": "..."}]}')
    records = sum(-(-len(row["text"]) // 1000) or 1 for row in rows)
    answer = [{"id": row["id"], "sentiment": "positive", "confidenceScores": {"positive": 1.0, "neutral": 0.0, "negative": 0.0}} for row in rows]
    return decimal.Decimal(records), {"documents": answer, "errors": [], "modelVersion": "simulated"}


FORMS = {"audio": audio, "texts": texts, "document": document, "documents": documents}


def _json(headers: t.Mapping[str, str], body: bytes) -> t.Any:
    if not headers.get("Content-Type", "").startswith("application/json"):
        raise BadRequest("needs a body of type application/json")
    try:
        return json.loads(body)
    except ValueError as exc:
        raise BadRequest(f"not JSON: {exc}") from exc


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; the class attribute ``state`` is set by ``serve``."""

    state: State
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep quiet: the real containers do not log requests at their default level."""

    def _answer(self, status: int, body: t.Any, kind: str = "application/json; charset=utf-8") -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """Home, health, documentation, usage."""
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
        elif path.rstrip("/") == "/swagger":
            paths = {api["path"]: {"post": {"responses": {"200": {"description": "ok"}}}} for api in self.state.service["api"]}
            self._answer(200, {"openapi": "3.0.1", "info": {"title": name, "version": self.state.service["version"]}, "paths": paths})
        elif path.rstrip("/") == "/records/usage-logs" or path.startswith("/records/usage-logs/"):
            self._usage(path.removeprefix("/records/usage-logs").strip("/"))
        else:
            self._answer(404, {"error": "no such path"})

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
        digits = "[1-9]|1[0-2]" if state.settings.switch("SIM_UNPADDED_ONLY") else "0[1-9]|1[0-2]"
        match = re.fullmatch(rf"({digits})/(\d{{4}})", month)
        if not match:
            padded = re.fullmatch(r"(0?[1-9]|1[0-2])/\d{4}", month)
            return self._answer(404 if padded else 400, {"error": "no such month"})
        body = state.usage.report(datetime.date(int(match[2]), int(match[1]), 1), share)
        empty = state.settings.switch("SIM_EMPTY_MONTH")
        if not body["meters"] and empty != "empty":
            return self._answer(int(empty), {"error": "no usage in that month"})
        return self._answer(200, body)

    def do_POST(self) -> None:
        """The service's own API; a use is on disk before its answer goes out."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urllib.parse.urlsplit(self.path)
        query = {name: values[0] for name, values in urllib.parse.parse_qs(parts.query).items()}
        form = next((api["form"] for api in self.state.service["api"] if api["path"] == parts.path), "")
        if not form:
            return self._answer(404, {"error": "no such path"})
        if not self.state.ready():
            return self._answer(503, "Service is temporarily unavailable", "text/plain")
        try:
            quantity, answer = FORMS[form](self.headers, query, body)
        except BadRequest as exc:
            return self._answer(400, {"error": {"code": "BadRequest", "message": str(exc)}})
        if self.state.usage:
            self.state.usage.add(form, quantity)
        return self._answer(200, answer)


def serve(state: State, address: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server bound to the port, not yet serving."""
    handler = type("BoundHandler", (Handler,), {"state": state})
    return http.server.ThreadingHTTPServer((address, port), handler)
