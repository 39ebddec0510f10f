# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the catalog says what the catalog says."""

from __future__ import annotations

import re

import pytest
import yaml

from ansible_collections.airgap.azure_ai.plugins.module_utils._run import groups
from ansible_collections.airgap.azure_ai.plugins.module_utils._run.declaration import declarations
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog
from ansible_collections.airgap.azure_ai.tests.quality import catalog_page

CATALOG = _catalog.load()
GUIDE = catalog_page.PAGE.with_name("services.md")


def test_the_page_is_up_to_date() -> None:
    assert catalog_page.PAGE.read_text(encoding="utf-8") == catalog_page.page(CATALOG), "run make docs"


@pytest.mark.parametrize("service", [name for name in CATALOG if not groups.is_group(CATALOG[name])])
def test_a_declaration_of_the_page_can_be_declared(service: str) -> None:
    text = catalog_page.declaration(service, CATALOG[service]).strip("`")
    (found,) = declarations({"azure_ai_containers": yaml.safe_load(text)}, CATALOG, unique=False)
    assert found["service"] == service


def test_ansible_doc_tells_every_service_and_its_options() -> None:
    found = catalog_page.NOTES.search(catalog_page.LOOKUP.read_text(encoding="utf-8"))
    assert found is not None and found[0] == catalog_page.notes(CATALOG), "run make docs"
    assert all(f"C({name})" in found[0] for name in CATALOG)


def test_the_guide_names_every_service() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    assert [name for name in CATALOG if f"`{name}`" not in guide] == []


def test_declarations_in_the_guide_can_be_declared() -> None:
    """Each block of containers as one host's."""
    blocks = re.findall(r"```yaml\n(azure_ai_containers\w*:\n.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 4
    for block in blocks:
        assert declarations(yaml.safe_load(block), CATALOG)
