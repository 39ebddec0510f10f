# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own apt configuration: which mirror and suites it uses. No mirror is named in this project."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from pathlib import Path

from tests.lab import shell

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_KEPT_SETTINGS = re.compile(r"^Acquire::(http|https|ftp|Check-Valid-Until|Check-Date|Retries|ForceIPv4)\b.*\".+\";$", re.I)


@dataclass(frozen=True)
class Source:
    """One line of sources.list: address of the archive, one suite, its components."""

    uri: str
    suite: str
    components: tuple[str, ...]

    def line(self) -> str:
        """The one-line form, bound to Debian's own keys."""
        return f"deb [signed-by={KEYRING}] {self.uri} {self.suite} {' '.join(self.components)}"


def parse_one_line(text: str) -> t.Iterator[Source]:
    """Sources of a ``*.list`` file; comments, deb-src and options are left out."""
    for line in text.splitlines():
        words = re.sub(r"\[[^\]]*\]", " ", line.split("#", 1)[0]).split()
        if len(words) >= 4 and words[0] == "deb":
            yield Source(words[1].rstrip("/"), words[2], tuple(words[3:]))


def parse_deb822(text: str) -> t.Iterator[Source]:
    """Sources of a ``*.sources`` file; disabled stanzas are left out."""
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.lstrip().startswith("#")]
        folded = re.sub(r"\n[ \t]+", " ", "\n".join(lines))
        fields = {name.strip().lower(): value.split() for name, _colon, value in (line.partition(":") for line in folded.splitlines())}
        if "deb" not in fields.get("types", []) or fields.get("enabled") == ["no"]:
            continue
        for uri in fields.get("uris", []):
            for suite in fields.get("suites", []):
                yield Source(uri.rstrip("/"), suite, tuple(fields.get("components", ["main"])))


def machine_sources(folder: Path = Path("/etc/apt")) -> list[Source]:
    """Every source that the machine has enabled, in the order of its files."""
    found: list[Source] = []
    parts = sorted((folder / "sources.list.d").glob("*")) if (folder / "sources.list.d").is_dir() else []
    for path in [folder / "sources.list", *parts]:
        if path.suffix == ".sources":
            found += parse_deb822(path.read_text())
        elif path.suffix == ".list" and path.is_file():
            found += parse_one_line(path.read_text())
    return found


def codename() -> str:
    """The machine's Debian release, such as ``bookworm``."""
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields.get("VERSION_CODENAME", "").strip('"')


def debian_sources(suite: str, found: list[Source] | None = None, own: str | None = None) -> list[Source]:
    """The machine's Debian sources (release, updates, security), for release ``suite``.

    Raises LabError when the machine has no source for its own release: then there is no mirror to learn from.
    """
    own = own or codename()
    names = {own: suite, f"{own}-updates": f"{suite}-updates", f"{own}-security": f"{suite}-security"}
    kept = [
        Source(each.uri, names[each.suite], ("main",))
        for each in (machine_sources() if found is None else found)
        if each.suite in names and "main" in each.components
    ]
    if not any(each.suite == suite for each in kept):
        raise shell.LabError(f"/etc/apt: no source for {own!r}; the lab learns the Debian mirror from there")
    return list(dict.fromkeys(kept))


def machine_settings() -> list[str]:
    """Lines of apt.conf that decide how the machine reaches its mirror (proxy, dates, retries)."""
    return [line for line in shell.out(["apt-config", "dump"]).splitlines() if _KEPT_SETTINGS.match(line)]


def trusted_certificates() -> bytes:
    """The machine's certificate authorities: a mirror may stand behind one that Debian does not ship."""
    path = Path("/etc/ssl/certs/ca-certificates.crt")
    return path.read_bytes() if path.exists() else b""
