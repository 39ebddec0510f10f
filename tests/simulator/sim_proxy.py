# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in for nginx: reads the mounted nginx.conf and forwards as its locations say, as far as the documented file goes.

Known are client_max_body_size, upstream with one server, map with a default, resolver, listen, location (prefix and ``=``), proxy_pass,
proxy_set_header, return, add_header and ``if ($request_method = …) { return …; }``; anything else is passed over.
"""

from __future__ import annotations

import http.client
import http.server
import os
import re
import socket
import typing as t
import urllib.parse
from dataclasses import dataclass, field

from sim_azure import Refused

CONF = "/etc/nginx/nginx.conf"
_TOKEN = re.compile(r"#[^\n]*|\"([^\"]*)\"|'([^']*)'|([{};])|([^\s{};\"'#]+)")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
# Files that it makes at its start, which only root may make in their usual places.
_WRITTEN = ("pid", *(f"{kind}_temp_path" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")))
# Taking up its workers' identity takes these: CHOWN, SETGID, SETUID.
_CAPABILITIES = (1 << 0) | (1 << 6) | (1 << 7)
_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length", "server", "date")
Directive = tuple[list[str], "list[Directive] | None"]


def parse(text: str) -> list[Directive]:
    """Directives: words and, of a block, its directives; raises Refused as nginx words it."""
    stack: list[list[Directive]] = [[]]
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        sign = match[3]
        if match[0].startswith("#"):
            continue
        if sign == "{":
            block: list[Directive] = []
            stack[-1].append((words, block))
            stack.append(block)
            words = []
        elif sign == ";":
            stack[-1].append((words, None))
            words = []
        elif sign == "}":
            if words or len(stack) == 1:
                raise Refused('nginx: [emerg] unexpected "}"')
            stack.pop()
        else:
            words.append(next(group for group in (match[1], match[2], match[4]) if group is not None))
    if words or len(stack) > 1:
        raise Refused("nginx: [emerg] unexpected end of file")
    return stack[0]


def found(block: t.Sequence[Directive], name: str) -> list[Directive]:
    """Directives of that name."""
    return [directive for directive in block if directive[0][:1] == [name]]


@dataclass
class Location:
    """One location: prefix (or exact path), where to pass or what to return."""

    path: str
    exact: bool
    block: list[Directive] = field(repr=False)


class Site:
    """The first server of a configuration; ``values`` are the variables that maps make."""

    def __init__(self, text: str) -> None:
        whole = parse(text)
        inner = next((block or [] for _words, block in found(whole, "http")), [])
        self.server = next((block or [] for _words, block in found(inner, "server")), [])
        self.port = int(next((words[1].rpartition(":")[2] for words, _block in found(self.server, "listen")), "80"))
        self.upstreams = {words[1]: found(block or [], "server")[0][0][1] for words, block in found(inner, "upstream")}
        self.values = {words[2].lstrip("$"): found(block or [], "default")[0][0][1] for words, block in found(inner, "map")}
        self.resolver = bool(found(inner, "resolver") or found(self.server, "resolver"))
        self.places = {words[0]: words[1] for name in _WRITTEN for words, _block in found([*whole, *inner, *self.server], name)}
        sizes = found(inner, "client_max_body_size") + found(self.server, "client_max_body_size")
        self.largest = _size(sizes[-1][0][1]) if sizes else 1024**2
        self.locations = [Location(words[-1], words[1] == "=", block or []) for words, block in found(self.server, "location")]
        if not self.locations:
            raise Refused("nginx: [emerg] no location in the configuration")

    def targets(self) -> set[str]:
        """host:port of everything that is looked up at the start: what no variable names."""
        urls = [words[1] for location in self.locations for words, _block in found(location.block, "proxy_pass")]
        hosts = {urllib.parse.urlsplit(url).netloc for url in urls if "$" not in url}
        return {self.upstreams.get(host, host) for host in hosts}

    def of(self, location: Location, name: str) -> list[Directive]:
        """Directives of a location, or where it has none those of the server."""
        return found(location.block, name) or found(self.server, name)

    def location(self, path: str) -> Location | None:
        """The location for a path: exact before the longest prefix."""
        fitting = [each for each in self.locations if (path == each.path if each.exact else path.startswith(each.path))]
        return max(fitting, key=lambda each: (each.exact, len(each.path)), default=None)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([kKmMgG]?)", text)
    if not match:
        raise Refused(f'nginx: [emerg] "client_max_body_size" directive invalid value "{text}"')
    return int(match[1]) * _UNITS[match[2].lower()]


def check(site: Site, uid: int, capabilities: int) -> None:
    """What nginx wants before it serves: names that resolve, the right to change its workers' user; raises Refused."""
    for target in sorted(site.targets()):
        try:
            socket.getaddrinfo(target.rpartition(":")[0] or target, None)
        except OSError as exc:
            raise Refused(f'nginx: [emerg] host not found in upstream "{target}" in {CONF}') from exc
    for name in _WRITTEN if uid else ():
        folder = os.path.dirname(site.places.get(name, ""))
        if not os.access(folder, os.W_OK):
            raise Refused(f'nginx: [emerg] "{name}" in "{folder or "its usual place"}" failed (13: Permission denied)')
    if uid == 0 and capabilities & _CAPABILITIES != _CAPABILITIES:
        raise Refused('nginx: [emerg] chown("/var/cache/nginx/client_temp", 101) failed (1: Operation not permitted)')


def capabilities(status: str) -> int:
    """The capabilities that a process may have, from the text of /proc/self/status."""
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("CapBnd:")), 16)


class Handler(http.server.BaseHTTPRequestHandler):
    """Forwards one request; ``site`` is set by ``serve``."""

    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: t.Any) -> None:
        """Keep quiet."""

    def _variables(self, text: str) -> str:
        host = self.headers.get("Host", "")
        values = {"http_host": host, "host": host.rpartition(":")[0] or host, "server_port": str(self.site.port), "scheme": "http"}
        values |= {"request_method": self.command, "remote_addr": self.client_address[0], **self.site.values}
        return re.sub(r"\$(\w+)", lambda match: values.get(match[1], match[0]), text)

    def _answer(self, status: int, body: bytes, headers: t.Iterable[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if self.site.largest and length > self.site.largest:
            self.close_connection = True
            while length > 0 and (piece := self.rfile.read(min(length, 65536))):
                length -= len(piece)
            return self._answer(413, b"<html><head><title>413 Request Entity Too Large</title></head></html>", [("Connection", "close")])
        body = self.rfile.read(length)
        path = urllib.parse.urlsplit(self.path).path
        location = self.site.location(path)
        if location is None:
            return self._answer(404, b"<html><head><title>404 Not Found</title></head></html>")
        extra = [(words[1], self._variables(words[2])) for words, _block in self.site.of(location, "add_header")]
        for words, block in [*found(location.block, "if"), ([], location.block)]:
            condition = self._variables(" ".join(words[1:])).strip("() ").split()
            returns = found(block or [], "return") if not words or (condition[1:2] == ["="] and condition[0] == condition[2].strip("'\"")) else []
            if returns:
                return self._answer(int(returns[0][0][1]), self._variables(" ".join(returns[0][0][2:])).encode(), extra)
        return self._pass(location, body, extra)

    def __getattr__(self, name: str) -> t.Any:
        # Every method of HTTP is handled alike.
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _pass(self, location: Location, body: bytes, extra: list[tuple[str, str]]) -> None:
        passed = found(location.block, "proxy_pass")
        if not passed:
            return self._answer(404, b"<html><head><title>404 Not Found</title></head></html>", extra)
        variable = "$" in passed[0][0][1]
        url = urllib.parse.urlsplit(self._variables(passed[0][0][1]))
        if variable and not self.site.resolver:
            return self._answer(502, b"<html><head><title>502 Bad Gateway: no resolver defined</title></head></html>", extra)
        target = self.site.upstreams.get(url.netloc, url.netloc)
        # With a variable nginx passes on what the variable says, without the rest of the request's path.
        path = (url.path if variable else url.path + self.path[len(location.path) :]) if url.path else self.path
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        headers["Host"] = url.netloc
        headers |= {words[1]: self._variables(words[2]) for words, _block in self.site.of(location, "proxy_set_header")}
        connection = http.client.HTTPConnection(target, timeout=60)
        try:
            connection.request(self.command, path, body or None, headers)
            answer = connection.getresponse()
            data = answer.read()
        except OSError:
            return self._answer(502, b"<html><head><title>502 Bad Gateway</title></head></html>", extra)
        finally:
            connection.close()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return self._answer(answer.status, data, [*kept, *extra])


def site() -> Site:
    """The mounted configuration, checked; raises Refused."""
    path = os.environ.get("SIM_CONF") or CONF
    try:
        with open(path, encoding="utf-8") as stream:
            made = Site(stream.read())
    except OSError as exc:
        raise Refused(f'nginx: [emerg] open() "{path}" failed ({exc.strerror})') from exc
    with open("/proc/self/status", encoding="utf-8") as stream:
        check(made, os.geteuid(), capabilities(stream.read()))
    return made


def serve(made: Site, address: str, port: int) -> http.server.ThreadingHTTPServer:
    """A proxy bound to the port, not yet serving."""
    return http.server.ThreadingHTTPServer((address, port), type("BoundHandler", (Handler,), {"site": made}))
