# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: catalog
short_description: What is known about the services
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - The catalog that the collection ships, with what the variable C(azure_ai_catalog) of the current host adds or changes.
options:
  _terms:
    description: Names of services; without any, one mapping of all of them is returned.
    required: false
    type: list
    elements: str
notes:
  - The services shipped, and what C(options) of a container may say; what must be said has a star.
  - C(clu), Conversational language understanding. Options C(project_name)*, C(exported_model_name)*, C(deployment_name), C(model_resource),
    C(named_entity_recognition).
  - C(custom_speech_to_text), Custom speech to text. Options C(model_id)*, C(model_resource), C(locale).
  - C(document_intelligence_business_card), Document Intelligence Business card. Options C(version), C(upstream), C(layout), C(read), C(allow_legacy).
  - C(document_intelligence_custom_template), Document Intelligence Custom template with its Layout, reverse proxy and, on request, the studio.
    Options C(version), C(studio).
  - C(document_intelligence_custom_template_api), Document Intelligence Custom template. Options C(version), C(layout).
  - C(document_intelligence_general_document), Document Intelligence General document. Options C(version), C(layout).
  - C(document_intelligence_id_document), Document Intelligence ID document. Options C(version), C(upstream), C(read), C(layout), C(allow_legacy).
  - C(document_intelligence_invoice), Document Intelligence Invoice. Options C(version), C(layout), C(allow_legacy).
  - C(document_intelligence_layout), Document Intelligence Layout. Options C(version), C(allow_legacy).
  - C(document_intelligence_read), Document Intelligence Read. Options C(version).
  - C(document_intelligence_receipt), Document Intelligence Receipt. Options C(version), C(upstream), C(read), C(layout), C(allow_legacy).
  - C(document_intelligence_studio), Document Intelligence Studio.
  - C(key_phrase_extraction), Key phrase extraction.
  - C(language_detection), Language detection.
  - C(luis), Language Understanding (LUIS). Options C(allow_legacy), C(package)*, C(app_id)*, C(slot).
  - C(named_entity_recognition), Named entity recognition.
  - C(neural_text_to_speech), Neural text to speech. Options C(voice)*.
  - C(pii), Detection of personal information. Options C(gpu).
  - C(reverse_proxy), Reverse proxy of a custom template group (nginx). Options C(version).
  - C(sentiment), Sentiment analysis.
  - C(speech_to_text), Speech to text. Options C(locale).
  - C(summarization), Summarization. Options C(skills)*, C(gpu).
  - C(text_translation), Text translation. Options C(languages)*, C(glossaries), C(language_detection), C(vision_read).
  - C(vision_read), Vision Read (OCR). Options C(model).
"""

EXAMPLES = r"""
- name: Show the folders of a service's container
  ansible.builtin.debug:
    msg: "{{ lookup('airgap.azure_ai.catalog', 'speech_to_text').mounts }}"
"""

RETURN = r"""
_raw:
  description: The entry of each service named, or one mapping of services to entries.
  type: list
  elements: dict
"""

import typing as t

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

from ansible_collections.airgap.azure_ai.plugins.module_utils._base.errors import AirgapError, InputError
from ansible_collections.airgap.azure_ai.plugins.plugin_utils import _catalog, _want


class LookupModule(LookupBase):
    """airgap.azure_ai.catalog."""

    def run(self, terms: list[str], variables: dict[str, t.Any] | None = None, **kwargs: t.Any) -> list[dict[str, t.Any]]:
        """The entries asked for."""
        self.set_options(var_options=variables, direct=kwargs)
        try:
            entries = _catalog.load(_want.templated(variables or {}, self._templar.template).get(_catalog.OVERRIDES))
            for term in terms:
                if term not in entries:
                    raise InputError(f"service {term!r}", "unknown", f"use one of {', '.join(sorted(entries))} or add it to {_catalog.OVERRIDES}")
        except AirgapError as exc:
            raise AnsibleError(str(exc)) from exc
        return [entries[term] for term in terms] if terms else [entries]
