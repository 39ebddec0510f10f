# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The style sheet asks for nothing and suits paper, phones and the dark."""

from __future__ import annotations

import re

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.charts import _COLOURS
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.style import STYLE


def test_it_loads_nothing() -> None:
    assert not re.search(r"url\(|@import|@font-face|expression|</", STYLE)


def test_it_suits_paper_phones_and_the_dark() -> None:
    for query in ("@media print", "(max-width:", "(prefers-color-scheme:dark)", ":focus-visible"):
        assert query in STYLE


def test_every_colour_that_is_used_is_defined_in_light_and_dark() -> None:
    used = set(re.findall(r"var\(--([\w-]+)\)", STYLE)) | set(_COLOURS.values())
    light, dark = (set(re.findall(r"--([\w-]+):", block)) for block in STYLE.split("@media (prefers-color-scheme:dark)")[:2])
    assert used <= light
    assert used <= dark


def test_braces_match() -> None:
    assert STYLE.count("{") == STYLE.count("}")


def luminance(colour: str) -> float:
    digits = "".join(digit * 2 for digit in colour) if len(colour) == 3 else colour
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_every_text_can_be_read_on_its_ground() -> None:
    light, dark = STYLE.split("@media (prefers-color-scheme:dark)")[:2]
    paper = STYLE.split("@media print")[1]
    for block in (light, dark.split("@media")[0], paper):
        colours = dict(re.findall(r"--([\w-]+):#([0-9a-f]{6}|[0-9a-f]{3})\b", block))
        pairs = [(text, ground) for text in ("ink", "soft", "good", "warn", "bad", "accent") for ground in ("paper", "band")]
        pairs += [("good", "good-band"), ("warn", "warn-band"), ("bad", "bad-band"), ("ink", "tint")]
        assert {pair: ratio for pair in pairs if (ratio := contrast(colours[pair[0]], colours[pair[1]])) < 4.5} == {}
