# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations


class ModuleDocFragment:
    """How to reach the GitOps repository and the clusters, from modules and from lookups; what all that deliver share."""

    GIT = r"""
options:
  repository:
    description:
      - Address of the GitOps repository.
      - If not given, the environment variable E(DBAAS_REPOSITORY) is used.
    type: str
  branch:
    description:
      - Branch that the platform lives on; V(main) when neither this nor E(DBAAS_GIT_BRANCH) is given.
    type: str
  username:
    description:
      - User name that goes with O(token); V(dbaas) when neither this nor E(DBAAS_GIT_USERNAME) is given.
    type: str
  token:
    description:
      - Token with write access to the repository, for HTTP and HTTPS.
      - If not given, the environment variable E(DBAAS_GIT_TOKEN) is used.
    type: str
  token_file:
    description:
      - File that holds the token.
      - If not given, the environment variable E(DBAAS_GIT_TOKEN_FILE) is used.
    type: path
  ssh_key_file:
    description:
      - Private key with write access to the repository, for SSH (C(ssh://) or C(git@host:path)); without a passphrase,
        readable by its owner only.
      - With it no other key, no agent and no configuration of the user's SSH is used; without it they are.
      - If not given, the environment variable E(DBAAS_GIT_SSH_KEY_FILE) is used.
    type: path
  ssh_known_hosts:
    description:
      - File with the host keys of the remote, as C(ssh-keyscan) prints them; no other is trusted then.
      - Without it the user's own C(known_hosts) is used. A host whose key is not known is always refused.
      - If not given, the environment variable E(DBAAS_GIT_SSH_KNOWN_HOSTS) is used.
    type: path
  ca_cert:
    description:
      - PEM file of the authority that signed the remote's certificate.
      - If not given, the environment variable E(DBAAS_GIT_CA_CERT) is used.
    type: path
  proxy:
    description:
      - Proxy for HTTP and HTTPS.
      - If not given, the environment variable E(DBAAS_GIT_PROXY) is used.
    type: str
"""

    KUBERNETES = r"""
options:
  kubeconfig:
    description:
      - Kubeconfig with one context per point of presence. Modules that speak to Git alone take it too, so that
        C(module_defaults) can set it for the whole group.
      - If not given, the environment variables E(K8S_AUTH_KUBECONFIG) and E(KUBECONFIG) are used.
    type: path
"""

    AWX = r"""
options:
  controller_host:
    description:
      - Address of AWX, such as V(https://awx.example.com); C(https) where no scheme is given.
      - If not given, the environment variable E(CONTROLLER_HOST) is used.
    type: str
  controller_oauthtoken:
    description:
      - Token of an AWX user.
      - If not given, the environment variable E(CONTROLLER_OAUTH_TOKEN) is used.
    type: str
  controller_username:
    description:
      - User name, where no token is given.
      - If not given, the environment variable E(CONTROLLER_USERNAME) is used.
    type: str
  controller_password:
    description:
      - Password that goes with O(controller_username).
      - If not given, the environment variable E(CONTROLLER_PASSWORD) is used.
    type: str
  validate_certs:
    description:
      - Whether the certificate of AWX must be valid.
      - If not given, the environment variable E(CONTROLLER_VERIFY_SSL) is used.
    type: bool
    default: true
  controller_ca_cert:
    description:
      - PEM file of the authority that signed AWX's certificate.
      - If not given, the environment variable E(CONTROLLER_CA_CERT) is used.
    type: path
  controller_prefix:
    description:
      - Path of the API behind a gateway, such as V(controller) for C(/api/controller/v2/); found out when not given.
      - If not given, the environment variable E(CONTROLLER_OPTIONAL_API_URLPATTERN_PREFIX) is used.
    type: str
  request_timeout:
    description:
      - Seconds to wait for each answer.
      - If not given, the environment variable E(CONTROLLER_REQUEST_TIMEOUT) is used.
    type: float
    default: 30.0
"""

    SHIPPED = r"""
options:
  shipped:
    description:
      - Catalog and platform as the collection ships them; filled in by the action plugin.
    type: dict
"""

    DELIVERY = r"""
options:
  signing_key_file:
    description:
      - SSH private key with which commits are signed; without a passphrase, readable by its owner only. Not signed without it.
      - If not given, the environment variable E(DBAAS_GIT_SIGNING_KEY_FILE) is used.
    type: path
  committer:
    description:
      - Committer of all commits, as C(name <mail>); the platform when not given. Git hosts call a signature verified where the
        address is one of the account that the key is registered for.
      - If not given, the environment variable E(DBAAS_GIT_COMMITTER) is used.
    type: str
  requester:
    description:
      - Who asks, for the commit and the operation; AWX's user where AWX runs the task, else the local user.
    type: str
  delivery_timeout:
    description:
      - Seconds within which the commit must land when others write to the repository too.
    type: int
    default: 120
  shipped:
    description:
      - Catalog and platform as the collection ships them; filled in by the action plugin.
    type: dict
"""

    REVIEW = r"""
options:
  delivery:
    description:
      - How a change gets to O(branch). V(git) pushes it. V(merge_request) pushes a branch of its own and opens a merge
        request (on GitHub a pull request) that carries the plan, for a branch that is protected; the change exists once
        somebody has merged it.
      - The Git host is taken from C(forge) of C(platform.yml), else from the repository's address. O(token) must be one
        that may open merge requests, also where Git itself goes by SSH.
      - The branch is named after what is changed. The same change again finds its open request; another plan, and a
        O(branch) that has moved on, bring it up to date.
    type: str
    choices: [git, merge_request]
    default: git
"""

    WAY = r"""
options:
  delivery:
    description:
      - How what is rendered gets to the points of presence.
      - V(git) commits it to O(repository), from which each point of presence applies it.
      - V(merge_request) pushes a branch of its own there and opens a merge request (on GitHub a pull request) that carries the
        plan, for an O(branch) that is protected; the change exists once somebody has merged it. The Git host is taken from
        C(forge) of C(platform.yml), else from the repository's address. O(token) must be one that may open merge requests, also
        where Git itself goes by SSH. The branch is named after what is changed. The same change again finds its open
        request; another plan, and an O(branch) that has moved on, bring it up to date.
      - V(direct) applies it itself (server-side apply), for platforms without Argo CD. What was delivered is read from the clusters,
        and what is no longer rendered goes, a database never. Catalog and points of presence come from O(repository) where it
        is given, else from the collection, as far as O(kubeconfig) has contexts for them; a tenant is its namespace, which must be
        there. The user must be a deliverer of C(platform.yml) where services are to be deleted.
      - V(direct) is refused on what Argo CD manages.
    type: str
    choices: [git, merge_request, direct]
    default: git
  adopt:
    description:
      - Whether a service is taken over that runs already, made by hand or by another way of delivery; its service id stays.
      - It is refused, with all fields that differ, where a database would not go on running as it does. Each point of presence is
        asked, by a dry run; the user must be allowed that. With O(delivery=git) what was delivered directly becomes Argo CD's.
      - Labels and annotations change; see beforehand whether the operator hands them on to its pods.
    type: bool
    default: false
"""

    WAITING = r"""
options:
  wait:
    description:
      - Whether to wait until the services are Active in all their regions.
      - With O(delivery=merge_request) the merge is waited for first.
      - A failed wait undoes nothing; the result still holds what was delivered.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait.
    type: int
    default: 1800
  deadline:
    description:
      - How long the operation may take, as a duration; stands in the commit and in the claim's copies.
    type: str
    default: 30m
"""

    LOOKUP_GIT = r"""
options:
  repository:
    description: Address of the GitOps repository.
    type: str
    env:
      - name: DBAAS_REPOSITORY
  branch:
    description: Branch that the platform lives on.
    type: str
    default: main
    env:
      - name: DBAAS_GIT_BRANCH
  username:
    description: User name that goes with the token.
    type: str
    default: dbaas
    env:
      - name: DBAAS_GIT_USERNAME
  token:
    description: Token that may read the repository.
    type: str
    env:
      - name: DBAAS_GIT_TOKEN
  token_file:
    description: File that holds the token.
    type: path
    env:
      - name: DBAAS_GIT_TOKEN_FILE
  ssh_key_file:
    description: Private key that may read the repository, for SSH.
    type: path
    env:
      - name: DBAAS_GIT_SSH_KEY_FILE
  ssh_known_hosts:
    description: File with the host keys of the remote, for SSH.
    type: path
    env:
      - name: DBAAS_GIT_SSH_KNOWN_HOSTS
  ca_cert:
    description: PEM file of the authority that signed the remote's certificate.
    type: path
    env:
      - name: DBAAS_GIT_CA_CERT
  proxy:
    description: Proxy for HTTP and HTTPS.
    type: str
    env:
      - name: DBAAS_GIT_PROXY
"""

    LOOKUP_KUBERNETES = r"""
options:
  kubeconfig:
    description: Kubeconfig with one context per point of presence.
    type: path
    env:
      - name: K8S_AUTH_KUBECONFIG
      - name: KUBECONFIG
"""
