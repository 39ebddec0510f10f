# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the forms of all APIs share: a request, an answer, the ways in which a request is wrong, a route.

A form is a function that takes (state, request) and gives an Answer; services.json says which path has which form.
"""

from __future__ import annotations

import decimal
import email.parser
import email.policy
import json
import re
import typing as t
import urllib.parse
from dataclasses import dataclass, field

Use = decimal.Decimal


class Wrong(Exception):
    """The request is not one that this API takes; ``body`` is the error as the API words it."""

    def __init__(self, status: int, body: t.Any) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


def bad(message: str, code: str = "BadRequest", status: int = 400) -> Wrong:
    """An error in the form that most of the APIs share."""
    return Wrong(status, {"error": {"code": code, "message": message}})


@dataclass
class Request:
    """One request; ``query`` has the first of each parameter's values, ``given`` all of them, ``parts`` the route's placeholders."""

    method: str
    path: str
    query: dict[str, str]
    given: dict[str, list[str]]
    headers: t.Mapping[str, str]
    body: bytes
    parts: dict[str, str] = field(default_factory=dict)

    def of_type(self, *kinds: str) -> bool:
        """Whether the body's type begins with one of these."""
        return self.headers.get("Content-Type", "").lower().startswith(kinds)

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return self.given.get(name, [])

    def json(self) -> t.Any:
        """The parsed body; raises Wrong."""
        if not self.of_type("application/json", "text/json"):
            raise bad("the body must be of type application/json", "UnsupportedMediaType", 415)
        try:
            return json.loads(self.body)
        except ValueError as exc:
            raise bad(f"not JSON: {exc}", "InvalidRequest") from exc

    def url(self, path: str) -> str:
        """An absolute address as the client knows this container."""
        return f"http://{self.headers.get('Host', 'localhost:5000')}{path}"


@dataclass
class Answer:
    """What is sent back; ``use`` is the quantity that is metered before it is sent, under the form's name unless ``meter`` says another."""

    body: t.Any
    status: int = 200
    kind: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    use: Use | None = None
    meter: str = ""


def rows(given: t.Any, key: str) -> list[dict[str, t.Any]]:
    """The non-empty list of mappings below a key; raises Wrong."""
    found = given.get(key) if isinstance(given, dict) else None
    if not isinstance(found, list) or not found or not all(isinstance(row, dict) for row in found):
        raise bad(f"needs a list {key}", "InvalidRequest")
    return found


def multipart(request: Request) -> dict[str, tuple[str, str, bytes]]:
    """Field name to file name, type and content of a form; raises Wrong."""
    if not request.of_type("multipart/form-data"):
        raise bad("needs a body of type multipart/form-data", "InvalidRequest")
    head = b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n"
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    found = {}
    for part in form.iter_parts() if form.is_multipart() else ():
        name = part.get_param("name", header="content-disposition")
        data = part.get_payload(decode=True)
        found[str(name)] = (part.get_filename() or "", part.get_content_type(), data if isinstance(data, bytes) else b"")
    return found


def route(api: t.Iterable[dict[str, str]], method: str, path: str) -> tuple[dict[str, str], dict[str, str]] | None:
    """The first row whose path (``{x}`` one segment, ``{x*}`` any) and method (POST unless said) fit, and its placeholders' values."""
    for row in api:
        if method in row.get("method", "POST").split("|"):
            pattern = re.escape(row["path"]).replace(r"\{", "{").replace(r"\}", "}").replace(r"\*", "*")
            pattern = re.sub(r"\{(\w+)(\*?)\}", lambda match: f"(?P<{match[1]}>{'.*' if match[2] else '[^/:]+'})", pattern)
            match = re.fullmatch(pattern, path)
            if match:
                return row, {name: urllib.parse.unquote(value) for name, value in match.groupdict().items()}
    return None
