# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy that is asked for tunnels and notes by whom; it answers for every host itself, without TLS."""

from __future__ import annotations

import base64
import http.server
import threading
import typing as t


class ToyProxy:
    """Listens on a port of its own; ``asked`` holds (host:port, credentials or None) of each CONNECT.

    :param words: credentials that it wants, ``user:password``; None wants none
    """

    def __init__(self, words: str | None = None) -> None:
        self.asked: list[tuple[str, str | None]] = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_CONNECT(self) -> None:
                scheme, _blank, token = self.headers.get("Proxy-Authorization", "").partition(" ")
                given = base64.b64decode(token).decode() if scheme == "Basic" else None
                proxy.asked.append((self.path, given))
                if given != words:
                    self.send_response(407)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_response(200)
                self.end_headers()
                self.close_connection = False  # what follows goes through the tunnel

            def do_GET(self) -> None:
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_arguments: t.Any) -> None:
                """Say nothing."""

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()
