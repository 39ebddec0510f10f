# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes docs/catalog.md, and what ansible-doc says of the services, from the catalog: tests/quality/env python tests/quality/catalog_page.py.

test_catalog_page.py fails while either is not what this would write.
"""

from __future__ import annotations

import json
import re
import shlex
import textwrap
import typing as t
from pathlib import Path

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import entries, groups
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.spec import smoke
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog

PAGE = Path(__file__).resolve().parents[2] / "docs" / "catalog.md"
LOOKUP = PAGE.parents[1] / "plugins" / "lookup" / "catalog.py"
NOTES = re.compile(r"(?<=\nnotes:\n)(?:  .*\n)+(?=\"\"\"\n\nEXAMPLES)")
PORT = 5001
HEAD = """\
<!--
Copyright: airgap.azure_ai contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
-->

# The catalog

Every service that can be declared, from the files in `plugins/plugin_utils/catalog`; there each fact has its source. This page is made by
`make docs`, so do not edit it. How to go from a row here to a container that answers is in [services.md](services.md).

*Size* is least and recommended; what is not declared is the recommended. *Asked with* is the request that proves a container after its start, for one
on port 5001 of 127.0.0.1; files lie beside the entries. Tags are examples, and none was looked up in the registry.
"""

Entry = t.Mapping[str, t.Any]


def page(catalog: t.Mapping[str, Entry]) -> str:
    """The whole page."""
    index = ["| service | |", "|---|---|", *(f"| [`{name}`](#{name}) | {catalog[name]['title']} |" for name in sorted(catalog))]
    sections = [f"## {name}\n\n{section(name, catalog[name])}" for name in sorted(catalog)]
    return "\n".join([HEAD, *index, "", "\n\n".join(sections)]) + "\n"


def section(name: str, entry: Entry) -> str:
    """Table of one service, headed by its title."""
    rows = [("members", members(entry)), *option_rows(entry)] if groups.is_group(entry) else image_rows(name, entry)
    lines = [f"| {label} | {text} |" for label, text in rows if text]
    return "\n".join([f"| | {entry['title']} |", "|---|---|", *lines])


def image_rows(name: str, entry: Entry) -> list[tuple[str, str]]:
    """What a service with an image of its own is."""
    return [
        ("image", "; ".join(f"`{form['repository']}`, like `{form['example_tag']}`{words}" for words, form in forms(entry, "repository", "example_tag"))),
        ("resource", f"`{entry['resource_kind']}`, tier DC0" if entry["online"] else "none: it needs no license and keeps no usage records"),
        ("size", ". ".join(size(form["size"]) + words for words, form in forms(entry, "size"))),
        ("host", host(entry)),
        ("online", ", then ".join(step_words(step) for step in entry["online"])),
        ("calls", "; ".join(filled for words, form in forms(entry, "needs") if (filled := needs(form["needs"], words)))),
        ("keeps", "results of asynchronous requests" if "shared" in entry["mounts"] else ", ".join(f"`{path}`" for path in entry.get("state", ()))),
        *option_rows(entry),
        ("declared as", declaration(name, entry)),
        ("asked with", request(entry)),
    ]


def forms(entry: Entry, *keys: str) -> t.Iterator[tuple[str, Entry]]:
    """The entry and each variant that changes one of the keys, with words for when."""
    yield "", entry
    for variant in entry.get("variants", ()):
        if any(key in variant for key in keys):
            chosen = {**variant.get("when", {}), **dict.fromkeys(variant.get("given", ()), "…")}
            words = ", ".join(f"{name}: {flow(value)}" for name, value in chosen.items())
            yield f" with `{words}`", entries.merged(entry, {key: variant[key] for key in keys if key in variant})


def size(value: Entry) -> str:
    """Least and recommended size."""
    least, best = (f"{value[kind]['cpus']} CPU, {value[kind]['memory']}" for kind in ("minimum", "recommended"))
    return f"{least}; better {best}" if least != best else best


def host(entry: Entry) -> str:
    """What the host must and should have."""
    found = [f"CPU with {flag}" for flag in entry["cpu_flags"]] + [f"CPU with {flag} recommended" for flag in entry["cpu_flags_recommended"]]
    return ", ".join(found + (["an NVIDIA GPU with `gpu: true`"] if "gpu" in entry["options"]["properties"] else []))


def step_words(step: Entry) -> str:
    """What an online step fetches."""
    return " and ".join(step["produces"]) + (" (with `model_resource`)" if step.get("account") == "model" else "")


def needs(wanted: t.Sequence[Entry], words: str) -> str:
    """Containers that it calls."""
    named = []
    for need in wanted:
        options = ", ".join(f"{name}: {flow(value)}" for name, value in need.get("options", {}).items())
        kind = "needs" if need.get("required", True) else "if there is one,"
        named.append(f"{kind} `{need['service']}`" + (f" (`{options}`)" if options else "") + f" as `{need['setting']}`")
    return ", ".join(named) + words if named else ""


def option_rows(entry: Entry) -> list[tuple[str, str]]:
    """A row for each option."""
    schema = entry["options"]
    rows = []
    for name, value in schema["properties"].items():
        told = [value["description"]]
        told += ["One of " + ", ".join(f"`{flow(item)}`" for item in value["enum"]) + "."] if "enum" in value else []
        told += [f"Default `{flow(value['default'])}`."] if "default" in value else []
        told += [f"Like `{flow(value['examples'][0])}`."] if "examples" in value and "enum" not in value else []
        rows.append((f"option `{name}`" + (", required" if name in schema.get("required", ()) else ""), " ".join(told).replace("<", "&lt;")))
    return rows


def members(entry: Entry) -> str:
    """The containers that a group stands for."""
    found = []
    for member in entry["members"]:
        words = [word for word, said in (("has the group's name and port", "primary"), ("takes the group's tag", "main")) if member.get(said)]
        words += [f"with `{name}: {flow(value)}`" for name, value in member.get("when", {}).items()]
        found.append(f"`{member['name']}` is a [`{member['service']}`](#{member['service']})" + (f" ({', '.join(words)})" if words else ""))
    return "; ".join(found)


def declaration(name: str, entry: Entry) -> str:
    """The least that a declaration must say."""
    chosen = needed(entry)
    if entry["legacy"]:
        chosen["allow_legacy"] = True
    resource = [f"resource: {resource_name(entry)}"] if entry["online"] else []
    options = [f"options: {flow(chosen)}"] if chosen else []
    words = [f"name: {name.replace('_', '-')}", f"service: {name}", f"tag: {flow(entry['example_tag'])}", f"port: {PORT}", *resource, *options]
    return f"`- {{{', '.join(words)}}}`"


def resource_name(entry: Entry) -> str:
    """A name that somebody might give the Azure resource."""
    named = {
        "SpeechServices": "speech",
        "TextTranslation": "translator",
        "TextAnalytics": "language",
        "ComputerVision": "vision",
        "FormRecognizer": "documents",
    }
    return named.get(entry["resource_kind"], "luis") + "-dc0"


def needed(entry: Entry) -> dict[str, t.Any]:
    """Values for the required options."""
    schema = entry["options"]
    found = {}
    for name in schema.get("required", ()):
        value = schema["properties"][name]
        found[name] = value.get("examples", value.get("enum"))[0]
    return found


def request(entry: Entry) -> str:
    """The smoke request for a shell."""
    options = entries.with_defaults(entry, needed(entry))
    found = smoke(entries.resolved(entry, options), {"name": "any", "options": options}) or {}
    words = ["curl", "-i" if "result" in found else "-sS"]
    for name, value in found.get("headers", {}).items():
        words += ["-H", f"{name}: {value}"]
    if "json" in found:
        words += ["-d", json.dumps(found["json"])]
    if "text" in found:
        words += ["-d", found["text"].strip()]
    if "file" in found:
        words += ["--data-binary", "@" + found["file"]]
    if "type" in found:
        words += ["-o", "answer"]
    line = shlex.join([*words, f"http://127.0.0.1:{PORT}{found['path']}"])
    follow = "; then the address in `Operation-Location`, until it " + f"says `{found['result']['expect']}`" if "result" in found else ""
    return f"`{line}`{follow}"


def flow(value: t.Any) -> str:
    """A value as YAML in one line, quoted where it would be read as something else."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(flow, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {flow(item)}" for name, item in value.items()) + "}"
    text = str(value)
    return f'"{text}"' if text[:1].isdigit() and not any(char.isalpha() for char in text) else text


def notes(catalog: t.Mapping[str, Entry]) -> str:
    """The ``notes`` of the lookup plugin's documentation: an item for each service with its options, required ones with a star."""
    lines = []
    for name in sorted(catalog):
        schema = catalog[name]["options"]
        options = ", ".join(f"C({option})" + "*" * (option in schema.get("required", ())) for option in schema["properties"])
        told = f"C({name}), {catalog[name]['title']}." + (f" Options {options}." if options else "")
        lines += textwrap.wrap(told, 150, initial_indent="  - ", subsequent_indent="    ", break_on_hyphens=False)
    return "\n".join(["  - The services shipped, and what C(options) of a container may say; what must be said has a star.", *lines]) + "\n"


def main() -> None:
    """Write both."""
    catalog = _catalog.load()
    PAGE.write_text(page(catalog), encoding="utf-8")
    LOOKUP.write_text(NOTES.sub(lambda _match: notes(catalog), LOOKUP.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
