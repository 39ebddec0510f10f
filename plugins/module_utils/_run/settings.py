# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of container settings: ASP.NET reads them in any case and takes ``__`` for ``:``.

This file is private to the collection.
"""

from __future__ import annotations

import typing as t

# A container that runs offline needs no key, no billing endpoint and no way out.
_NEVER = frozenset(("apikey", "billing", "downloadlicense", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "http_proxy_creds", "http_proxy_bypass_urls"))
_OURS = frozenset(("eula", "mounts:license", "mounts:output", "mounts:shared"))


def folded(name: str) -> str:
    """The form in which two spellings of one setting are equal."""
    return name.lower().replace("__", ":")


def fault(name: t.Any, value: t.Any) -> str | None:
    """Why ``name: value`` may not be among a user's settings, or None."""
    if not isinstance(name, str) or not name or "=" in name or "\0" in name or name != name.strip():
        return f"setting {name!r} is not a name"
    if folded(name) in _NEVER or name.lower() in _NEVER:
        return f"setting {name} does not belong to a container that runs offline; leave it out"
    if folded(name) in _OURS:
        return f"setting {name} is made by the collection; leave it out"
    if not isinstance(value, (str, int, float, bool)) or "\0" in str(value):
        return f"setting {name} is {value!r}, not text or a number"
    return None


def text(value: t.Any) -> str:
    """A setting's value as the environment carries it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def forbidden(name: str) -> bool:
    """Whether a setting must never reach a container that runs offline."""
    return folded(name) in _NEVER or name.lower() in _NEVER


def merge(*layers: t.Mapping[str, str]) -> dict[str, str]:
    """One environment from several, later layers over earlier ones whatever the spelling; nothing forbidden in it."""
    spelled: dict[str, str] = {}
    result: dict[str, str] = {}
    for layer in layers:
        for name, value in layer.items():
            if forbidden(name):
                continue
            result[spelled.setdefault(folded(name), name)] = text(value)
    return result
