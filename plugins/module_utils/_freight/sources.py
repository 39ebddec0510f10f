# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which mirrors a machine's own apt uses, read out of its configuration in both styles.

This file is private to the collection.
"""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError

_DEBIAN = re.compile(r"(stretch|buster|bullseye|bookworm|trixie|forky|duke|sid|oldoldstable|oldstable|stable|testing|unstable)(-updates)?")
_SECURITY = re.compile(r"[a-z]+(-security|/updates)")


class Source(t.NamedTuple):
    """One repository: its address, suite and components."""

    uri: str
    suite: str
    components: tuple[str, ...]


class Mirrors(t.NamedTuple):
    """Addresses of the Debian archive and its security archive."""

    main: str
    security: str


def own(folder: str = "/etc/apt") -> Mirrors:
    """The mirrors that this machine uses. Raise InputError when it uses none of Debian."""
    found: list[Source] = []
    one_line = sorted(glob.glob(os.path.join(folder, "sources.list.d", "*.list")))
    for path in [os.path.join(folder, "sources.list"), *one_line]:
        found += parse_lines(_text(path))
    for path in sorted(glob.glob(os.path.join(folder, "sources.list.d", "*.sources"))):
        found += parse_stanzas(_text(path))
    return choose(found)


def choose(sources: t.Sequence[Source]) -> Mirrors:
    """The first Debian archive and the first security archive among ``sources``."""
    usable = [source for source in sources if "main" in source.components]
    main = next((source.uri for source in usable if _DEBIAN.fullmatch(source.suite)), None)
    security = next((source.uri for source in usable if _SECURITY.fullmatch(source.suite)), None)
    if main is None:
        raise InputError("mirror", "this machine's apt uses no Debian archive to take it from", "name one in mirror (and security_mirror)")
    return Mirrors(main, security or main.rstrip("/") + "-security")


def parse_lines(text: str) -> list[Source]:
    """Sources of the one-line style: ``deb [options] uri suite component…``."""
    found = []
    for line in text.splitlines():
        words = re.sub(r"\[[^]]*\]", " ", line.partition("#")[0]).split()
        if len(words) >= 4 and words[0] == "deb":
            found.append(Source(words[1], words[2], tuple(words[3:])))
    return found


def parse_stanzas(text: str) -> list[Source]:
    """Sources of the deb822 style: stanzas of fields, continued lines begin with a blank."""
    found = []
    kept = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", kept):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1] in (" ", "\t"):
                fields.setdefault(name, []).extend(line.split())
            elif ":" in line:
                name, _colon, value = line.partition(":")
                name = name.strip().lower()
                fields[name] = value.split()
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"])[0].lower() not in ("no", "false", "off", "0"):
            components = tuple(fields.get("components", []))
            found += [Source(uri, suite, components) for uri in fields.get("uris", []) for suite in fields.get("suites", [])]
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except FileNotFoundError:
        return ""
