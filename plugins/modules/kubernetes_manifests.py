#!/usr/bin/python
# Copyright: airgap.azure_ai contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: kubernetes_manifests
short_description: Renders the declared containers as Kubernetes manifests
version_added: 1.0.0
author:
  - airgap.azure_ai contributors (@airgap-azure-ai)
description:
  - Renders the containers that the host's variables declare, as the store on the control node has them, into one file per container and
    one more for its license.
  - The manifests say what M(airgap.azure_ai.rollout_plan) would have an engine do, in the words of a cluster. No host and no cluster is asked.
  - Licenses are decrypted on the control node with the vault secrets at hand. Files that hold one have mode 0600.
  - Files that an earlier run made for containers that are not declared any more are removed; other files in the folder are left alone.
extends_documentation_fragment:
  - airgap.azure_ai._attributes
attributes:
  action:
    description: Runs on the control node; there is no part of it for hosts.
    support: full
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Never shows a license.
  idempotent:
    support: full
options:
  store:
    description: Store folder on the control node.
    type: path
    required: true
  dest:
    description: Folder on the control node for the files of this host's containers. It is made if it is not there.
    type: path
    required: true
  registry:
    description: Registry from which the cluster pulls, as images name it, with a path where the images lie below one. Images are named by digest.
    type: str
    required: true
  namespace:
    description: Namespace of everything.
    type: str
    default: azure-ai
  license:
    description: V(secret) writes licenses as Secrets, V(claim) expects them in claims that somebody fills.
    type: str
    choices: [secret, claim]
    default: secret
  network_policy:
    description: Whether to deny every way out but that to containers which a container needs.
    type: bool
    default: true
  gpus:
    description: GPUs for a container that wants them. One on an engine gets all there are; a cluster counts.
    type: int
    default: 1
  storage_class:
    description: Storage class of claims. Empty for the cluster's default.
    type: str
    default: ""
  access_mode:
    description: Access mode of claims. V(ReadWriteMany) where containers on several nodes share models or results.
    type: str
    choices: [ReadWriteOnce, ReadWriteOncePod, ReadWriteMany]
    default: ReadWriteOnce
  sizes:
    description:
      - Sizes of the claims C(output) (5Gi), C(shared) (10Gi), C(state) (1Gi) and C(license) (1Gi), where others are wanted.
      - Claims for models fit their set.
    type: dict
    default: {}
  users:
    description:
      - C(uid:gid) by name of container or service.
      - Without it an image's user is looked for in its layers, which takes as long as reading them.
    type: dict
    default: {}
  cluster_domain:
    description: Domain of the cluster, for config files that name other containers in full.
    type: str
    default: cluster.local
  resolver:
    description: Name or address of the cluster's name server, for config files that want one. By default the Service C(kube-dns) of C(kube-system).
    type: str
  pull_secrets:
    description: Names of Secrets with which the cluster pulls images.
    type: list
    elements: str
    default: []
  validate:
    description:
      - Whether to hold the manifests to the schemas that Kubernetes published, where the Python library kubernetes-validate is there.
      - A warning says when it is not.
    type: bool
    default: true
  version:
    description: Version of Kubernetes whose schemas are taken.
    type: str
    default: "1.30"
  allow_latest:
    description: Allow the tag C(latest), which names another image every month.
    type: bool
    default: false
seealso:
  - module: airgap.azure_ai.rollout_plan
  - module: kubernetes.core.k8s
"""

EXAMPLES = r"""
- name: Render
  airgap.azure_ai.kubernetes_manifests:
    store: ~/azure-ai/store
    dest: ~/azure-ai/kubernetes/plant-7/cluster-1
    registry: registry.example.com/azure-ai
    storage_class: local-path
    sizes:
      output: 20Gi
  register: result
"""

RETURN = r"""
msg:
  description: What was or would be done.
  returned: success
  type: str
  sample: 2 of 2 files to write, 0 to remove
files:
  description: Every file that is wanted, licenses after the rest of their container, then those that are removed.
  returned: success
  type: list
  elements: dict
  contains:
    path: {description: Where it lies., type: str, returned: always}
    container: {description: 'Whose it is, null for one that is removed.', type: str, returned: always}
    secret: {description: Whether it holds a license., type: bool, returned: always}
    state: {description: 'C(present) or C(absent).', type: str, returned: always}
    reason: {description: 'Why it is written or removed, null when it is as it should be.', type: str, returned: always}
services:
  description: Names of the containers' Services with their namespace, as the cluster's name server knows them.
  returned: success
  type: list
  elements: str
  sample: [stt-en.azure-ai]
validated:
  description: The version of Kubernetes to whose schemas the manifests keep, null when they were not held to any.
  returned: success
  type: str
"""
