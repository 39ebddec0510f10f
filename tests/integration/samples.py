# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Specs to hold the renderings of: of each service, and of one whose texts are as nasty as they may be."""

from __future__ import annotations

import typing as t

from hypothesis import HealthCheck, Phase, find, settings

from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._run.wishes import SERVICES, Wish, wishes

NASTY = {
    "NASTY_PLAIN": "a b",
    "NASTY_DOLLAR": "$HOME ${HOME} $$ $(HOME) %s",
    "NASTY_QUOTES": 'it\'s "quoted" `x` \\n \\',
    "NASTY_LINES": "one\ntwo\t\r\n",
    "NASTY_NUMBER": "1e3",
    "NASTY_TRUTH": "on",
    "NASTY_EMPTY": "",
    "NASTY_WORDS": "größer 你好 😀 \u0085\u2028",
    "Logging:Console:LogLevel:Default": "Debug",
}
_QUICK = settings(max_examples=200, database=None, deadline=None, phases=[Phase.generate, Phase.shrink], suppress_health_check=list(HealthCheck))


def plainest() -> dict[str, Wish]:
    """Of every service (and every member of a group) the simplest container that somebody may declare, by name of service and container."""
    found = {}
    for service in SERVICES:
        for wish in find(wishes(service), lambda _drawn: True, settings=_QUICK):
            found[f"{service}/{wish.spec['name']}"] = wish
    return found


def nasty(spec: dict[str, t.Any]) -> dict[str, t.Any]:
    """The spec with settings that every layer of quoting gets wrong unless it is right."""
    return {**spec, "env": {**spec["env"], **NASTY}}
