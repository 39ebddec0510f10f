# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page: self-contained, escaped, and it says what the report says."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import page, recheck, report
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import adjusted, build, fill, imported, release

EVIL = "<script>alert(1)</script>\"'&{{7*7}}"


class Tags(html.parser.HTMLParser):
    """Collects tags with attributes, and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def render(tmp_path: Path, *documents: dict[str, t.Any], **more: t.Any) -> str:
    database = Database(str(tmp_path / "ledger.db"))
    append(database, *documents)
    with database.read() as connection:
        return page.render(report.build(connection, **more)).decode()


@pytest.fixture
def evil(tmp_path: Path) -> str:
    made = document("1", {"all": {EVIL: 1234567}, "2026-02": {EVIL: 5}, "2026-03": "no_answer"}, service=EVIL, resource=EVIL, name=EVIL)
    release = {"host": EVIL, "container": EVIL, "service": EVIL, "image": EVIL, "tag": EVIL, "release": EVIL, "license_days": 3}
    commitment = {"resource": EVIL, "meters": [EVIL, "*"], "units": "5", "start": "2026-01-01", "end": "2026-12-31"}
    return render(tmp_path, made, releases=[release], commitments=[commitment])


def test_nothing_that_others_wrote_becomes_markup(evil: str) -> None:
    found = Tags(evil)
    assert "script" not in [tag for tag, _attributes in found.tags]
    assert found.words.count(EVIL) >= 6
    assert "49" not in found.words


def test_the_page_asks_for_nothing(evil: str) -> None:
    found = Tags(evil)
    assert not {tag for tag, _attributes in found.tags} & {"link", "img", "iframe", "object", "form", "base", "a"}
    assert not {name for _tag, attributes in found.tags for name in attributes} & {"src", "href", "style", "onload", "onclick", "srcset"}
    assert "url(" not in evil
    assert "@import" not in evil


def test_the_policy_lets_in_the_pages_own_style_and_nothing_else(evil: str) -> None:
    style = re.search(r"<style>(.*)</style>", evil, re.S)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policy = next(attributes["content"] for tag, attributes in Tags(evil).tags if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy")
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_numbers_and_doubts_are_shown(tmp_path: Path) -> None:
    text = render(tmp_path, document("1", {"all": {"M": 1234567}}), document("2", {"all": {"M": 1000}}))
    assert "1\u202f234\u202f567 to 1\u202f235\u202f567" in text
    assert "eported 1234567 once and 1000 now" in text
    assert "unbroken" in text


def test_a_broken_chain_stands_at_the_top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck.ledger, "verify", lambda _connection: ["site plant-7, readings row 1: gone"])
    words = Tags(render(tmp_path, document("1", {"all": {"M": 1}}))).words
    assert "broken" in words.replace("unbroken", "")
    assert words.index("The ledger was altered") < words.rindex("eadings row 1: gone") < words.index("Coverage")


def test_an_empty_ledger_has_a_page(tmp_path: Path) -> None:
    assert "No container has reported any usage yet" in render(tmp_path)


@pytest.mark.parametrize("draw", [True, False])
def test_without_charts_every_number_is_there_and_the_page_says_so(tmp_path: Path, draw: bool) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    text = page.render(build(database, releases=[release(5)]), draw).decode()
    assert ("<svg" in text) is draw
    assert ("they need Matplotlib" in text) is not draw
    assert ("12\u202f274" in text) is True


def test_the_same_report_is_the_same_page(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    assert page.render(build(database)) == page.render(build(database))


def test_a_fleet_is_on_the_page_worst_first(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database, "calm", ("stt-en",))
    imported(database, "calm", "host", "2026-11-22T00:00:00Z", "2027-10-01")
    imported(database, "late", "site", "2026-01-22T00:00:00Z", "2026-02-01")
    text = page.render(build(database)).decode()
    section = text[text.index('id="fleet"') : text.index('id="commitments"')]
    assert section.index("late") < section.index("calm")
    assert "totals only" in section
    assert "urgent" in section


def test_a_long_table_says_what_it_leaves_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "SHOWN", 2)
    database = Database(str(tmp_path / "ledger.db"))
    fill(database, names=("a", "b", "c", "d"))
    assert "2 of 4 containers, those with gaps first, are shown" in page.render(build(database)).decode()


def test_adjustments_are_shown_apart(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    adjusted(database, text=EVIL)
    text = page.render(build(database)).decode()
    assert Tags(text).words.count(EVIL) == 1
    assert "not in the tables above" in text
    assert "-250" in text


def test_a_state_from_a_later_ledger_is_no_class_of_its_own(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "ledger.db"))
    fill(database)
    found = build(database)
    found["coverage"][0]["months"]["2026-01"] = '"><script>'
    assert "<script" not in page.render(found).decode()
