# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry as small as it can be, run as the program: ``toy_registry.py serve|garbage-collect FOLDER/push.yml``; it keeps everything in files."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import socketserver
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

FOLDER = Path(sys.argv[2]).parent
_PLACE = re.compile(r"/v2/(.+)/(blobs|manifests|blobs/uploads)/([^/]*)")


class Handler(http.server.BaseHTTPRequestHandler):
    """What the API says, for those who do it right; anything else is refused."""

    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        size = int(self.headers.get("Content-Length") or 0)
        body, parts = self.rfile.read(size), urlsplit(self.path)
        status, headers, answer = self._act(parts.path, parse_qs(parts.query), body)
        with (FOLDER / "asked").open("a") as log:
            log.write(f"{self.command} {parts.path}\n")
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(answer))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else answer)

    def address_string(self) -> str:
        return "socket"

    def log_message(self, *_args: object) -> None:
        """Nothing."""

    def _act(self, path: str, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, str], bytes]:
        if path == "/v2/":
            return 200, {}, b""
        match = _PLACE.fullmatch(path)
        if match is None:
            return 404, {}, b""
        repository, kind, name = match.groups()
        if self.command == "POST" and "mount" in query and not (FOLDER / "full").exists():
            other = FOLDER / "data" / query["from"][0].replace("/", "+") / "blobs" / query["mount"][0]
            return self._keep(repository, "blobs", query["mount"][0], other.read_bytes())
        if self.command == "POST":
            return 202, {"Location": f"/v2/{repository}/blobs/uploads/1?_state=x"}, b""
        if kind == "blobs/uploads":
            if query["digest"] != ["sha256:" + hashlib.sha256(body).hexdigest()] or query["_state"] != ["x"]:
                return 400, {}, b'{"errors":[{"code":"DIGEST_INVALID"}]}'
            return self._keep(repository, "blobs", query["digest"][0], body)
        there = FOLDER / "data" / repository.replace("/", "+") / kind / name
        if self.command == "PUT":
            if json.loads(body)["mediaType"] != self.headers["Content-Type"] or (FOLDER / "full").exists():
                return 500, {}, b"no space left"
            return self._keep(repository, kind, "sha256:" + hashlib.sha256(body).hexdigest(), body)
        if not there.exists():
            return 404, {}, b""
        if self.command == "DELETE":
            there.unlink()
        return (202 if self.command == "DELETE" else 200), {}, b""

    def _keep(self, repository: str, kind: str, name: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        place = FOLDER / "data" / repository.replace("/", "+") / kind
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(body)
        return 201, {}, b""


if (FOLDER / "broken").exists():
    sys.exit("panic: of its own")
if sys.argv[1] == "garbage-collect":
    (FOLDER / "collected").touch()
else:
    socketserver.UnixStreamServer(os.environ["REGISTRY_HTTP_ADDR"], Handler).serve_forever()
