#!/usr/bin/python
# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: gitops_repository
short_description: Set up the GitOps repository of the platform
version_added: 0.1.0
description:
  - Writes C(platform.yml), C(base/) (custom resource, policies, catalog, chart of the tenants' foundation, observer) and
    C(overlays/<pop>/).
  - The one root Application of each point of presence is returned, to be applied once by whoever bootstraps it.
options:
  pops:
    description: All points of presence of the platform.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the point of presence; also its region.
        type: str
        required: true
      context:
        description: Context of the kubeconfig; the name when not given.
        type: str
      cluster_domain:
        description: DNS domain of the cluster, unique among the points of presence, and resolvable from all of them.
        type: str
      pod_cidrs:
        description: Networks of the pods; nodes of one ring in other points of presence are let in from them.
        type: list
        elements: str
      argocd:
        description: The Argo CD of the point of presence.
        type: dict
        suboptions:
          namespace:
            description: Its namespace; V(argocd) when not given.
            type: str
          destination:
            description: The cluster's name in it; V(in-cluster) when not given.
            type: str
          user:
            description: The Kubernetes user that it applies with; its controller's service account when not given.
            type: str
      deliverers:
        description: Kubernetes users that may change and delete what is kept in Git; Argo CD's when not given.
        type: list
        elements: str
      components:
        description: What it runs, of V(crds), V(rbac), V(policies), V(argocd), V(tenants), V(observer), V(operators); all when not given.
        type: list
        elements: str
      awx:
        description:
          - The platform's AWX, in the one point of presence that it runs in.
          - What stands in C(platform.yml) stays when it is not given.
        type: dict
        suboptions:
          hostname:
            description: Name under which people and webhooks reach it, over HTTPS.
            type: str
          tls_secret:
            description: Secret of namespace C(awx) with its certificate; the ingress's own one when not given.
            type: str
          storage_class:
            description: Storage class of its database and backups; the cluster's default when not given.
            type: str
          storage_size:
            description: Size of its database's volume; V(20Gi) when not given.
            type: str
          backup_size:
            description: Size of the volume that backups are kept on; V(50Gi) when not given.
            type: str
          backup_schedule:
            description: When a backup is made, as a cron expression in UTC; V(15 2 * * *) when not given.
            type: str
          backups_kept:
            description: How many backups stay; V(7) when not given.
            type: int
  merge:
    description:
      - Whether O(pops) is laid over what C(platform.yml) has; points of presence and fields that are not given stay then.
    type: bool
    default: false
  repo_url:
    description:
      - Address of the repository as Argo CD sees it. When not given, the one that C(platform.yml) has, at first O(repository).
      - Another one moves the foundations of all tenants in the same commit.
    type: str
  forge:
    description:
      - The Git host, for O(delivery=merge_request); what is not given is taken from the address of the repository as Argo CD sees it.
      - What stands in C(platform.yml) stays when it is not given.
    type: dict
    suboptions:
      type:
        description: What speaks there.
        type: str
        choices: [github, gitlab]
      api:
        description: Address of its API, such as V(https://git.example.com/api/v4).
        type: str
      project:
        description: The repository there, as V(owner/name); on GitLab with all its groups.
        type: str
  upgrade:
    description: Whether files that stand are replaced by those of this version of the collection.
    type: bool
    default: false
extends_documentation_fragment:
  - dbaas.platform.attributes
  - dbaas.platform.connection.git
  - dbaas.platform.connection.kubernetes
  - dbaas.platform.connection.review
  - dbaas.platform.connection.delivery
author:
  - dbaas.platform contributors (@dbaas-platform)
requirements:
  - git
  - fastyaml-rs
  - jsonschema-rs
  - cronsim
"""

EXAMPLES = r"""
- name: Two points of presence
  dbaas.platform.gitops_repository:
    pops:
      - name: lagos
        cluster_domain: lagos.dbaas.internal
        pod_cidrs: [10.41.0.0/16]
      - name: johannesburg
        cluster_domain: johannesburg.dbaas.internal
        pod_cidrs: [10.42.0.0/16]
"""

RETURN = r"""
files:
  description: The files that were written.
  returned: always
  type: list
  elements: str
roots:
  description: The root Application of each point of presence.
  returned: always
  type: dict
commit:
  description: The commit that was pushed; empty when nothing changed, and in check mode.
  returned: always
  type: str
merge_request:
  description: The request to merge C(commit) into the branch.
  returned: with O(delivery=merge_request), when something is to be merged, or is not any more
  type: dict
  contains:
    number: {description: "Its number on the Git host; none as long as it is not open.", type: int, returned: always}
    url: {description: Where people see it., type: str, returned: always}
    state: {description: "open, merged, in check mode planned where none is open yet, or closed where nothing is left to merge.", type: str, returned: always}
    branch: {description: The branch that it asks to merge., type: str, returned: always}
error:
  description: The failure for machines.
  returned: failure
  type: dict
  contains:
    code: {description: Code of the failure; also the anchor in the runbook., type: str, returned: always}
    class: {description: "Who must act: user, quota, capacity, licence, dependency or bug.", type: str, returned: always}
    retry: {description: Whether running again can help., type: bool, returned: always}
    action: {description: What to do., type: str, returned: always}
    runbook: {description: Anchor in the runbook., type: str, returned: always}
    fields: {description: "Each wrong field: path, given, allowed, nearest, source.", type: list, elements: dict, returned: always}
"""

from ansible_collections.dbaas.platform.plugins.module_utils import specs
from ansible_collections.dbaas.platform.plugins.module_utils.runner import gitops
from ansible_collections.dbaas.platform.plugins.module_utils.runner.module import run_module


def main() -> None:
    run_module(specs.gitops_repository(), gitops.run)


if __name__ == "__main__":
    main()
