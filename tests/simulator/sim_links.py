# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a container asks another one: over plain HTTP at the address that a setting gives."""

from __future__ import annotations

import json
import re
import typing as t
import urllib.error
import urllib.request

INNER = "X-Simulated-Caller"
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_TIMEOUT = 5.0


class NoLink(Exception):
    """The other container gave no useful answer; the text says which one and why."""


def ask(host: str, path: str, caller: str, body: bytes | None = None, kind: str = "application/json") -> t.Any:
    """The parsed answer of a GET, or of a POST when there is a body; raises NoLink."""
    address = host.rstrip("/")
    request = urllib.request.Request(address + path, body, {INNER: caller} | ({"Content-Type": kind} if body is not None else {}))
    try:
        with _DIRECT.open(request, timeout=_TIMEOUT) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as exc:
        raise NoLink(f"{address} answered {exc.code} to {path.partition('?')[0]}") from exc
    except (OSError, ValueError) as exc:
        raise NoLink(f"{address} did not answer") from exc


def reader(host: str, accepted: dict[str, list[str]], caller: str) -> str:
    """The path, version included, under which ``host`` analyses at once.

    ``accepted`` maps a word of that path to versions of the API. Raises NoLink when the host is no such container.
    """
    about = ask(host, "/swagger", caller)
    info = about.get("info", {})
    for path in about.get("paths", {}):
        word = next((word for word in accepted if re.search(rf"[/-]{word}[/:]", path)), "")
        if path.endswith("yncAnalyze") and word:
            if info.get("x-api", "") not in accepted[word]:
                raise NoLink(f"{host} is a {word} container of version {info.get('x-api')}, wanted is {' or '.join(accepted[word])}")
            return path + (f"?api-version={info['x-api-version']}" if info.get("x-api-version") else "")
    raise NoLink(f"{host} is no {' or '.join(accepted)} container but {info.get('title', 'something else')}")
