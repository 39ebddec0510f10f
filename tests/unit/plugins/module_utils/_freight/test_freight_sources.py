# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's own mirrors, out of both styles of apt's configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError
from ansible_collections.airgap.azure_ai.plugins.module_utils._freight import sources

STANZAS = """# comment
Types: deb deb-src
URIs: http://m/debian
Suites: bookworm
 bookworm-updates
# in between
Components: main contrib
Signed-By: /x

Enabled: no
Types: deb
URIs: http://disabled/debian
Suites: bookworm
Components: main

Types: deb
URIs: http://m/debian-security
Suites: bookworm-security
Components: main
"""
LINES = """# deb http://commented/debian bookworm main
deb [arch=amd64 signed-by=/x] http://m/debian bookworm main contrib # tail
deb-src http://source/debian bookworm main
deb http://m/debian-security bookworm-security main
deb https://third.example/apt cloud-bookworm main
"""


@pytest.mark.parametrize("found", [sources.parse_stanzas(STANZAS), sources.parse_lines(LINES)])
def test_both_styles_give_the_same_mirrors(found: list[sources.Source]) -> None:
    assert sources.choose(found) == ("http://m/debian", "http://m/debian-security")


def test_a_machine_without_debian_is_told_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name one in mirror"):
        sources.own(str(tmp_path))
    (tmp_path / "sources.list").write_text("deb http://m/debian trixie main\n")
    assert sources.own(str(tmp_path)) == ("http://m/debian", "http://m/debian-security")
    (tmp_path / "sources.list").unlink()
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d" / "debian.sources").write_text(STANZAS)
    assert sources.own(str(tmp_path)).security == "http://m/debian-security"
