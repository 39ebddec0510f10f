#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: rollout_plan
short_description: Plans what a host needs to run its declared containers
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Looks at the host once, with M(airgap.azure_ai.host_info), and compares it with the containers that the host's variables declare and
    with what the store on the control node holds.
  - Containers are declared in every variable that matches C(^azure_ai_containers(__\w+)?$). O(ignore:azure_ai_catalog) adds services or changes them.
  - Refuses nothing but wrong declarations; what stands in the way of the plan lies in it.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
  - airgap.azure_ai._attributes.info
  - airgap.azure_ai._docker
attributes:
  action:
    description: Runs on the control node and looks at the host from there.
    support: full
options:
  store:
    description: Store folder on the control node.
    type: path
    required: true
  root:
    description: Folder of the collection on the host.
    type: path
    default: /var/lib/azure-ai
  allow_latest:
    description: Allow the tag C(latest), which names another image every month.
    type: bool
    default: false
  allow_small:
    description: Allow containers smaller than their service's minimum, for trials.
    type: bool
    default: false
  engine_manage:
    description:
      - Whether the engine's packages and configuration may be changed. V(auto) is only where this collection installed it, or where there is none;
        V(false) is never; V(true) is whoever installed it.
    type: str
    default: auto
  engine_config:
    description: Settings that C(daemon.json) of a managed engine holds.
    type: dict
    default: {}
  allow_expired:
    description: Plan to start containers whose license has ended.
    type: bool
    default: false
  unpin:
    description: Plan to take containers that were rolled back by hand forward again, although the declaration has not changed since.
    type: bool
    default: false
  prune:
    description: Plan to remove releases, images and sets that nothing on the host needs after the switch, or since one that was cut off.
    type: bool
    default: true
  measure:
    description:
      - Measure the output folders of all declared containers, to warn of large ones, which walks through them. Without it those that were asked to log there
        are measured alone.
    type: bool
    default: false
  transport:
    description: How images come to the host, V(ssh), V(registry), or V(auto), which takes the registry from O(registry_from) hosts on.
    type: str
    default: auto
  registry:
    description: The site's registry as C(<address>:<port>); empty when there is none.
    type: str
    default: ''
  registry_ca:
    description: File on the control node with the certificate of the site's authority.
    type: path
    default: ''
  incoming:
    description: Folder of the login user in which rsync lays down what it sends; V(~) is the home of the user who logged in.
    type: str
    default: ''
  registry_from:
    description: Number of hosts from which V(auto) takes the registry.
    type: int
    default: 8
  hosts:
    description: Number of hosts that there are.
    type: int
    default: 1
  front:
    description: The host's TLS front as the role P(airgap.azure_ai.front#role) takes it; empty for none.
    type: dict
    default: {}
  front_folder:
    description: Folder on the control node that paths of O(front) are relative to.
    type: path
    default: ''
seealso:
  - module: airgap.azure_ai.image_load
  - module: airgap.azure_ai.release
  - module: airgap.azure_ai.host_store
"""

EXAMPLES = r"""
- name: Plan
  airgap.azure_ai.rollout_plan:
    store: ~/azure-ai/store
  register: result
  become: true

- name: Show it
  ansible.builtin.debug:
    var: result.plan.lines
"""

RETURN = r"""
host:
  description: What M(airgap.azure_ai.host_info) tells about the host.
  returned: success
  type: dict
plan:
  description: What must be done.
  returned: success
  type: dict
  contains:
    engine:
      description:
        - Why something must be done (C(reason), null when not), C(packages) to install, of these the C(upgrades), what the store has C(besides), whether
          the engine is C(managed) and C(new), the packages to C(note) as this collection's (null when they are noted), the settings to merge (C(config),
          empty when they are there), and what the running engine must do for them (C(apply), V(nothing), V(reload) or V(restart)).
      type: dict
      returned: always
    registry: {description: 'The registry from which the engine pulls images, null where they go over ssh.', type: str, returned: always}
    pull_bytes: {description: Bytes of the images to pull., type: int, returned: always}
    send:
      description: Blobs that the host lacks, each with C(digest), C(size) and the C(container) that it is for.
      type: list
      elements: dict
      returned: always
    send_bytes: {description: Their bytes together., type: int, returned: always}
    send_room:
      description: Bytes that the folder in which rsync lays them down must have free; what an earlier transfer brought is taken off.
      type: int
      returned: always
    models: {description: Sets of models and of declared files to place., type: list, elements: dict, returned: always}
    images:
      description:
        - Images to load, each with C(name), C(record), C(leave_out), C(reason) and the C(containers) that they are for.
        - One without a reason is there and is listed because a release to stage needs to know its user.
      type: list
      elements: dict
      returned: always
    releases:
      description: >-
        Releases to stage, each with C(container), C(release), C(license) (null for a service without one), C(image), C(user), C(folders) and C(reason).
      type: list
      elements: dict
      returned: always
    switch:
      description:
        - Containers to start anew, each behind those that it needs.
        - Each has C(container), C(service), C(from), C(to), C(release), C(reason), C(restart), C(spec), C(docker_container) (arguments of
          M(community.docker.docker_container)), C(compose) (text), C(config), C(folders), C(metered), C(resource), C(url), C(health), C(smoke),
          C(before) (where what runs now is asked before it stops, null where nothing does), C(after) (the containers that it needs) and
          C(adopt) (C(container), C(running), C(output) and C(url) of what it takes over, else null).
        - C(stops) lists those that need it, or hold a port that it takes, and are stopped before it, C(stopped) says whether it is one of these
          itself, and C(waiting) names those that are stopped by then and are started again where it fails.
      type: list
      elements: dict
      returned: always
    networks: {description: Docker networks to make., type: list, elements: str, returned: always}
    verify:
      description: Of each declared container where and how it proves that it works, as C(container), C(url), C(health) and C(smoke).
      type: list
      elements: dict
      returned: always
    licenses:
      description: Of each container that needs a license how long it serves, as C(container), C(release), C(days), C(level) and C(line).
      type: list
      elements: dict
      returned: always
    prune:
      description: >-
        What nothing needs any more, as C(releases) (container and id), C(images) (names), C(models) (digests of sets), C(bytes) (of the images) and C(reason);
        null when there is nothing, or nothing is to be removed.
      type: dict
      returned: always
    soonest: {description: 'Of C(licenses) the one that ends first, in words; null without any.', type: str, returned: always}
    undeclared: {description: Containers on the host that are not declared (any more)., type: list, elements: str, returned: always}
    front: {description: 'What the role P(airgap.azure_ai.front#role) is to do, null when nothing.', type: dict, returned: always}
    problems: {description: What stands in the way., type: list, elements: str, returned: always}
    warnings: {description: What is worth knowing., type: list, elements: str, returned: always}
    lines: {description: The plan for people., type: list, elements: str, returned: always}
    staged: {description: Nothing is left to send or stage; only engine and switch may be., type: bool, returned: always}
    empty: {description: Nothing is to be done., type: bool, returned: always}
"""
