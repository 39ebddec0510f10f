# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any container that somebody could declare: every service of the catalog with options drawn from its own schema."""

from __future__ import annotations

import typing as t

from hypothesis import assume
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import Problems
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups, links, schema, settings
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations, selector_of
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import spec
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.imitations import sha

Json = dict[str, t.Any]
CATALOG = _catalog.load()
# One whose config file names members of its group runs in that group alone, and is drawn with it.
SERVICES = sorted(name for name, entry in CATALOG.items() if not any("{members." in item["text"] for item in entry.get("config", ())))
ROOT = "/var/lib/azure-ai"
TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=12)
SETTINGS = st.dictionaries(
    st.from_regex(r"S[A-Za-z0-9_.-]{0,5}(:[A-Za-z0-9]{1,4}){0,2}", fullmatch=True).filter(lambda name: settings.fault(name, "") is None),
    TEXT,
    max_size=3,
)
EXTRAS = st.fixed_dictionaries(
    {},
    optional={
        "hardening": st.fixed_dictionaries(
            {}, optional={"no_new_privileges": st.booleans(), "drop_capabilities": st.lists(st.sampled_from(["ALL", "NET_RAW", "MKNOD"]), unique=True)}
        ),
        "disk_logging": st.fixed_dictionaries({}, optional={"max_file_mb": st.integers(1, 2000)}),
    },
)


class Wish(t.NamedTuple):
    """One container: entry in its form, declaration, release, spec."""

    entry: Json
    declaration: Json
    release: Release
    spec: Json


@st.composite
def wishes(draw: st.DrawFn, service: str) -> list[Wish]:
    """The containers of one declared item and of what it needs; those that no declaration may ask for are passed over."""
    raws = [_raw(draw, service, "no", 5001, {})]
    for need in _needs(raws[0]):
        if need.get("required", True) or draw(st.booleans()):
            raws.append(_raw(draw, need["service"], f"x{len(raws)}", 5001 + 20 * len(raws), need.get("options", {})))
    try:
        found = declarations({"azure_ai_containers": raws}, CATALOG)
    except Problems:
        assume(False)
    return [_wish(draw, item) for item in found]


def options_of(entry: Json, fixed: Json) -> st.SearchStrategy[Json]:
    """Options that a schema takes, but none that names another container."""
    naming = links.options_of(entry)
    whole = entry["options"]
    known = {name: value for name, value in whole.get("properties", {}).items() if name not in naming and name not in fixed}
    if "allow_legacy" in known:
        fixed, known = {**fixed, "allow_legacy": True}, {name: value for name, value in known.items() if name != "allow_legacy"}
    needed = {name: _values(known[name]) for name in whole.get("required", ()) if name in known}
    other = {name: _values(value) for name, value in known.items() if name not in needed}
    return (
        st.fixed_dictionaries(needed, optional=other)
        .map(lambda drawn: {**drawn, **fixed})
        .filter(lambda drawn: not schema.faults(entries.with_defaults(entry, drawn), whole))
    )


def _raw(draw: st.DrawFn, service: str, name: str, port: int, fixed: Json) -> Json:
    entry = CATALOG[service]
    options = draw(options_of(entry, dict(fixed)))
    raw = {"name": name, "service": service, "port": port, "resource": "any-dc0", "options": options}
    raw["bind"] = draw(st.sampled_from(["127.0.0.1", "0.0.0.0", "::1"]))
    raw.update(draw(EXTRAS))
    if not groups.is_group(entry):
        return {**raw, "tag": entries.resolved(entry, options)["example_tag"], "settings": draw(SETTINGS)}
    tags = {place["member"]: entries.resolved(CATALOG[member["service"]], member["options"])["example_tag"] for member, place in groups.expand(raw, entry)}
    return {**raw, "members": {name: {"tag": tag} for name, tag in tags.items()}}


def _needs(raw: Json) -> list[Json]:
    entry = CATALOG[raw["service"]]
    return [] if groups.is_group(entry) else list(entries.resolved(entry, raw["options"]).get("needs", ()))


def _wish(draw: st.DrawFn, declaration: Json) -> Wish:
    form = entries.resolved(CATALOG[declaration["service"]], declaration["options"])
    declaration = {**declaration, "cpus": draw(st.sampled_from([1, 1.5, 8])), "memory": draw(st.integers(2**20, 2**40))}
    steps = form["online"]
    given = [item for item in form.get("files", ()) if declaration["options"].get(item["option"]) not in (None, "")]
    found = Release(
        selector=selector_of(declaration),
        service=declaration["service"],
        tag=declaration["tag"],
        resource=declaration["resource"],
        options=declaration["options"],
        image=sha(declaration["tag"].encode()),
        license=sha(b"license") if steps else None,
        models=sha(b"models") if any("models" in step["produces"] for step in steps) else None,
        settings={name: draw(TEXT) for name in form["offline"].get("captured", ())},
        files=sha(b"files") if given else None,
    )
    return Wish(form, declaration, found, spec(form, declaration, found, ROOT))


def _values(part: Json) -> st.SearchStrategy[t.Any]:
    """Values that a schema takes; those that keep to the whole of it are left by a filter."""
    if "const" in part:
        return st.just(part["const"])
    if "enum" in part:
        return st.sampled_from(part["enum"])
    kind = part.get("type", "string")
    if kind == "array":
        must = [part["contains"]["const"]] if "const" in part.get("contains", {}) else []
        items = st.lists(_values(part.get("items", {})), min_size=max(part.get("minItems", 0) - len(must), 0), max_size=4, unique_by=str)
        strategy: st.SearchStrategy[t.Any] = items.map(lambda drawn: [*must, *drawn])
    elif kind == "boolean":
        strategy = st.booleans()
    elif kind in ("integer", "number"):
        strategy = st.integers(part.get("minimum", 0), part.get("maximum", 2**31))
    elif "pattern" in part:
        strategy = st.from_regex(part["pattern"]).filter(lambda text: text.isprintable())
    else:
        strategy = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=part.get("minLength", 1), max_size=12)
    return strategy.filter(lambda value: not schema.faults(value, part))
