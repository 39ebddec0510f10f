# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Canaries: whatever is secret does not come through, whatever stands around it."""

from __future__ import annotations

import base64
import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._run.masking import HIDDEN, Mask

KEY, LONG = "0123456789abcdef" * 2, "Ab1" * 28
AROUND = st.text(string.ascii_lowercase + " \n{}", max_size=20)
SECRET = st.text(string.ascii_letters + string.digits + "+/=$. -", min_size=12, max_size=60).map(str.strip).filter(lambda text: len(text) >= 8)


@pytest.mark.parametrize(
    "text",
    [
        f"ApiKey={KEY}",
        f'"Ocp-Apim-Subscription-Key": "{KEY}"',
        f"key {KEY.upper()} in a sentence",
        f"SOME-{KEY}",
        f"a new one: {LONG}.",
        "password: hunter2hunter2",
        '{"apikey": "hunter2hunter2"}',
        "Authorization: Bearer hunter2hunter2",
        "http://user:hunter2hunter2@proxy:3128/",
        "AccountKey=" + "hunter2hunter2" * 6 + "ab==;",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2hunter2\nmore\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nhunter2hunter2 cut",
        "$ANSIBLE_VAULT;1.1;AES256\n          6162636465\n          deadbeefcafe\n",
        '{"v": "$ANSIBLE_VAULT;1.2;AES256;site\\n6162636465\\ndeadbeefcafe\\n"}',
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text: str) -> None:
    kept = Mask().text(text)
    assert HIDDEN in kept
    assert not any(word in kept for word in (KEY, KEY.upper(), LONG, "hunter2", "6162636465", "deadbeefcafe"))


@pytest.mark.parametrize("text", ["sha256:" + "a1" * 32, "be846a017c46aec1", "2026-01-31T12:00:00Z", "GET /ready 200", "Api Key is valid, no action needed."])
def test_what_helps_stays(text: str) -> None:
    assert Mask().text(text) == text


@settings(max_examples=60, deadline=None)
@given(SECRET, AROUND, AROUND)
def test_a_known_secret_never_comes_through(secret: str, before: str, after: str) -> None:
    mask = Mask([f"{secret}\nsecond line of it\n".encode()])
    for form in (secret, base64.b64encode(secret.encode()).decode(), secret.encode().hex(), json.dumps(secret)):
        for kept in (mask.text(before + form + after), mask.environment([f"Eula={form}"])[0]):
            assert secret not in kept and base64.b64encode(secret.encode()).decode() not in kept and secret.encode().hex() not in kept


def test_settings_that_nobody_knows_are_struck_out() -> None:
    told = Mask().environment(["Eula=accept", "Mounts:License=/license", "ApiKey=x", "SOMETHING=else", "Logging:Disk:Format=json", "Mounts:Key=y", "EMPTY"])
    assert told == [
        "Eula=accept",
        "Mounts:License=/license",
        f"ApiKey={HIDDEN}",
        f"SOMETHING={HIDDEN}",
        "Logging:Disk:Format=json",
        f"Mounts:Key={HIDDEN}",
        f"EMPTY={HIDDEN}",
    ]
