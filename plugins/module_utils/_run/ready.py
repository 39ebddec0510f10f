# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting on a host until a container is ready, and what it says of its license then.

This file is private to the collection.
"""

from __future__ import annotations

import http.client
import json
import time
import typing as t
import urllib.error
import urllib.request

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import RemoteError

FIRST, LONGEST, GROWTH = 0.1, 2.0, 1.3  # seconds between two looks: short for a service that is quick, patient with one that is not
LICENSED = ("valid", "nonmetered")  # what a service with a license that serves says of itself
_ANSWER = 30.0  # seconds that a service may take for one answer
_MOST = 1024 * 1024  # bytes of an answer that are read

Ask = t.Callable[[str, float], "tuple[int, bytes]"]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Another address that a container names is not asked: it would answer for something else."""

    def redirect_request(self, *_args: t.Any, **_more: t.Any) -> None:
        return None


def ask(url: str, wait: float = _ANSWER) -> tuple[int, bytes]:
    """Status and body that a service answers; a redirect is an answer, and whatever the environment says of proxies does not count.

    :raises RemoteError: no answer.
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _Stay)
    try:
        with opener.open(url, timeout=wait) as answer:
            return int(answer.status), bytes(answer.read(_MOST))
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, b""
    except (OSError, ValueError, http.client.HTTPException) as exc:
        raise RemoteError(url, f"no answer: {getattr(exc, 'reason', None) or exc}") from exc


def wait(url: str, seconds: float, asking: Ask = ask, clock: t.Callable[[], float] = time.monotonic, sleep: t.Callable[[float], None] = time.sleep) -> int:
    """Ask until the answer is 200; return how often it was asked.

    :raises RemoteError: the last answer, when that takes longer than ``seconds``.
    """
    end, pause, looks = clock() + seconds, FIRST, 0
    while True:
        looks += 1
        why = _trouble(url, asking, min(_ANSWER, max(1.0, end - clock())))
        if why is None:
            return looks
        if clock() >= end:
            raise RemoteError(url, f"not ready after {seconds:g} s, {why}")
        sleep(max(0.0, min(pause, end - clock())))
        pause = min(pause * GROWTH, LONGEST)


def check(url: str, asking: Ask = ask) -> None:
    """Hold what a service says of its license.

    :raises RemoteError: it does not serve, or nothing is said.
    """
    status, body = asking(url, _ANSWER)
    try:
        said = json.loads(body)["apiStatus"]
    except (ValueError, KeyError, TypeError, RecursionError):
        said = None
    if status != 200 or str(said).lower() not in LICENSED:
        raise RemoteError(url, f"it answers {status} and its apiStatus is {said}", "see that its license is one for this image and not over")


def _trouble(url: str, asking: Ask, longest: float) -> t.Optional[str]:
    try:
        status, _body = asking(url, longest)
    except RemoteError as exc:
        return exc.problem
    return None if status == 200 else f"it answers {status}"
