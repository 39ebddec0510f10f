# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The template trusts nothing but its own charts, and headings and tables are in order."""

from __future__ import annotations

import re

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.template import TEMPLATE


def test_nothing_is_marked_safe() -> None:
    assert not re.search(r"\|\s*safe\b|autoescape", TEMPLATE)


def test_no_script_link_or_style_attribute() -> None:
    assert not re.search(r"<script|<link|<img|<iframe|<form|\bhref=|\bsrc=|\bstyle=|\bon\w+=", TEMPLATE)


def test_every_header_cell_says_what_it_heads() -> None:
    assert re.findall(r"<th(?![^>]*scope=)[ >]", TEMPLATE) == []


def test_sections_are_named_by_their_headings() -> None:
    assert re.findall(r'<section aria-labelledby="(\w+)">', TEMPLATE) == re.findall(r'<h2 id="(\w+)">', TEMPLATE)
