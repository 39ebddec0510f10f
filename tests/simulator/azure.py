# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for the Azure endpoints that containers speak to while they are connected: licenses and models.

``python3 azure.py --resources FILE [--address A] [--port N]``; the file maps resource name to {key, kind, tier,
approved, license_lifetime_days}; ``models`` may list the IDs of a resource's own speech models (without it every ID is one of its own).
A resource's endpoint is ``http://<address>:<port>/<resource>``.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import http.server
import json
import os
import re
import sys
import typing as t
import urllib.parse
import uuid

import sim_license
from sim_settings import Settings

MODEL_BYTES = 1_500_000
LOCALES = ("en-US", "de-DE", "fr-FR")
SKILLS = ("ExtractiveSummarization", "AbstractiveSummarization", "ConversationSummarization")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")


class Problem(Exception):
    """An answer that is not 200: HTTP status and the status word of the body."""

    def __init__(self, code: int, status: str) -> None:
        super().__init__(status)
        self.code, self.status = code, status


def content(path: str) -> bytes:
    """The bytes of a model file: the same for ever, and not compressible."""
    size = 600 if path.startswith("Config/") else MODEL_BYTES
    return hashlib.shake_256(path.encode()).digest(size)


def translator_models(languages: t.Sequence[str]) -> list[str]:
    """Folders of one model set: two directions for each language besides English, and the configuration of the set."""
    others = sorted({language for language in languages if language != "en"})
    if not others or not all(_LANGUAGE.fullmatch(language) for language in others):
        raise Problem(400, "Invalid")
    names = [language.lower().replace("-", "") for language in others]
    folders = [f"{pair}_generalnn_2022240501" for name in names for pair in (f"enu_{name}", f"{name}_enu")]
    return [*folders, f"Config/{uuid.uuid5(uuid.NAMESPACE_URL, ','.join(names))}"]


def base_models(locale: str) -> list[str]:
    """IDs of the speech models that every resource may use."""
    return [str(uuid.uuid5(uuid.NAMESPACE_URL, f"{locale}/{number}")) for number in (1, 2)]


def speech_model(model: str, resource: dict[str, t.Any]) -> list[str]:
    """The folder of a speech model: a base model, or a custom one, which lives in a resource that models are trained in, never in a DC0 one."""
    if not re.fullmatch(r"[\w-]+", model):
        raise Problem(400, "Invalid")
    own = resource["tier"] != "DC0" and model in resource.get("models", [model])
    if not own and not any(model in base_models(locale) for locale in LOCALES):
        raise Problem(404, "ModelNotFound")
    return [model]


def listing(query: dict[str, str], resource: dict[str, t.Any]) -> dict[str, t.Any]:
    """The files of a model set with sizes and digests."""
    if query.get("Languages"):
        folders = translator_models(query["Languages"].split(","))
    elif query.get("downloadModels"):
        folders = [query["downloadModels"]]
        if folders[0] not in SKILLS:
            raise Problem(400, "Invalid")
    elif query.get("projectName"):
        folders = [f"{query['projectName']}/{query.get('exportedModelName', '')}"]
        if not re.fullmatch(r"[\w -]+/[\w -]+", folders[0]):
            raise Problem(404, "ModelNotFound")
    else:
        folders = speech_model(query.get("ModelId", ""), resource)
    paths = [f"{folder}/{'settings.bin' if folder.startswith('Config/') else 'model.tgz.encrypted'}" for folder in folders]
    rows = [{"path": path, "size": len(content(path)), "sha256": hashlib.sha256(content(path)).hexdigest()} for path in paths]
    return {"folders": folders, "files": rows}


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; ``resources`` and ``settings`` are set by ``main``."""

    resources: dict[str, dict[str, t.Any]]
    settings: Settings
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        """Log method, path and outcome; never a header, for one holds the key."""
        sys.stderr.write(f"{self.command} {self.path.partition('?')[0]} {args[1] if len(args) > 1 else ''}\n")

    def do_GET(self) -> None:
        """``/<resource>/models?…``, ``/<resource>/base_models?…`` and ``/<resource>/files/<path>``; ``/`` says that the service lives."""
        self._handle(b"")

    def do_POST(self) -> None:
        """``/<resource>/license`` and ``/<resource>/validate``."""
        self._handle(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _handle(self, body: bytes) -> None:
        try:
            code, data = 200, self._dispatch(body)
        except Problem as problem:
            code, data = problem.code, json.dumps({"status": problem.status}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json" if data[:1] == b"{" else "application/octet-stream")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _dispatch(self, body: bytes) -> bytes:
        parts = urllib.parse.urlsplit(self.path)
        name, _slash, action = parts.path.strip("/").partition("/")
        if not name:
            return b'{"status": "alive"}'
        resource = self._authorise(name)
        query = {key: values[0] for key, values in urllib.parse.parse_qs(parts.query).items()}
        wanted = json.loads(body) if body else query
        if action in ("models", "base_models", "license", "validate") and wanted.get("kind") != resource["kind"]:
            raise Problem(403, "Mismatch")
        if self.command == "GET" and action == "models":
            return json.dumps(listing(query, resource)).encode()
        if self.command == "GET" and action == "base_models":
            return json.dumps({"models": base_models(query.get("locale", ""))}).encode()
        if self.command == "GET" and action.startswith("files/"):
            return content(urllib.parse.unquote(action.removeprefix("files/")))
        if self.command == "POST" and action in ("license", "validate"):
            return self._license(name, resource, wanted) if action == "license" else b'{"status": "Valid"}'
        raise Problem(404, "Unknown")

    def _authorise(self, name: str) -> dict[str, t.Any]:
        resource = self.resources.get(name)
        if resource is None or self.headers.get("Ocp-Apim-Subscription-Key") != resource["key"]:
            raise Problem(401, "Invalid")
        return resource

    def _license(self, name: str, resource: dict[str, t.Any], wanted: dict[str, t.Any]) -> bytes:
        if not resource["approved"]:
            raise Problem(403, "NotApproved")
        if resource["tier"] != "DC0":
            raise Problem(403, "ContainerUseUnauthorized")
        issued = self.settings.now()
        expires = issued + datetime.timedelta(days=resource["license_lifetime_days"])
        bound = {key: wanted[key] for key in ("service", "version", "models")}
        dates = {"issued": issued.isoformat(), "expires": expires.isoformat()}
        return json.dumps({"license": sim_license.seal({**wanted.get("more", {}), **bound, **dates, "resource": name})}).encode()


def main() -> int:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resources", required=True)
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    options = parser.parse_args()
    with open(options.resources, encoding="utf-8") as stream:
        Handler.resources = json.load(stream)
    Handler.settings = Settings([], os.environ)
    print(f"listening on {options.address}:{options.port}", flush=True)
    http.server.ThreadingHTTPServer((options.address, options.port), Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
