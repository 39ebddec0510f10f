# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base import errors


@given(st.text(), st.text(), st.text())
def test_a_message_is_always_one_line(what: str, problem: str, way_out: str) -> None:
    assert len(str(errors.AirgapError(what, problem, way_out)).splitlines()) <= 1


def test_a_message_names_the_thing_the_problem_and_the_way_out() -> None:
    error = errors.MissingError("license of stt", "not in the store", "run\n  bundle again")
    assert str(error) == "license of stt: not in the store; run bundle again"
    assert (error.what, error.problem, error.way_out) == ("license of stt", "not in the store", "run\n  bundle again")
    assert str(errors.MissingError("x", "y")) == "x: y"


@pytest.mark.parametrize("kind", [errors.InputError, errors.IntegrityError, errors.TrustError, errors.MissingError, errors.RemoteError, errors.Problems])
def test_one_except_catches_every_kind(kind: type[errors.AirgapError]) -> None:
    assert issubclass(kind, errors.AirgapError)


@pytest.mark.parametrize(("problems", "says"), [(["a"], "bundle: 1 problem: a"), (["a", "b"], "bundle: 2 problems: a | b")])
def test_several_problems_come_at_once(problems: list[str], says: str) -> None:
    error = errors.Problems("bundle", problems)
    assert str(error) == says
    problems.append("later")
    assert "later" not in error.problems


NAMED = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "quota",
    errno.EACCES: "become",
    errno.EPERM: "become",
    errno.EROFS: "mount",
    errno.EIO: "kernel's log",
    errno.ENOENT: "is there",
    errno.EBUSY: "end what uses it",
    errno.EMFILE: "ulimit",
    0: "system's log",
}


@pytest.mark.parametrize("number", NAMED)
def test_an_error_of_the_system_has_a_way_out(number: int) -> None:
    assert NAMED[number] in errors.way_out(OSError(number, os.strerror(number)))
    assert "become" not in errors.way_out(OSError(number, "")) or number in (errno.EACCES, errno.EPERM), "rights do not mend the rest"


@pytest.mark.parametrize(
    ("error", "what", "line"),
    [
        (OSError(errno.ENOSPC, "No space left", "/a/b"), "", "/a/b: No space left; make room there and run it again"),
        (OSError(errno.EACCES, "Permission denied", b"/a"), "lock /a", "lock /a: /a: Permission denied; run with become, or as who owns it"),
        (OSError(errno.EXDEV, "Cross-device link", "/a", None, "/b"), "", "/a to /b: Cross-device link; let both lie on one file system"),
        (
            OSError(errno.EIO, "Input/output error", 3),
            "x",
            "x: Input/output error; its disk or medium may be failing: see the kernel's log before anything else",
        ),
        (TimeoutError(), "", "TimeoutError; see the system's log, and run it again"),
        (OSError("a\nb"), "", "a b; see the system's log, and run it again"),
        (errors.InputError("x", "y", "z"), "what", "x: y; z"),
    ],
)
def test_how_a_module_tells_an_error(error: Exception, what: str, line: str) -> None:
    assert errors.one_line(error, what) == line


def test_every_module_and_action_tells_errors_of_the_system_so() -> None:
    """What catches OSError and fails with it says what to do, in the words of one place."""
    root = Path(errors.__file__).parents[2]
    silent, seen = [], 0
    for path in [*root.glob("modules/*.py"), *root.glob("action/*.py")]:
        for handler in [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler) and node.type and node.name]:
            body = ast.unparse(handler)
            fails = "fail_json(" in body or "'failed': True" in body
            if "OSError" in ast.unparse(handler.type) and fails and "one_line(" not in body:
                silent.append(f"{path.name}:{handler.lineno}")
            seen += "one_line(" in body
    assert silent == [] and seen > 30
