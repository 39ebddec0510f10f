# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole copies of a ledger in SQLite, made while others read and write, and the check of every page.

Nothing here opens a ledger's file but SQLite itself: closing it elsewhere in the same process would drop SQLite's locks.
This file is private to the collection.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import typing as t

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import IntegrityError, MissingError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.files import fsync_folder

WAY_OUT = "keep it, and put the last backup in its place: airgap.azure_ai.restore"


def copy(path: str, target: str) -> None:
    """Copy the database file ``path`` to ``target``, whole or not at all, as it is at one moment; the copy is checked.

    Writers may go on meanwhile. ``target`` gets the mode of ``path`` and replaces what is there.

    :raises MissingError: no such file; IntegrityError: the file is damaged; RemoteError: it cannot be read or written.
    """
    if not os.path.exists(path):
        raise MissingError(f"ledger {path}", "no such file")
    draft = f"{target}.{os.getpid()}.part"
    try:
        with contextlib.closing(sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, timeout=60)) as source:
            os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, os.stat(path).st_mode & 0o777))
            with contextlib.closing(sqlite3.connect(draft)) as made:
                source.backup(made)  # in one reading transaction, which no writer waits for
                made.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
                problems = [row[0] for row in made.execute("PRAGMA quick_check(1)") if row[0] != "ok"]
        if problems:
            raise IntegrityError(f"ledger {path}", f"damaged ({problems[0]})"[:200], WAY_OUT)
        with open(draft, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(draft, target)
        fsync_folder(os.path.dirname(os.path.abspath(target)))
    except (sqlite3.Error, OSError) as exc:
        raise RemoteError(f"ledger {path}", f"cannot be copied to {target} ({exc})"[:300]) from exc
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def check_whole(connection: t.Any) -> list[str]:
    """Problems that SQLite finds in every page and index of the database of this open connection; takes a while for a large one.

    PostgreSQL has nothing of the kind; its list is empty.
    """
    if connection.dialect.name != "sqlite":
        return []
    try:
        found = [row[0] for row in connection.connection.driver_connection.execute("PRAGMA integrity_check(5)")]
    except sqlite3.DatabaseError as exc:
        found = [str(exc)]
    return [" ".join(f"the database file is damaged: {problem}".split())[:300] for problem in found if problem != "ok"]


def _quoted(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
