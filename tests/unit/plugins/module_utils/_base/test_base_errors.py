# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

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


@pytest.mark.parametrize(("number", "told"), [(errno.ENOSPC, "make room there"), (errno.EDQUOT, "make room there"), (errno.EACCES, "run with become")])
def test_an_error_of_the_file_system_has_a_way_out(number: int, told: str) -> None:
    assert told in errors.way_out(OSError(number, os.strerror(number)))
