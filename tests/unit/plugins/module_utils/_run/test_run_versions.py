# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's order of versions."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.versions import older

IN_ORDER = ["0~~", "0~", "0", "0+b1", "1.0~rc1-1", "1.0", "1.0-1", "1.0-1+deb12u1", "1.0-2", "1.0a", "1.9", "1.10", "20.10.24+dfsg1-1+b3", "26.1.5", "1:0"]


@pytest.mark.parametrize(("lower", "higher"), list(zip(IN_ORDER, IN_ORDER[1:])))
def test_order(lower: str, higher: str) -> None:
    assert older(lower, higher)
    assert not older(higher, lower)
    assert not older(lower, lower)


@settings(max_examples=40, deadline=None)
@given(*[st.from_regex(r"([0-9]:)?[0-9][0-9a-c.+~]{0,5}(-[0-9a-c.+~]{1,4})?", fullmatch=True)] * 2)
def test_as_dpkg_has_it(one: str, other: str) -> None:
    assert shutil.which("dpkg")
    done = subprocess.run(["dpkg", "--compare-versions", one, "lt", other], check=False)
    assert older(one, other) is (done.returncode == 0)
