# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every target does its own set-up: Debian 12 or 13, Python 3.11+, make, and root or sudo are enough.

ENV := tests/quality/env
GATE := $(ENV) python tests/quality/gate.py
PYTHON := $(ENV) python
ONLY ?=

.DEFAULT_GOAL := help
.PHONY: help demo demo-clean test lint unit sanity integration lab bench docs build clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## builder, medium, two air-gapped hosts, rollout, usage report: the whole road on this machine
	@python3 -m tests.lab.demo

demo-clean: ## remove what the demo left on this machine
	@python3 -m tests.lab.demo --clean

test: ## lint, unit, sanity, integration and lab, with a summary
	@$(GATE) lint unit sanity beside integration lab

lint: ## formatters, linters, types and the rules of the house
	@$(GATE) lint

unit: ## unit tests
	@$(GATE) unit

sanity: ## ansible-test sanity and ansible-doc, no exclusions
	@$(GATE) sanity

integration: ## the ledger in a real PostgreSQL, memory with images of real size
	@$(GATE) integration

lab: ## real hosts behind a real air gap, on this machine
	@$(GATE) lab

bench: ## measurements into build/bench.json; ONLY=name for one
	@$(PYTHON) -m tests.bench $(ONLY)

docs: ## docs/catalog.md and ansible-doc from the catalog
	@$(PYTHON) tests/quality/catalog_page.py

build: ## the collection's tarball in build/
	@mkdir -p build
	@$(ENV) tests/quality/copy ansible-galaxy collection build --force --output-path $(CURDIR)/build

clean: ## remove build results; the environments under ~/.cache/airgap.azure_ai stay
	rm -rf build tests/output .mypy_cache .ruff_cache .hypothesis .pytest_cache .ansible importer_result.json
