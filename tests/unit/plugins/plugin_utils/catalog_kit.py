# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped catalog in every form that its options give it, and options as its own examples spell them."""

from __future__ import annotations

import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

CATALOG = _catalog.load()
SERVICES = _catalog.services()
IMAGES = [service for service in SERVICES if not groups.is_group(CATALOG[service])]
LICENSED = [service for service in IMAGES if entries.licensed(CATALOG[service])]
OPTIONS = [(service, option) for service in SERVICES for option in CATALOG[service]["options"]["properties"]]


def example(schema: t.Mapping[str, t.Any]) -> t.Any:
    """A value that the option's schema shows: an example, its default, the first of a choice, true."""
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    return schema["enum"][0] if "enum" in schema else True


def options(service: str, **more: t.Any) -> dict[str, t.Any]:
    """What a container of the service must declare, and ``more``."""
    schema = CATALOG[service]["options"]
    return {**{name: example(schema["properties"][name]) for name in schema.get("required", ())}, **more}


def form(service: str, **more: t.Any) -> dict[str, t.Any]:
    """The entry as a container with these options sees it."""
    return entries.resolved(CATALOG[service], options(service, **more))


def forms(service: str) -> list[tuple[dict[str, t.Any], dict[str, t.Any]]]:
    """(options, entry) for everything that the entry's variants ask about."""
    found = [{**options(service), **chosen} for chosen in entries.combinations(CATALOG[service])]
    return [(chosen, entries.resolved(CATALOG[service], chosen)) for chosen in found]
