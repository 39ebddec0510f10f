# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors by who can mend them; each message is one line: what, what is wrong, what to do.

This file is private to the collection.
"""

from __future__ import annotations

import errno

FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk without room, or what a user may have of it


def way_out(error: OSError) -> str:
    """What to do about an error of the file system, which says itself what it concerns."""
    return "make room there and run it again" if error.errno in FULL else "run with become"


class AirgapError(Exception):
    """Base of every error this collection raises on purpose.

    ``str()`` gives one line: the thing, what is wrong with it and the way out.
    """

    def __init__(self, what: str, problem: str, way_out: str = "") -> None:
        self.what = what
        self.problem = problem
        self.way_out = way_out
        text = f"{what}: {problem}"
        if way_out:
            text = f"{text}; {way_out}"
        super().__init__(" ".join(text.split()))


class InputError(AirgapError):
    """The inventory, an argument or a declared file is wrong: the user mends it."""


class IntegrityError(AirgapError):
    """Bytes are not what their digest, size or signature says: they must come again."""


class TrustError(AirgapError):
    """A signature is missing, unknown, revoked or expired: nothing was opened."""


class MissingError(AirgapError):
    """Something needed is not here: a blob, a license, a program, a release."""


class RemoteError(AirgapError):
    """A registry, Azure, the Docker Engine or a container answered badly or not at all."""


class Problems(AirgapError):
    """Several problems found in one look; ``problems`` holds one line each."""

    def __init__(self, what: str, problems: list[str]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        super().__init__(what, f"{count} problem{'' if count == 1 else 's'}: " + " | ".join(self.problems))
