# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address answers from here, through the declared proxy where one is on the way.

Any answer of HTTP will do: what is asked is whether the allow list lets us through, not what the service says.
This file is private to the collection.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t
import urllib.parse
from contextlib import closing

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import proxy
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError

Declared = t.Mapping[str, t.Any]


def problem(url: str, declared: Declared, timeout: float) -> str | None:
    """Why ``url`` does not answer, with the way out, or None when it does.

    :param declared: the proxy as azure_ai_proxy has it
    :param timeout: seconds for each step of the connection
    """
    parts = _parsed(url)
    if parts is None or not parts.hostname:
        return "is not an address; write it like https://name.cognitiveservices.azure.com"
    try:
        route = proxy.route(declared, parts.hostname)
        with closing(_connection(parts, route, timeout)) as connection:
            connection.request("GET", parts.path or "/")
            connection.getresponse()
    except AirgapError as exc:
        return str(exc)
    except ssl.SSLError as exc:
        reason = getattr(exc, "verify_message", "") or exc
        return f"answers with a certificate that is not trusted ({reason}); let it through without inspection of TLS"
    except socket.gaierror:
        return "has no address here; look at name resolution" + (", the proxy's too" if declared else "")
    except (OSError, http.client.HTTPException) as exc:
        return f"does not answer ({exc or exc.__class__.__name__}); {_way_out(parts, declared)}"
    return None


def _parsed(url: str) -> urllib.parse.SplitResult | None:
    try:
        parts = urllib.parse.urlsplit(url)
        return parts if parts.scheme in ("https", "http") and parts.port != 0 else None
    except ValueError:  # brackets, or a port that is none
        return None


def _connection(parts: urllib.parse.SplitResult, route: proxy.Route | None, timeout: float) -> http.client.HTTPConnection:
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    target = (route.host, route.port) if route else (host, port)
    if parts.scheme == "http":
        connection = http.client.HTTPConnection(*target, timeout=timeout)
    else:
        connection = http.client.HTTPSConnection(*target, timeout=timeout, context=ssl.create_default_context())
    if route:
        connection.set_tunnel(host, port, {"Proxy-Authorization": route.authorization} if route.authorization else {})
    return connection


def _way_out(parts: urllib.parse.SplitResult, declared: Declared) -> str:
    allowed = f"allow {parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)} from this machine"
    return f"{allowed}, or look at azure_ai_proxy" if declared else f"{allowed}, or declare azure_ai_proxy"
