# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One declaration of the builder's proxy for programs, for Microsoft's containers and for our own requests.

They do not spell it alike: programs take credentials inside the address, most of the containers take ``HTTP_PROXY`` with
``HTTP_PROXY_CREDS`` beside it, Translator takes ``HTTPS_PROXY``. Whatever of these is declared, each gets its own form.
This file is private to the collection.
"""

from __future__ import annotations

import base64
import typing as t
import urllib.parse

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

HTTP, HTTPS, CREDENTIALS, EXCEPTIONS = "HTTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY_CREDS", "NO_PROXY"

Declared = t.Mapping[str, t.Any]


class Route(t.NamedTuple):
    """A proxy to be asked: host, port, and the value of Proxy-Authorization or None."""

    host: str
    port: int
    authorization: str | None


def of_program(declared: Declared) -> dict[str, str]:
    """The variables for programs such as skopeo: credentials inside the addresses."""
    return _given({HTTP: _full(declared, HTTP, HTTPS), HTTPS: _full(declared, HTTPS, HTTP), EXCEPTIONS: _text(declared, EXCEPTIONS)})


def of_container(declared: Declared) -> dict[str, str]:
    """The variables for a container: everything declared as it stands, what is missing worked out of the rest."""
    plain, userinfo = _split(_text(declared, HTTP) or _text(declared, HTTPS))
    made = {HTTP: plain, CREDENTIALS: urllib.parse.unquote(userinfo), HTTPS: _full(declared, HTTPS, HTTP)}
    return _given({**made, **_given({name: _text(declared, name) for name in declared})})


def route(declared: Declared, host: str) -> Route | None:
    """The proxy that a TLS request to ``host`` goes through, or None when it goes there straight.

    :raises InputError: the declared address is none.
    """
    address = _full(declared, HTTPS, HTTP)
    if not address or _excepted(host, _text(declared, EXCEPTIONS)):
        return None
    parts = _parsed(address)
    userinfo = _split(address)[1]
    token = base64.b64encode(urllib.parse.unquote(userinfo).encode("utf-8")).decode("ascii")
    return Route(parts.hostname or "", parts.port or 3128, f"Basic {token}" if userinfo else None)


def secrets(declared: Declared) -> list[str]:
    """What nobody may read in a message: credentials, in both spellings, and passwords alone."""
    found = [_text(declared, CREDENTIALS), *(_split(_text(declared, name))[1] for name in (HTTP, HTTPS))]
    plain = [spelling for item in found if item for spelling in (item, urllib.parse.unquote(item))]
    return sorted({part for item in plain for part in (item, item.partition(":")[2]) if part})


def faults(declared: Declared) -> list[str]:
    """What is wrong with a declaration, a line each."""
    found = []
    for name in (HTTP, HTTPS):
        try:
            if _text(declared, name):
                _parsed(_text(declared, name))
        except InputError as exc:
            found.append(f"azure_ai_proxy.{name}: {exc.problem}; {exc.way_out}")
    if _text(declared, CREDENTIALS) and not (_text(declared, HTTP) or _text(declared, HTTPS)):
        found.append(f"azure_ai_proxy.{CREDENTIALS}: there is no proxy that it is for; set {HTTP} as well")
    if any(part != part.lower() for part in of_container(declared).get(CREDENTIALS, "").partition(":")):
        found.append("azure_ai_proxy: the proxy's credentials hold capital letters; the containers take lower case alone, so have others made")
    return found


def _given(values: t.Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}


def _text(declared: Declared, name: str) -> str:
    return str(declared.get(name) or "")


def _full(declared: Declared, name: str, other: str) -> str:
    """The address under ``name``, else the one under ``other``, with credentials where some are declared."""
    address = _text(declared, name) or _text(declared, other)
    credentials = _text(declared, CREDENTIALS)
    if not address or not credentials or _split(address)[1]:
        return address
    user, colon, password = credentials.partition(":")
    scheme, _slashes, rest = address.rpartition("://")
    return f"{scheme or 'http'}://{urllib.parse.quote(user, safe='')}{colon}{urllib.parse.quote(password, safe='')}@{rest}"


def _split(address: str) -> tuple[str, str]:
    """(address without credentials, credentials as they stand in it)."""
    scheme, slashes, rest = address.rpartition("://")
    userinfo, at, host = rest.rpartition("@")
    return (f"{scheme}{slashes}{host}", userinfo) if at else (address, "")


def _parsed(address: str) -> urllib.parse.SplitResult:
    way_out = "write it like http://proxy.example:3128"
    try:
        parts = urllib.parse.urlsplit(address if "://" in address else f"http://{address}")
        if parts.scheme != "http" or not parts.hostname or not 0 < (parts.port or 3128) < 65536:
            raise InputError("proxy", "not the address of a proxy", way_out)
    except ValueError as exc:
        raise InputError("proxy", "not the address of a proxy", way_out) from exc
    return parts


def _excepted(host: str, exceptions: str) -> bool:
    names = [name.strip().lower() for name in exceptions.split(",") if name.strip()]
    bare = [name.partition(":")[0].lstrip("*").lstrip(".") for name in names]
    return "*" in names or any(name and (host.lower() == name or host.lower().endswith(f".{name}")) for name in bare)
