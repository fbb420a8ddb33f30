# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Failures that have a class: who must act, whether trying again can help, and where the runbook speaks of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: code -> (class, retry helps, what to do). The code is also the anchor in docs/runbook.md.
CODES: dict[str, tuple[str, bool, str]] = {
    "claim-invalid": ("user", False, "Correct the fields named and run again; nothing was written."),
    "quota-exceeded": (
        "quota",
        False,
        "Ask for less, give something back, or have the tenant's quota raised; nothing was written.",
    ),
    "tenant-invalid": ("user", False, "Correct the fields named and run again; nothing was written."),
    "catalog-invalid": ("user", False, "Correct the catalog; the line named is wrong."),
    "document-invalid": ("user", False, "Correct the file: it must hold YAML documents of the kind named."),
    "platform-missing": ("user", False, "Run module gitops_repository on this repository first."),
    "platform-outdated": (
        "user",
        False,
        "Run gitops_repository with upgrade: true, or use the collection that wrote it.",
    ),
    "not-built": ("user", False, "This part of the platform is not built yet; the message names what takes its place."),
    "rollback-refused": (
        "user",
        False,
        "What is named cannot go back; roll back to something later, or change the other fields with merge: true.",
    ),
    "option-invalid": ("user", False, "Correct the options named."),
    "approval-needed": ("user", False, "Have the plan approved; without a gate it is delivered as it is."),
    "survey-impossible": (
        "user",
        False,
        "Give the options named a form that AWX can ask for, in the playbook's .meta.yml; nothing was generated.",
    ),
    "answers-invalid": ("user", False, "Correct the answers named, and launch again; nothing was changed."),
    "template-missing": ("user", False, "Launch one of those there are; what AWX has, configure_awx brings."),
    "launch-key-reused": ("user", False, "Give another key, or the same answers as the first time."),
    "job-missing": ("user", False, "Give the id of a job that was launched here."),
    "job-failed": ("bug", False, "See the output of the task that failed."),
    "job-canceled": ("user", False, "Launch again with another key, if it is to be done after all."),
    "job-lost": (
        "dependency",
        True,
        "Launch again with another key: what is done already is found, and not done twice.",
    ),
    "job-timeout": ("dependency", True, "Nothing was undone: the job goes on. Follow it again."),
    "approval-denied": ("user", False, "Ask who denied it for the reason, then launch again with another key."),
    "dependency-missing": (
        "dependency",
        False,
        "Install the package named, or use the platform's execution environment.",
    ),
    "git-unreachable": ("dependency", True, "Check the address, the network, the proxy and the CA of the Git remote."),
    "git-auth": ("user", False, "Check the token or key and its rights on the repository."),
    "git-host-key": (
        "user",
        False,
        "Compare the host's key with what the Git host publishes; if it is right, put it into ssh_known_hosts.",
    ),
    "git-certificate": ("user", False, "Name the PEM file of the authority that signed it in ca_cert."),
    "git-proxy": ("dependency", True, "Check the proxy: its address, its user and password, whether it is up."),
    "git-timeout": (
        "dependency",
        True,
        "The remote was reached but did not answer in time; run again, and look at it.",
    ),
    "git-protected": (
        "user",
        False,
        "Deliver with delivery: merge_request, or let the platform's user or key push by the Git host's settings.",
    ),
    "git-refused": ("user", False, "The remote refused the push; its own words are in the message."),
    "git-raced": ("dependency", True, "Other writers were faster until the deadline; run again."),
    "git-broken": ("dependency", True, "Git failed on this machine; its own words are in the message (a full disk?)."),
    "forge-unreachable": (
        "dependency",
        True,
        "Check the address of the Git host's API (forge.api of platform.yml), the network, the proxy and ca_cert.",
    ),
    "forge-unauthorized": ("user", False, "Give a token of the Git host that is valid: this one is wrong or expired."),
    "forge-forbidden": ("user", False, "Give the token's user the right to open merge requests in this project."),
    "forge-missing": ("user", False, "Check forge.project of platform.yml, and whether the token's user may see it."),
    "forge-rejected": ("user", False, "The Git host refused the request; its own words are in the message."),
    "forge-busy": ("dependency", True, "The Git host is overloaded, or was asked too often by this token; run again."),
    "merge-closed": (
        "user",
        False,
        "Ask who closed it for the reason; run again only if the change is to come after all: a new one is opened.",
    ),
    "merge-timeout": (
        "dependency",
        True,
        "Nothing was undone: the request stays open. Have it merged, then run again.",
    ),
    "merge-differs": ("user", False, "See what was merged; run again, and what is missing is asked for anew."),
    "not-reconciled": ("user", False, "All else was rendered; correct the files named and run again."),
    "gitops-invalid": ("user", False, "Correct the files named, or restore them from the repository's history."),
    "drift-found": ("user", False, "See the table: each line says what is not as it should be, and where."),
    "not-rendered": ("user", False, "Run playbook reconcile_claims; a push webhook of the Git host may do it."),
    "waits-for-window": ("user", False, "Wait for the window, or run service_claim with timing: now."),
    "policies-stale": ("user", False, "Run playbook reconcile_claims; it makes them anew from the catalog."),
    "derived-edited": ("user", False, "Restore the file, and edit the claim or tenant.yaml that it is made from."),
    "foreign-object": ("user", False, "Take the object out: it would stop every service of this tenant from syncing."),
    "declaration-gone": (
        "user",
        False,
        "Deprovision the service, or have its owner apply the claim again; until then it runs on.",
    ),
    "orphan": ("user", False, "Restore the claim from history, or deprovision the service."),
    "unknown-file": ("user", False, "Move the file elsewhere: Argo CD may apply whatever lies below tenants/."),
    "claim-warning": ("user", False, "Nothing has to be done now; the claim is accepted."),
    "argocd-managed": ("user", False, "Change the service by its claim's file (delivery: git); nothing was written."),
    "adoption-needed": (
        "user",
        False,
        "See whose the objects named are; adopt: true takes over what would stay as it runs. Nothing was written.",
    ),
    "adoption-differs": (
        "user",
        False,
        "Declare the service as it runs, or change what runs first; nothing was written.",
    ),
    "direct-incomplete": ("dependency", True, "What is applied stays; run again, and the rest follows."),
    "kube-unreachable": ("dependency", True, "Check that the PoP's Kubernetes API is up and reachable from here."),
    "kube-auth": ("user", False, "Check the credentials of this kubeconfig context."),
    "kube-refused": ("user", False, "The Kubernetes API refused the request; its own words are in the message."),
    "kube-missing": ("user", False, "The kubeconfig or its context does not exist."),
    "awx-unreachable": (
        "dependency",
        True,
        "Check the address of AWX, the network and its certificate (controller_ca_cert).",
    ),
    "awx-unauthorized": ("user", False, "Give a token of AWX that is valid: this one has expired or was revoked."),
    "awx-forbidden": ("user", False, "Give the token's user the role in AWX that the message speaks of."),
    "awx-missing": ("user", False, "AWX has no such object, or this user may not see it."),
    "awx-rejected": ("user", False, "AWX refused the request; its own words are in the message."),
    "awx-busy": ("dependency", True, "AWX is overloaded or failing; run again, and look at its web and task pods."),
    "awx-not-ready": (
        "dependency",
        True,
        "See what the AWX operator says (kubectl -n awx describe awx), then run again: it goes on where it stopped.",
    ),
    "awx-answer-invalid": (
        "dependency",
        True,
        "What answers at this address is no AWX, or cuts its answers short: look at what stands before it.",
    ),
    "awx-configuration-invalid": ("user", False, "Correct the fields named and run again; nothing was written."),
    "awx-foreign": (
        "user",
        False,
        "Choose other names, or take these objects over with adopt: true; nothing was written.",
    ),
    "awx-in-use": ("dependency", True, "Wait for the jobs named, or cancel them; then run again."),
    "awx-fetch-failed": ("user", False, "See the project's update in AWX: its address, branch and credential."),
    "awx-fetch-timeout": (
        "dependency",
        True,
        "AWX goes on fetching the project; run again, or give wait_timeout more.",
    ),
    "awx-unconfirmed": (
        "dependency",
        True,
        "AWX may have done it; run again: what is there already is found, not made twice.",
    ),
    "deprovision-incomplete": (
        "dependency",
        True,
        "What is gone stays gone; run again, and it goes on where it stopped.",
    ),
    "deprovision-cancelled": ("user", False, "Run deprovisioning again only if the service is to go after all."),
    "deprovision-blocked": (
        "user",
        False,
        "Restore the file named from the repository's history, or do as the message says, then run again.",
    ),
    "snapshot-failed": ("dependency", True, "See the operator's own words; nothing was deleted."),
    "snapshot-unconfirmed": (
        "user",
        False,
        "See that the backup has ended, then run with deletion_policy: delete.",
    ),
    "not-active": ("dependency", True, "Wait until the service is Active (playbook wait_for_service)."),
    "no-pool": (
        "capacity",
        True,
        "The claim is kept. A shared service needs a pool in its region: ask the platform's team, and try again later.",
    ),
    "wait-failed": ("dependency", False, "The service failed for good; explain_service says why."),
    "operation-failed": (
        "dependency",
        False,
        "Nothing was undone, its operator goes on: explain_service says why, rollback_service goes back.",
    ),
    "wait-timeout": (
        "dependency",
        True,
        "Nothing was undone, operators go on with what is delivered: wait again, or ask explain_service what is amiss.",
    ),
}


class DbaasError(Exception):
    """A failure with a code of CODES; `str()` is the text for people, without any secret.

    Attributes: code, cls (user, quota, capacity, licence, dependency or bug), retry, message, action.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.cls, self.retry, self.action = CODES[code]

    @property
    def runbook(self) -> str:
        """Anchor of this code in docs/runbook.md."""
        return self.code

    def __str__(self) -> str:
        return f"{self.message}\n{self.action} [{self.code}, {self.cls}]"


@dataclass(frozen=True)
class FieldError:
    """One wrong field: its path (`spec.storage.size`), what was given, what is allowed, the nearest valid value."""

    path: str
    given: object
    allowed: str
    nearest: object = None
    source: str = ""

    def __str__(self) -> str:
        where = f"{self.source}: " if self.source else ""
        given = "not given" if self.given is None else f"given {_short(repr(self.given))}"
        hint = "" if self.nearest is None else f"; nearest: {self.nearest}"
        return f"{where}{self.path}: {given}, allowed: {self.allowed}{hint}"


def _short(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"


class InvalidFields(DbaasError):
    """Bad input: every wrong field of every document at once (`errors`)."""

    def __init__(self, code: str, errors: Sequence[FieldError]) -> None:
        self.errors = list(errors)
        noun = "field is" if len(self.errors) == 1 else "fields are"
        super().__init__(
            code, "\n".join([f"{len(self.errors)} {noun} wrong:", *(f"  {error}" for error in self.errors)])
        )
