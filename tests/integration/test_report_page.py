# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as it reaches people: its page in a real browser, its metrics and alert rules in Prometheus' own tool.

tests/integration/tools.sh gets Chromium and promtool.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Page, sync_playwright

from ansible_collections.airgap.azure_ai.plugins.module_utils._usage import metrics, page, report, summary, words
from ansible_collections.airgap.azure_ai.plugins.module_utils._usage.schema import Database
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.ledger_kit import append, document
from ansible_collections.airgap.azure_ai.tests.unit.plugins.module_utils._usage.report_kit import EVIL, FORMULA, METER, adjusted, build, fill, imported, release

TOOLS = str(Path(__file__).with_name("tools.sh"))
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


class Seen(t.NamedTuple):
    """A page and all it did: requests, what it wrote to the console, dialogs it opened."""

    page: Page
    requests: list[str]
    console: list[str]
    dialogs: list[str]


@pytest.fixture(scope="module")
def browser() -> t.Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "run tests/integration/tools.sh"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"] if os.geteuid() == 0 else [])
        yield made
        made.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = Database(str(tmp_path_factory.mktemp("ledger") / "ledger.db"))
    fill(database)
    adjusted(database)
    return database


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """Two sites whose numbers differ, and a container that never answered."""
    database = Database(str(tmp_path_factory.mktemp("ledger") / "ledger.db"))
    fill(database)
    fill(database, "plant-8", ("ocr-en",))
    silent = document("h2", {"2026-11": "no_answer", "all": "no_answer"}, "2026-11-20T02:00:00Z", site="plant-8", host="h9", name="dead", release="rel9")
    append(database, silent, site="plant-8")
    return database


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Database:
    database = Database(str(tmp_path_factory.mktemp("ledger") / "ledger.db"))
    fill(database, EVIL.replace("\u202e", ""), (EVIL.replace("\u202e", ""), FORMULA), EVIL.replace("\u202e", ""))
    fill(database, "plant-8", ("stt-en",), FORMULA)
    imported(database, "plant-8", "host", "2026-11-20T00:00:00Z", None)
    return database


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> t.Iterator[t.Callable[..., Seen]]:
    contexts = []

    def opened(database: Database, viewport: t.Any = None, scheme: t.Any = "light", **more: t.Any) -> Seen:
        path = tmp_path / f"{len(contexts)}.html"
        path.write_bytes(page.render(build(database, **more), True))
        context = browser.new_context(viewport=viewport or DESKTOP, color_scheme=scheme)
        contexts.append(context)
        seen = Seen(context.new_page(), [], [], [])
        seen.page.on("request", lambda request: seen.requests.append(request.url))
        seen.page.on("console", lambda message: seen.console.append(message.text))
        seen.page.on("pageerror", lambda error: seen.console.append(str(error)))
        seen.page.on("dialog", lambda dialog: (seen.dialogs.append(dialog.message), dialog.dismiss()))
        seen.page.goto(path.as_uri())
        return seen

    yield opened
    for context in contexts:
        context.close()


def quiet(seen: Seen) -> bool:
    return len(seen.requests) == 1 and seen.requests[0].startswith("file:") and not seen.console and not seen.dialogs


def table(seen: Seen, name: str) -> list[list[str]]:
    """Texts of a table's body, cell by cell."""
    script = "region => [...region.querySelectorAll('tbody tr')].map(row => [...row.cells].map(cell => cell.innerText))"
    return seen.page.get_by_role("region", name=name, exact=True).first.evaluate(script)


def test_numbers_are_those_of_the_ledger(site: Database, show: t.Callable[..., Seen]) -> None:
    with site.read() as connection:
        parts = summary.accounts(connection).parts
    expected = {row["month"]: words.span(row["units"]) for row in summary.grouped(parts, ("service", "meter", "month"))}
    seen = show(site)
    (row,) = table(seen, "By meter")
    assert row[0].replace("\n", "").startswith(METER)
    months = page.calendar.span("2026-01", "2026-11", "2026-11")[::-1]
    assert row[1:] == [expected["all"], *(expected.get(month, "·") for month in months)]
    (used,) = [row["used"] for row in build(site)["commitments"]]
    assert seen.page.get_by_text(words.span(used), exact=True).count() >= 1
    assert seen.page.locator("svg.chart").count() == 2
    assert quiet(seen)


def by_name(rows: list[list[str]]) -> dict[str, list[str]]:
    """Cells by the heading of their row."""
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


def totals(parts: t.Any, name: str) -> dict[tuple[str, str], dict[str, str]]:
    """What the ledger says by site or service: texts by month and ``all``; sites by service as well, as the page has them."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for row in summary.grouped(parts, (name, "service", "month")):
        found.setdefault((row[name], row["service"]), {})[row["month"]] = words.span(row["units"])
    return found


def test_services_and_sites_are_those_of_the_ledger(fleet: Database, show: t.Callable[..., Seen]) -> None:
    with fleet.read() as connection:
        parts = summary.accounts(connection).parts
    seen = show(fleet)
    scopes = ["all", *page.calendar.span("2026-01", "2026-11", "2026-11")[::-1]]
    services, sites = totals(parts, "service"), totals(parts, "site")
    assert len(services) == 1 and len(sites) == 2
    assert by_name(table(seen, "By service")) == {service: [texts.get(scope, "·") for scope in scopes] for (service, _same), texts in services.items()}
    assert by_name(table(seen, "By site")) == {f"{site}\n{service}": [texts.get(scope, "·") for scope in scopes] for (site, service), texts in sites.items()}
    told = {row[0]: row for row in table(seen, "Sites")}
    with fleet.read() as connection:
        covered = summary.coverage(connection)
    for site in ("plant-7", "plant-8"):
        mine = [row for row in covered if row["site"] == site]
        assert [told[site][4], told[site][5]] == [str(len(mine)), str(sum(1 for row in mine if row["problem"]))]
    assert quiet(seen)


def test_coverage_is_that_of_the_ledger(fleet: Database, show: t.Callable[..., Seen]) -> None:
    with fleet.read() as connection:
        covered, parts = summary.coverage(connection), summary.accounts(connection).parts
    used = {(part.site, part.host, part.container, part.month) for part in parts}
    meant = {("closed", True): "read, closed", ("closed", False): "no usage, closed", ("open", True): "read, may still change", ("open", False): "no usage yet"}
    seen = show(fleet)
    region = seen.page.get_by_role("region", name="Coverage by container and month", exact=True)
    texts = "cell => (cell.querySelector('.sr') || cell).textContent.trim()"
    rows = region.evaluate(f"region => [...region.querySelectorAll('tbody tr')].map(row => [...row.cells].map({texts}))")
    assert len(rows) == len(covered) == 4
    asked = sorted({month for row in covered for month in row["months"]})
    for row in covered:
        place = (row["site"], row["host"], row["container"])
        (shown,) = [cells for cells in rows if cells[0].startswith(f"{row['container']}{row['host']} · {row['site']}")]
        states = [(row["months"].get(month, "not asked"), (*place, month) in used) for month in asked]
        last = words.moment(row["last_answer"]) if row["last_answer"] else "never"
        assert shown[1:] == [*[meant.get(state, state[0].replace("_", " ")) for state in states], last]
        assert (row["problem"] or "") in shown[0]
    assert {text for cells in rows for text in cells[1:-1]} == {"read, closed", "no usage, closed", "read, may still change", "no answer", "not asked"}


def test_licenses_are_those_of_what_the_ledger_saw_running(fleet: Database, show: t.Callable[..., Seen]) -> None:
    held = [{"id": "rel0", "image": "sha256:" + "ab" * 32, "tag": "4.9.0", "expires": "2026-11-26"}]
    with fleet.read() as connection:
        running = summary.running(connection)
    rows = by_name(table(show(fleet, releases=report.bound(running, held)), "Licenses"))
    expected = {}
    for row in running:
        known = row["release"] == "rel0"
        cells = [row["host"], "3" if known else "unknown", words.day("2026-11-26") if known else "not declared"]
        expected[f"{row['container']}\n{row['service']} · {row['site']}"] = [*cells, f"4.9.0\n{held[0]['image'][:19]}…" if known else "", row["release"]]
    assert len(expected) == 4 and rows == expected


@pytest.mark.parametrize(("viewport", "scheme"), [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")])
def test_it_fits_the_screen_and_shows_something(site: Database, show: t.Callable[..., Seen], viewport: dict[str, int], scheme: str) -> None:
    seen = show(site, viewport, scheme, releases=[release(3), release(None, "stt-de")])
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"], "only tables scroll, each in its own frame"
    dark = "rgb(18, 23, 31)"
    assert (seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark) is (scheme == "dark")
    colours = seen.page.evaluate("[...document.querySelectorAll('svg.chart path')].map(path => getComputedStyle(path).stroke + getComputedStyle(path).fill)")
    assert len(set(colours)) >= 4, "the page's colours reach its charts"
    small = seen.page.evaluate("[...document.querySelectorAll('svg.chart text')].filter(text => text.getBoundingClientRect().height < 9).length")
    assert small == 0, "text of charts can be read"
    assert len(seen.page.screenshot(full_page=True)) > 50_000
    assert quiet(seen)


def test_it_prints(site: Database, show: t.Callable[..., Seen]) -> None:
    seen = show(site, releases=[release(3)])
    data = seen.page.pdf(prefer_css_page_size=True)
    assert data.startswith(b"%PDF")
    assert 2 <= data.count(b"/Type /Page\n") + data.count(b"/Type /Page ") <= 8


def test_hostile_names_are_text_and_nothing_more(hostile: Database, show: t.Callable[..., Seen]) -> None:
    seen = show(hostile, commitments=[{"resource": "speech-dc0", "meters": [EVIL, "*"], "units": "5", "start": "2026-01-01", "end": "2026-12-31"}])
    assert seen.page.locator("script").count() == 0
    assert EVIL.replace("\u202e", "") in seen.page.locator("body").inner_text()
    assert FORMULA in seen.page.locator("body").inner_text()
    assert table(seen, "Sites")
    assert quiet(seen)


def test_the_policy_lets_nothing_in(site: Database, show: t.Callable[..., Seen]) -> None:
    seen = show(site)
    ran = seen.page.evaluate(
        """async () => {
            const made = (tag, more) => document.head.appendChild(Object.assign(document.createElement(tag), more));
            made("script", {textContent: "window.ran = true"});
            made("style", {textContent: "body { opacity: 0.5 }"});
            const fetched = await fetch("data:text/plain,x").then(() => true, () => false);
            return [window.ran === true, fetched, getComputedStyle(document.body).opacity];
        }"""
    )
    assert ran == [False, False, "1"]
    assert any("Content Security Policy" in line for line in seen.console)


def test_it_can_be_read_by_ear_and_by_keyboard(site: Database, show: t.Callable[..., Seen]) -> None:
    seen = show(site, releases=[release(3)])
    assert seen.page.evaluate("document.documentElement.lang") == "en"
    levels = seen.page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(heading => Number(heading.tagName[1]))")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in zip(levels, levels[1:]))
    assert seen.page.get_by_role("img", name="Units by month of speech_to_text").count() == 1
    assert seen.page.get_by_role("cell", name="read, closed").count() > 10
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.getAttribute('role')") == "region"


def promtool(*argv: str, data: bytes = b"") -> None:
    path = subprocess.run([TOOLS, "promtool"], check=True, capture_output=True, text=True).stdout.strip()
    assert os.access(path, os.X_OK), "run tests/integration/tools.sh"
    done = subprocess.run([path, *argv], input=data, capture_output=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).decode()


def test_prometheus_reads_metrics_and_rules(site: Database, hostile: Database, tmp_path: Path) -> None:
    for database in (site, hostile):
        promtool("check", "metrics", data=metrics.textfile(build(database, releases=[release(3), release(None, "x")])))
    (tmp_path / "azure_ai.rules.yml").write_text(metrics.RULES)
    promtool("check", "rules", str(tmp_path / "azure_ai.rules.yml"))


def test_rules_fire_on_what_they_are_for(tmp_path: Path) -> None:
    plan = 'resource="r0",meters="*",start="1970-01-01",end="1970-01-20"'
    place = 'site="p",host="h",container="c"'
    series = {
        f'commitment_used_units{{{plan},bound="low"}}': 120,
        f'commitment_used_units{{{plan},bound="high"}}': 130,
        f'commitment_forecast_units{{{plan},bound="likely"}}': 150,
        f"commitment_granted_units{{{plan}}}": 100,
        f"commitment_end_timestamp_seconds{{{plan}}}": 86400 * 25,
        f'license_end_timestamp_seconds{{{place},release="old"}}': 86400,
        f'license_end_timestamp_seconds{{{place},release="new"}}': 86400 * 15,
        f'license_end_timestamp_seconds{{{place},release="far"}}': 86400 * 90,
        f"license_end_unknown{{{place}}}": 1,
        f"container_answered{{{place}}}": 0,
        'site_last_look_timestamp_seconds{site="p"}': 0,
        'site_last_look_timestamp_seconds{site="far"}': 0,
        'site_last_export_timestamp_seconds{site="far"}': -86400 * 40,
        "ledger_chain_verified": 0,
    }
    expected = {
        "AzureAiCommitmentUsedUp": 1,
        "AzureAiCommitmentRunsShort": 1,
        "AzureAiCommitmentEnds": 1,
        "AzureAiLicenseEnded": 1,
        "AzureAiLicenseEnds": 1,
        "AzureAiLicenseEndUnknown": 1,
        "AzureAiContainerSilent": 1,
        "AzureAiHarvestOld": 1,
        "AzureAiExportOld": 1,
        "AzureAiLedgerBroken": 1,
    }
    (tmp_path / "rules.yml").write_text(metrics.RULES)
    # Two instances serve the same file, and each alert comes once.
    written = [
        {"series": f'azure_ai_{name[:-1]},instance="{at}"}}' if name.endswith("}") else f'azure_ai_{name}{{instance="{at}"}}', "values": f"{value}x200"}
        for name, value in series.items()
        for at in ("a", "b")
    ]
    counts = [
        {"expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})', "eval_time": "5d", "exp_samples": [{"labels": "{}", "value": count}]}
        for alert, count in expected.items()
    ]
    case = {"rule_files": ["rules.yml"], "evaluation_interval": "1h", "tests": [{"interval": "1h", "input_series": written, "promql_expr_test": counts}]}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(case))
    promtool("test", "rules", str(tmp_path / "test.yml"))
