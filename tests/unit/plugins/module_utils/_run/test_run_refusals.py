# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documented refusals are told in words with a way out; nobody reads the key."""

from __future__ import annotations

import base64
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import refusals


@pytest.mark.parametrize(
    ("log", "problem", "way_out"),
    [
        ("Error: Feature is not supported.", "not approved", "aka.ms/csdisconnectedcontainers"),
        ("fail: a valid license has been found at /license", "holds a valid license already", "derived image"),
        ("EULA must be accepted to start", "license terms", "Eula to accept"),
        ("rai_terms must be accepted", "responsible AI terms", "rai_terms to accept"),
        ("POST /token: HTTP status 401", "refuses the key", "api_key and endpoint"),
        ("Endpoint connection failed with status 'Invalid'", "refuses the key", "api_key and endpoint"),
        ("validation failed with status 'Mismatch'", "another kind", "own kind"),
        ("Subscription validation failed with status 'OutOfQuota'", "quota is used up", "then at the network"),
        ("validation failed with status 'Unknown'", "cannot be reached", "proxy"),
        ("Could not resolve: Name or service not known", "cannot be reached", "name resolution"),
        ("The provided license path was not found.", "license folder", "Mounts:License"),
        ("This container image is expired.", "expired", "newer tag"),
        ("validation failed with status 'ContainerUseUnauthorized'", "not approved, or its pricing tier is another one", "DC0"),
        ("ModelId 0a1b was not found", "does not know the model", "model_resource"),
        ("write /usr/local/models/x: no space left on device", "disk is full", "make room"),
        ("Access to the path '/license' is denied.", "may not write", "image's user"),
        ("[ERROR] Failed to download: context deadline exceeded", "hour", "faster line"),
    ],
)
def test_known_words_get_a_way_out(log: str, problem: str, way_out: str) -> None:
    found = refusals.explain(log, 1, [])
    assert problem in found.problem
    assert way_out in found.way_out


@pytest.mark.parametrize(("code", "words"), [(None, "not done within its time limit"), (0, "left no license"), (7, "exit code 7")])
def test_unknown_ends_tell_the_code_and_the_last_line(code: int | None, words: str) -> None:
    found = refusals.explain("first\nthe last line\n\n", code, [])
    assert words in found.problem and not found.final and not found.certain
    assert found.problem.endswith("its last line: the last line")


@given(st.text("abcdefXYZ0123456789+/=", min_size=8, max_size=40))
def test_no_spelling_of_the_key_is_quoted(key: str) -> None:
    log = f"odd {key} {urllib.parse.quote(key, safe='')} {base64.b64encode(key.encode()).decode()} {key.lower()}"
    _patterns, problem, way_out, *_marks = refusals.explain(log, 3, [key])
    assert key not in problem + way_out
    assert urllib.parse.quote(key, safe="") not in problem
    assert base64.b64encode(key.encode()).decode() not in problem
    assert key.lower() not in problem


@pytest.mark.parametrize(
    "log", ["context deadline exceeded", "dial tcp: no such host", "status 'BillingEndpointBusy'", "killed, rai_terms=accept", "got 401 files", ""]
)
def test_what_may_end_better_is_tried_again(log: str) -> None:
    assert not refusals.explain(log, 1, []).final


@pytest.mark.parametrize(
    "log", ["Feature is not supported", "a valid license has been found", "status 'Mismatch'", "EULA must be accepted", "status 'Invalid'"]
)
def test_a_refusal_is_final(log: str) -> None:
    assert refusals.explain(log, 1, []).final


@pytest.mark.parametrize(
    "log",
    [
        "WARNING: No access control enabled!\nOverriding address(es) 'http://+:80'\nNow listening on: http://0.0.0.0:5000",
        "Downloaded 401 of 812 files\nretry: connection refused, trying again",
        '{"apiStatus":"Valid"}',
    ],
)
def test_a_step_that_goes_well_is_never_ended_for_its_words(log: str) -> None:
    found = refusals.known(log)
    assert found is None or not found.certain


@pytest.mark.parametrize("refusal", refusals.REFUSALS)
def test_every_way_out_says_what_to_do_in_one_line(refusal: refusals.Refusal) -> None:
    assert refusal.patterns and refusal.problem and refusal.way_out and "\n" not in refusal.problem + refusal.way_out
    assert refusal.final or not refusal.certain
