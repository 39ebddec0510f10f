# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The studio: a page on port 5001, projects in a database of its own, documents in a folder. No license, no usage."""

from __future__ import annotations

import http.server
import os
import typing as t

from sim_azure import Refused
from sim_settings import Settings

PORT = 5001
_PAGE = b"<html><head><title>Form Recognizer Studio</title></head><body>simulated</body></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """The page."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep quiet."""

    def do_GET(self) -> None:
        """Every page is the same one."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(_PAGE)))
        self.end_headers()
        self.wfile.write(_PAGE)


def check(settings: Settings) -> None:
    """Both settings must name what can be used; raises Refused."""
    folder, database = settings.get("ONPREM_LOCALFILE_BASEPATH"), settings.get("STORAGE_DATABASE_CONNECTION_STRING")
    if not folder or not os.path.isdir(folder):
        raise Refused(f"ONPREM_LOCALFILE_BASEPATH '{folder}' is no folder")
    try:
        with open(database, "ab"):
            pass
    except OSError as exc:
        raise Refused(f"unable to open database file '{database}'") from exc


def serve(address: str, port: int) -> http.server.ThreadingHTTPServer:
    """A server bound to the port, not yet serving."""
    return http.server.ThreadingHTTPServer((address, port), Handler)
