# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The online steps' pure part: when they are needed, what they are given, what their log means."""

from __future__ import annotations

import datetime
import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import InputError, RemoteError
from ansible_collections.airgap.azure_ai.plugins.module_utils._base.release import Release, selector
from ansible_collections.airgap.azure_ai.plugins.module_utils._run import online

IMAGE = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
TODAY = datetime.date(2026, 3, 31)
ACCOUNT = online.Account("https://e.example", "k")


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
            (release(models="sha256:" + "d" * 64), False, (), "made with models, which the service no longer has"),
            (release(expires="2026-03-30"), False, (), "ended on 2026-03-30"),
            (release(expires="2026-04-30"), False, (), "in 30 days"),
        ],
    )
    def test_says_why(self, have: Release | None, models: bool, missing: tuple[str, ...], words: str) -> None:
        assert words in (online.needed(have, IMAGE, models, TODAY, 30, missing) or "")

    def test_a_setting_that_the_offline_run_lacks_is_a_reason(self) -> None:
        have = release(settings={"MODELS": "a"})
        assert online.needed(have, IMAGE, False, TODAY, 30, captured=["MODELS"]) is None
        assert "without the setting CONFIG" in (online.needed(have, IMAGE, False, TODAY, 30, captured=["MODELS", "CONFIG"]) or "")

    def test_a_service_without_license_is_bound_to_its_image_alone(self) -> None:
        have = release(license=None)
        assert online.unlicensed(have, IMAGE) is None
        assert "the tag is now sha256:bbbbbbbbbbbb" in (online.unlicensed(have, OTHER) or "")
        assert "needs no license" in (online.unlicensed(None, IMAGE) or "")

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
        (step,) = online.steps(self.ENTRY, {"languages": ["en", "fr"]}, online.Account("https://x.example/", "key{endpoint}"))
        assert step.settings == {"Billing": "https://x.example", "ApiKey": "key{endpoint}", "Languages": "en,fr", "Eula": "accept"}
        assert (step.time_limit, step.until, step.produces) == (3600, "exit", ("models", "license"))

    def test_the_key_is_not_shown(self) -> None:
        assert "geheim" not in repr(online.Account("https://x.example", "geheim"))
        assert "geheim" not in repr(online.steps(self.ENTRY, {"languages": ["en"]}, online.Account("https://x.example", "geheim")))

    def test_an_unknown_placeholder_is_named(self) -> None:
        with pytest.raises(InputError, match=r"online step a, setting B: no value for \{colour\}"):
            online.steps({"online": [{"name": "a", "settings": {"B": "{colour}"}, "produces": ["license"]}]}, {}, ACCOUNT)

    def test_steps_without_a_license_are_refused(self) -> None:
        with pytest.raises(InputError, match="no online step produces a license"):
            online.steps({"online": [{"name": "a", "settings": {}, "produces": ["models"]}]}, {}, ACCOUNT)


class TestAccounts:
    ENTRY = {
        "online": [
            {
                "name": "model",
                "account": "model",
                "until": "ready",
                "retries": 3,
                "size": {"cpus": 4, "memory": "8g"},
                "settings": {"Billing": "{endpoint}", "ApiKey": "{api_key}", "ModelId": "{options.model_id}"},
                "arguments": ["{options.model_id}", "{options.none}", "plain"],
                "produces": ["models"],
            },
            {"name": "license", "settings": {"Billing": "{endpoint}", "ApiKey": "{api_key}"}, "produces": ["license"]},
        ]
    }
    GIVEN = {"resource": "dc0", "endpoint": "https://dc0.example", "api_key": "k", "model_endpoint": "", "model_api_key": "", "options": {"model_id": "m"}}

    def test_each_step_has_the_account_that_it_wants(self) -> None:
        model, license_ = online.steps(self.ENTRY, {"model_id": "m"}, ACCOUNT, online.Account("https://s0.example/", "k0"))
        assert (model.settings["Billing"], model.settings["ApiKey"]) == ("https://s0.example", "k0")
        assert (license_.settings["Billing"], license_.settings["ApiKey"]) == ("https://e.example", "k")
        assert (model.until, model.retries, model.cpus, model.memory, model.arguments) == ("ready", 3, 4, 8 * 2**30, ("m", "plain"))
        assert (license_.until, license_.retries, license_.cpus, license_.memory, license_.arguments) == ("exit", 0, 0, 0, ())

    def test_without_another_account_both_have_the_license_s(self) -> None:
        assert {step.settings["ApiKey"] for step in online.steps(self.ENTRY, {"model_id": "m"}, ACCOUNT)} == {"k"}
        assert online.accounts(self.ENTRY, self.GIVEN, "x") == (online.Account("https://dc0.example", "k"), None)

    def test_the_model_s_account_is_taken_where_the_option_names_it(self) -> None:
        given_ = {**self.GIVEN, "options": {"model_resource": "s0"}, "model_endpoint": "https://s0.example", "model_api_key": "k0"}
        assert online.accounts(self.ENTRY, given_, "x")[1] == online.Account("https://s0.example", "k0")
        assert online.accounts({"online": self.ENTRY["online"][1:]}, given_, "x")[1] is None, "no step asks for it"

    @pytest.mark.parametrize(
        ("change", "words"),
        [
            ({"api_key": ""}, "the api_key is empty; set azure_ai_resources.dc0.api_key"),
            ({"endpoint": ""}, "the endpoint is empty; set azure_ai_resources.dc0.endpoint"),
            ({"options": {"model_resource": "s0"}, "model_endpoint": "x"}, "the model_api_key is empty; set azure_ai_resources.s0.api_key"),
        ],
    )
    def test_an_empty_one_is_named(self, change: dict[str, object], words: str) -> None:
        with pytest.raises(InputError, match=words):
            online.accounts(self.ENTRY, {**self.GIVEN, **change}, "x")


class TestOptions:
    ENTRY = {
        "online": [{"settings": {"Languages": "{options.languages}", "Seen": "{options.seen}"}, "produces": ["license"]}],
        "files": [{"option": "glossary", "mount": "/g"}, {"option": "seen", "mount": "/s"}],
    }

    @pytest.mark.parametrize(
        ("other", "same"),
        [
            ({"languages": ["en", "fr"]}, True),
            ({"languages": ["en", "fr"], "glossary": "two"}, True),
            ({"languages": ["en", "de"], "glossary": "one"}, False),
            ({"languages": ["en", "fr"], "seen": "by a step"}, False),
            ({"languages": ["en", "fr"], "unheard": "of"}, False),
        ],
    )
    def test_a_license_serves_options_that_no_step_sees(self, other: dict[str, object], same: bool) -> None:
        assert online.same_license(self.ENTRY, {"languages": ["en", "fr"], "glossary": "one"}, other) is same

    def test_what_differs_from_the_nearest_is_told(self) -> None:
        others = [{"languages": ["en"], "gpu": True}, {"languages": ["en", "fr"]}]
        assert online.changed_options({"languages": ["en", "de"]}, others) == "languages is en,de and was en,fr"
        assert online.changed_options({"gpu": True}, [{}]) == "gpu is true and was not set"
        assert online.changed_options({"gpu": True}, [{"gpu": True}]) == online.changed_options({"gpu": True}, []) == ""


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


@pytest.mark.parametrize("value", ["many", -4, 0, "", [], True, 1.5, "³", 10**9, "9" * 5000])
def test_a_lifetime_is_a_number_of_days(value: t.Any) -> None:
    with pytest.raises(InputError, match=r"license_lifetime_days .* is not a whole number from 1 to 36500; write what Microsoft told you"):
        online.days(value)
    assert (online.days(None), online.days("30"), online.days(36500)) == (None, 30, 36500)


def test_expiry_is_a_whole_day_or_unknown() -> None:
    assert online.expiry("2026-01-31T23:59:00Z", 30) == "2026-03-02"
    assert online.expiry("2026-01-31T23:59:00Z", None) is None
    assert online.expiry(None, 30) is None
