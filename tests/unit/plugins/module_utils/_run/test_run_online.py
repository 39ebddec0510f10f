# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps' pure part: when they are needed, what they are given, what their log means."""

from __future__ import annotations

import base64
import datetime
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online

IMAGE = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
TODAY = datetime.date(2026, 3, 31)


def release(**changes: object) -> Release:
    base = {
        "selector": selector("speech_to_text", "4.9.0", "speech-dc0", {}),
        "service": "speech_to_text",
        "tag": "4.9.0",
        "resource": "speech-dc0",
        "options": {},
        "image": IMAGE,
        "license": "sha256:" + "c" * 64,
    }
    return Release(**{**base, **changes})


class TestNeeded:
    def test_nothing_when_the_release_serves(self) -> None:
        assert online.needed(release(), IMAGE, False, TODAY, 30) is None

    @pytest.mark.parametrize(
        ("have", "models", "missing", "words"),
        [
            (None, False, (), "there is no license"),
            (release(image=OTHER), False, (), "bound to image sha256:bbbbbbbbbbbb"),
            (release(), False, ("the license",), "no longer holds the license"),
            (release(), True, (), "without models"),
            (release(expires="2026-03-30"), False, (), "ended on 2026-03-30"),
            (release(expires="2026-04-30"), False, (), "in 30 days"),
        ],
    )
    def test_says_why(self, have: Release | None, models: bool, missing: tuple[str, ...], words: str) -> None:
        assert words in (online.needed(have, IMAGE, models, TODAY, 30, missing) or "")

    def test_an_undeclared_end_is_no_reason(self) -> None:
        assert online.needed(release(expires=None), IMAGE, False, datetime.date(2999, 1, 1), 30) is None

    @given(left=st.integers(-400, 400), renew=st.integers(0, 365))
    def test_renewal_begins_exactly_at_the_window(self, left: int, renew: int) -> None:
        have = release(expires=(TODAY + datetime.timedelta(days=left)).isoformat())
        assert (online.needed(have, IMAGE, False, TODAY, renew) is not None) == (left <= renew)

    @given(life=st.integers(1, 1000), renew=st.integers(0, 2000))
    def test_no_run_renews_what_was_downloaded_the_same_day(self, life: int, renew: int) -> None:
        have = release(downloaded=f"{TODAY}T00:00:00Z", expires=(TODAY + datetime.timedelta(days=life)).isoformat())
        assert online.needed(have, IMAGE, False, TODAY, renew) is None
        assert online.needed(have, IMAGE, False, TODAY + datetime.timedelta(days=life), renew) is not None


class TestSteps:
    ENTRY = {
        "online": [
            {
                "name": "models and license",
                "settings": {
                    "Billing": "{endpoint}",
                    "ApiKey": "{api_key}",
                    "Languages": "{options.languages}",
                    "Domain": "{options.domain}",
                    "Eula": "accept",
                },
                "produces": ["models", "license"],
                "time_limit": 3600,
                "capture": {"MODELS": "x"},
            }
        ]
    }

    def test_fills_placeholders_and_leaves_out_undeclared_options(self) -> None:
        (step,) = online.steps(self.ENTRY, {"languages": ["en", "fr"]}, "https://x.example/", "key{endpoint}")
        assert step.settings == {"Billing": "https://x.example", "ApiKey": "key{endpoint}", "Languages": "en,fr", "Eula": "accept"}
        assert (step.time_limit, step.until, step.produces) == (3600, "exit", ("models", "license"))

    def test_the_key_is_not_shown(self) -> None:
        assert "geheim" not in repr(online.steps(self.ENTRY, {"languages": ["en"]}, "https://x.example", "geheim"))

    def test_an_unknown_placeholder_is_named(self) -> None:
        with pytest.raises(InputError, match=r"online step a, setting B: no value for \{colour\}"):
            online.steps({"online": [{"name": "a", "settings": {"B": "{colour}"}, "produces": ["license"]}]}, {}, "e", "k")

    def test_steps_without_a_license_are_refused(self) -> None:
        with pytest.raises(InputError, match="no online step produces a license"):
            online.steps({"online": [{"name": "a", "settings": {}, "produces": ["models"]}]}, {}, "e", "k")


PATTERNS = {"MODELS": r"-e\s+MODELS=[ \t]*([^\s,]+(?:,[ \t]*[^\s,]+)*)", "TRANSLATORSYSTEMCONFIG": r"-e\s+TRANSLATORSYSTEMCONFIG=[ \t]*(\S+)"}


class TestCaptured:
    def test_the_form_of_real_logs(self) -> None:
        log = "docker run -e MODELS=/usr/local/models/a,/usr/local/models/b -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/1f image\n"
        assert online.captured(log, PATTERNS) == {"MODELS": "/usr/local/models/a,/usr/local/models/b", "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/1f"}

    def test_the_form_of_the_documented_sample(self) -> None:
        log = "  -e MODELS= usr/local/models/model1/, usr/local/models/model2/ \\\n  -e TRANSLATORSYSTEMCONFIG=/usr/local/models/Config/5a72/ \\\n"
        assert online.captured(log, PATTERNS) == {
            "MODELS": "/usr/local/models/model1,/usr/local/models/model2",
            "TRANSLATORSYSTEMCONFIG": "/usr/local/models/Config/5a72",
        }

    def test_the_last_hit_counts(self) -> None:
        assert online.captured("-e MODELS=/m/old\n-e MODELS=/m/new\n", {"MODELS": PATTERNS["MODELS"]}) == {"MODELS": "/m/new"}

    def test_a_log_without_it_is_an_error(self) -> None:
        with pytest.raises(RemoteError, match="setting MODELS: the download's log does not tell its value"):
            online.captured("nothing", {"MODELS": PATTERNS["MODELS"]})

    @given(st.lists(st.text("abc_09", min_size=1, max_size=8).map(lambda name: f"/usr/local/models/{name}"), min_size=1, max_size=5))
    def test_normalised_twice_is_normalised_once(self, paths: list[str]) -> None:
        loose = ", ".join(f" {path[1:]}/ " for path in paths)
        assert online.normalised(loose) == ",".join(paths) == online.normalised(online.normalised(loose))

    @pytest.mark.parametrize(("given_value", "kept"), [("5", "5"), ("https://a.example/x/", "https://a.example/x/"), ("'a/b'", "/a/b"), ("", "")])
    def test_other_values_stay(self, given_value: str, kept: str) -> None:
        assert online.normalised(given_value) == kept


class TestCheckPaths:
    def test_paths_that_came_are_good(self) -> None:
        online.check_paths({"MODELS": "/m/a,/m/Config/1", "OTHER": "/elsewhere"}, "/m", ["a/w.bin", "Config/1/x"])

    def test_a_path_that_did_not_come_is_named(self) -> None:
        with pytest.raises(RemoteError, match="setting MODELS: names /m/b, which was not downloaded"):
            online.check_paths({"MODELS": "/m/a,/m/b"}, "/m", ["a/w.bin"])


class TestExplain:
    @pytest.mark.parametrize(
        ("log", "problem", "way_out"),
        [
            ("Error: Feature is not supported.", "not approved", "aka.ms/csdisconnectedcontainers"),
            ("fail: a valid license has been found at /license", "holds a valid license already", "derived image"),
            ("EULA must be accepted to start", "license terms", "Eula to accept"),
            ("Endpoint connection failed with status 'Invalid'", "refuses the key", "api_key and endpoint"),
            ("validation failed with status 'Mismatch'", "another kind", "own kind"),
            ("Subscription validation failed with status 'OutOfQuota'", "cannot be reached", "proxy"),
            ("Could not resolve: Name or service not known", "cannot be reached", "name resolution"),
            ("The provided license path was not found.", "license folder", "Mounts:License"),
            ("This container image is expired.", "expired", "newer tag"),
            ("[ERROR] Failed to download: context deadline exceeded", "hour", "faster line"),
        ],
    )
    def test_known_words_get_a_way_out(self, log: str, problem: str, way_out: str) -> None:
        found = online.explain(log, 1, [])
        assert problem in found[0]
        assert way_out in found[1]

    @pytest.mark.parametrize(("code", "words"), [(None, "not done within its time limit"), (0, "left no license"), (7, "exit code 7")])
    def test_unknown_ends_tell_the_code_and_the_last_line(self, code: int | None, words: str) -> None:
        problem, _way = online.explain("first\nthe last line\n\n", code, [])
        assert words in problem
        assert problem.endswith("its last line: the last line")

    @given(st.text("abcdefXYZ0123456789+/=", min_size=8, max_size=40))
    def test_no_spelling_of_the_key_is_quoted(self, key: str) -> None:
        log = f"odd {key} {urllib.parse.quote(key, safe='')} {base64.b64encode(key.encode()).decode()} {key.lower()}"
        problem, way_out = online.explain(log, 3, [key])
        assert key not in problem + way_out
        assert urllib.parse.quote(key, safe="") not in problem
        assert base64.b64encode(key.encode()).decode() not in problem
        assert key.lower() not in problem


def test_expiry_is_a_whole_day_or_unknown() -> None:
    assert online.expiry("2026-01-31T23:59:00Z", 30) == "2026-03-02"
    assert online.expiry("2026-01-31T23:59:00Z", None) is None
    assert online.expiry(None, 30) is None
