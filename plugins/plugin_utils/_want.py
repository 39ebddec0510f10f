# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host should have: its declarations, the catalog and the store of the control node, put together for the plan.

This file is private to the collection.
"""

from __future__ import annotations

import datetime
import os
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.canonical import parse
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import MissingError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import age
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations, selector_of, variables_of
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

Json = dict[str, t.Any]


def holdings_of(store: str) -> Json:
    """What the store on the control node holds.

    :raises MissingError: there is no store; InputError: its holdings are not readable.
    """
    path = os.path.join(os.path.expanduser(store), "holdings.json")
    try:
        with open(path, "rb") as stream:
            return parse(stream.read(), path)
    except FileNotFoundError as exc:
        raise MissingError(f"store {store}", "no holdings.json in it", "receive a bundle first, or name the store") from exc


def of_host(variables: t.Mapping[str, t.Any], unique: bool = True, allow_latest: bool = False) -> tuple[list[Json], dict[str, Json]]:
    """(declarations, catalog) from a host's variables; their values must be templated."""
    catalog = _catalog.load(variables.get(_catalog.OVERRIDES))
    return declarations(variables, catalog, unique=unique, allow_latest=allow_latest), catalog


def entry_of(declaration: t.Mapping[str, t.Any], catalog: t.Mapping[str, Json]) -> Json:
    """The catalog entry as this container sees it."""
    return entries.resolved(catalog[declaration["service"]], declaration["options"])


def templated(variables: t.Mapping[str, t.Any], template: t.Callable[[t.Any], t.Any]) -> Json:
    """Those variables that declare containers, or what is known about services and the site, with their templates filled."""
    names = [*variables_of(variables), _catalog.OVERRIDES, "azure_ai_site"]
    return {name: template(variables[name]) for name in names if name in variables}


def want(variables: t.Mapping[str, t.Any], holdings: Json, root: str, allow_latest: bool, allow_small: bool) -> Json:
    """The wish that ``plan`` takes.

    :param variables: templated variables of the host
    """
    declared, catalog = of_host(variables, allow_latest=allow_latest)
    times = [item.get("downloaded") for item in holdings.get("releases", [])] + [item.get("fetched") for item in holdings.get("images", [])]
    return {
        "root": root,
        "site": variables.get("azure_ai_site"),
        "control_now": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "newest": max((time for time in times if time), default=None),
        "containers": [{"declaration": item, "entry": entry_of(item, catalog), **bound(item, holdings)} for item in declared],
        "records": holdings.get("images", []),
        "packages": holdings.get("packages", []),
        "allow_small": allow_small,
    }


def bound(declaration: t.Mapping[str, t.Any], holdings: Json) -> Json:
    """The newest release for a declaration with its image, models and files, None for what the store lacks.

    A release whose image is in the store comes before a newer one whose image is not.
    """
    images = {item["manifest"]: item for item in holdings.get("images", [])}
    sets = {item["digest"]: item for item in holdings.get("models", [])}  # of files as well
    wanted = selector_of(declaration)
    fitting = [item for item in holdings.get("releases", []) if item["selector"] == wanted]
    release = max(fitting, key=lambda item: (item["image"] in images, age(item)), default=None)
    if release is None:
        return {"release": None, "image": None, "models": None, "files": None}
    return {"release": release, "image": images.get(release["image"]), **{kind: sets.get(release.get(kind)) for kind in ("models", "files")}}
