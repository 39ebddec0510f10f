# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors by who can mend them; each message is one line: what, what is wrong, what to do.

This file is private to the collection.
"""

from __future__ import annotations

import errno
import os

FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk without room, or what a user may have of it


_WAYS = {
    errno.ENOSPC: "make room there and run it again",
    errno.EDQUOT: "make room there or raise the quota, and run it again",
    errno.EACCES: "run with become, or as who owns it",
    errno.EPERM: "run with become, or as who owns it",
    errno.EROFS: "mount its file system for writing",
    errno.EIO: "its disk or medium may be failing: see the kernel's log before anything else",
    errno.ESTALE: "mount its network folder again",
    errno.ENOENT: "see that it is there",
    errno.ENOTDIR: "move away what lies where a folder should be",
    errno.EISDIR: "move away the folder that lies where a file should be",
    errno.EEXIST: "move away what lies there already",
    errno.ENOTEMPTY: "move away what lies in it",
    errno.ELOOP: "name the place itself, not a link to it",
    errno.ENAMETOOLONG: "choose shorter names",
    errno.EBUSY: "end what uses it and run it again",
    errno.ETXTBSY: "end what uses it and run it again",
    errno.EMFILE: "raise the limit of open files (ulimit -n) and run it again",
    errno.ENFILE: "end what holds too many files open and run it again",
    errno.ENOMEM: "free memory and run it again",
    errno.EXDEV: "let both lie on one file system",
    errno.ECONNREFUSED: "start what should answer there",
}


def way_out(error: OSError) -> str:
    """What to do about an error of the system."""
    return _WAYS.get(error.errno or 0, "see the system's log, and run it again")


def one_line(error: Exception, what: str = "") -> str:
    """An error as a module tells it: what, what is wrong with it, what to do.

    :param what: what an error of the system concerns, besides the file that it names
    """
    if not isinstance(error, OSError):
        return str(error)
    names = " to ".join(os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, (str, bytes)))
    problem = error.strerror or str(error) or type(error).__name__
    text = ": ".join(part for part in (what, names, problem) if part)
    return " ".join(f"{text}; {way_out(error)}".split())


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
