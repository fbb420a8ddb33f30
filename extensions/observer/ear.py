# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The PoP's ear on the remote: has Argo CD look at what a commit touches, and try again what failed.

Nothing is stored: each look compares what an Application was compared with last and the head of its branch.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

from ansible_collections.dbaas.platform.plugins.module_utils.clients import argocd
from ansible_collections.dbaas.platform.plugins.module_utils.clients.argocd import Application, Changes, Complaint
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, CONFIG_MAP, SECRET, Obj

from .complaints import Complaints
from .metrics import Metrics
from .watch import Key, Store, log

REPOSITORIES = "argocd.argoproj.io/secret-type=repository"
#: Argo CD's ConfigMaps of the hosts' SSH keys (one file), and of authorities by the name of the host.
HOST_KEYS, AUTHORITIES = "argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"
#: Failures after which the credential is read anew at once.
_STALE = ("git-auth", "git-host-key", "git-certificate", "option-invalid")
#: How long a credential is believed before Argo CD's Secret is read again; one that is refused is read at once.
CREDENTIAL_SECONDS = 60.0

#: (address of the repository, branch)
Branch = tuple[str, str]


@dataclass
class Tries:
    """What was asked of an Application about one commit, and when last."""

    revision: str
    count: int
    at: float

    def due(self, now: float) -> bool:
        """Whether it is time to ask again."""
        return now >= self.at + argocd.delay(self.count)


class Ear:
    """One look every `interval` seconds at the head of each branch that Applications in `namespace` follow."""

    def __init__(
        self,
        cluster: Cluster,
        metrics: Metrics,
        folder: Path,
        namespace: str,
        interval: float,
        complaints: Complaints | None = None,
    ) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._folder = folder
        self._namespace = namespace
        self._interval = interval
        self._moved = True
        self.store = Store(cluster, APPLICATION, self._noted, metrics, keep=essence, namespace=namespace)
        self._remotes: dict[str, Remote] = {}
        self._remotes_at = float("-inf")
        self._open: dict[Remote, GitRepository] = {}
        self._applications: dict[Branch, list[Application]] = {}
        self._heads: dict[Branch, str | None] = {}
        self._changes: dict[tuple[str, str], Changes | None] = {}
        self._refreshes: dict[str, Tries] = {}
        self._syncs: dict[str, Tries] = {}
        self._complaint = ""
        self._complaints = complaints or Complaints()
        #: what the Application of all tenants complains of and at which commit, and that of which the tenants know
        self._homeless: tuple[str, tuple[Complaint, ...]] = ("", ())
        self._housed: tuple[str, tuple[Complaint, ...]] = self._homeless

    def start(self) -> None:
        """Listen in a thread of its own, for ever."""
        self.store.start()
        threading.Thread(target=self._run, name="ear", daemon=True).start()

    def look(self, now: float) -> None:
        """Read the heads; ask for what is due at `now` (monotonic seconds)."""
        if not self.store.ready.is_set():
            return
        self._read_remotes(now)
        moved = self._moved
        if moved:
            # Before the reading: an event that comes in between is then seen by the next look.
            self._moved = False
            self._applications = {}
            for application in filter(None, map(argocd.parse, self.store.all())):
                self._applications.setdefault((application.repository, application.branch), []).append(application)
        heads = {
            branch: self._repository(*branch).head() for branch in self._applications if branch[0] in self._remotes
        }
        self._metrics.head_seen = time.time()
        waiting = [*self._refreshes.values(), *self._syncs.values()]
        if moved or heads != self._heads or any(tries.due(now) for tries in waiting):
            try:
                self._ask({branch: head for branch, head in heads.items() if head}, now)
            except BaseException:
                self._moved = True
                raise
        self._heads = heads
        self._find_homes()

    def _find_homes(self) -> None:
        """Argo CD names the objects that it refuses, not the file that they stand in: look into the tenants' files."""
        wanted = self._homeless
        if wanted == self._housed:
            return
        revision, found = wanted
        about: dict[str, list[Complaint]] = {}
        texts: dict[str, bytes] = {}
        for item in found:
            namespace = paths.namespace_of(item.name) if item.kind == APPLICATION.kind else None
            if namespace:
                about.setdefault(namespace, []).append(item)
            elif item.kind:
                texts = texts or self._applications_at(revision)
                for tenant, text in texts.items():
                    if item.kind.encode() in text and item.name.encode() in text:
                        about.setdefault(paths.namespace(tenant), []).append(item)
        said = {namespace: argocd.told(items) for namespace, items in about.items()}
        self._complaints.note(paths.TENANTS_APPLICATION, said)
        self._housed = wanted

    def _applications_at(self, revision: str) -> dict[str, bytes]:
        """Tenant -> its application.yaml in this PoP at a commit."""
        for branch, group in self._applications.items():
            for application in group:
                if application.name == paths.TENANTS_APPLICATION and branch[0] in self._remotes:
                    repository = self._repository(*branch)
                    if revision not in repository.fetch_trees({revision}):
                        return {}
                    oids = {
                        path.split("/")[1]: oid
                        for path, _kind, oid in repository.entries(revision)
                        if argocd.holds(application, path)
                    }
                    contents = repository.contents(set(oids.values()))
                    return {tenant: contents[oid] for tenant, oid in oids.items()}
        return {}

    def _ask(self, heads: dict[Branch, str], now: float) -> None:
        needed: set[tuple[str, str]] = set()
        names: set[str] = set()
        for branch, head in heads.items():
            group = self._applications[branch]
            behind = {application.revision for application in group} - {head, ""}
            self._compare(self._repository(*branch), behind, head)
            needed |= {(revision, head) for revision in behind}
            for application in group:
                names.add(application.name)
                if self._is_behind(application, head):
                    self._refresh(application, head, now)
                else:
                    self._refreshes.pop(application.name, None)
                    self._unstick(application, head, now)
        self._changes = {pair: changes for pair, changes in self._changes.items() if pair in needed}
        for waiting in (self._refreshes, self._syncs):
            for name in waiting.keys() - names:
                del waiting[name]

    def _refresh(self, application: Application, head: str, now: float) -> None:
        name = application.name
        self._syncs.pop(name, None)
        tries = self._refreshes.get(name)
        if tries is None or tries.revision != head:
            self._refreshes[name] = Tries(head, 0, now)
        elif tries.due(now):
            tries.count, tries.at = tries.count + 1, now
        else:
            return
        if not application.refreshing and self._patch(name, argocd.refresh_patch()):
            self._metrics.refreshes.inc()
            log("refresh", application=name, head=head)

    def _unstick(self, application: Application, head: str, now: float) -> None:
        name = application.name
        if not application.stuck:
            if not application.busy:
                self._syncs.pop(name, None)
            return
        tries = self._syncs.get(name)
        if tries is None or tries.revision != head:
            # Argo CD's own retries and its self-healing come first.
            self._syncs[name] = Tries(head, 0, now)
        elif tries.due(now):
            tries.count, tries.at = tries.count + 1, now
            if self._patch(name, argocd.sync_patch(application, head)):
                self._metrics.syncs.inc()
                log("sync", application=name, revision=head, tries=tries.count)

    def _is_behind(self, application: Application, head: str) -> bool:
        if application.revision == head:
            return False
        changes = self._changes.get((application.revision, head))
        # A revision that the remote has forgotten can be compared with nothing.
        return changes is None or argocd.touched(application, changes)

    def _compare(self, repository: GitRepository, revisions: set[str], head: str) -> None:
        new = {revision for revision in revisions if (revision, head) not in self._changes}
        if not new:
            return
        known = repository.fetch_trees(new | {head})
        for revision in new:
            both = revision in known and head in known
            self._changes[revision, head] = Changes(repository.changed(revision, head)) if both else None

    def _patch(self, name: str, body: Obj) -> bool:
        try:
            self._cluster.patch(APPLICATION, self._namespace, name, body)
        except KubeError as error:
            if error.status != 404:
                raise
            return False
        return True

    def _read_remotes(self, now: float) -> None:
        if now - self._remotes_at < CREDENTIAL_SECONDS:
            return
        remotes = {}
        trusted: Mapping[str, Mapping[str, str]] | None = None
        for item in self._cluster.list(SECRET, self._namespace, REPOSITORIES)[0]:
            secret = self._cluster.get(SECRET, self._namespace, item["metadata"]["name"])
            if secret is None:
                continue
            if trusted is None:
                trusted = {name: self._config_map(name) for name in (HOST_KEYS, AUTHORITIES)}
            if remote := read_remote(secret, trusted, self._keep):
                remotes[argocd.address(remote.url)] = remote
        self._moved = self._moved or remotes != self._remotes
        self._remotes, self._remotes_at = remotes, now

    def _config_map(self, name: str) -> Mapping[str, str]:
        found = self._cluster.get(CONFIG_MAP, self._namespace, name) or {}
        return found.get("data") or {}

    def _keep(self, content: str) -> str:
        """A file of this content that only we read; named by it, so that another key is another remote."""
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / sha256(content.encode()).hexdigest()
        path.touch(mode=0o600)
        path.write_text(content)
        return str(path)

    def _repository(self, address: str, branch: str) -> GitRepository:
        remote = replace(self._remotes[address], branch=branch)
        if remote not in self._open:
            folder = self._folder / sha256(f"{remote.url} {branch}".encode()).hexdigest()[:16]
            self._open[remote] = GitRepository(remote, folder, timeout=30.0).__enter__()
        return self._open[remote]

    def _noted(self, key: Key) -> None:
        self._moved = True
        name, objects = key[1], self.store.of(key)
        found = argocd.complaints(objects[0]) if objects else ()
        if found is None:
            # a sync that runs: what was said before still stands
            return
        if name == paths.TENANTS_APPLICATION:
            self._homeless = (argocd.attempted(objects[0]) if objects else "", found)
        elif namespace := paths.namespace_of(name):
            self._complaints.note(name, {namespace: argocd.told(found)} if objects else {})

    def _run(self) -> None:
        while True:
            try:
                self.look(time.monotonic())
                if self._complaint:
                    log("hearing again")
                self._complaint = ""
            except DbaasError as error:
                if error.code in _STALE:
                    self._remotes_at = float("-inf")
                self._complain(error.message)
            except Exception as error:  # noqa: BLE001 - a deaf PoP would apply nothing for minutes
                # Whatever broke may lie in the folder: the next look starts with empty ones.
                self._open.clear()
                self._complain(type(error).__name__)
            time.sleep(self._interval)

    def _complain(self, message: str) -> None:
        if message != self._complaint:
            log("not hearing", reason=message)
        self._complaint = message
        self._metrics.errors.labels("ear").inc()


def read_remote(secret: Obj, trusted: Mapping[str, Mapping[str, str]], keep: Callable[[str], str]) -> Remote | None:
    """The remote of one of Argo CD's repository Secrets; None where it is no Git repository.

    `trusted`: data of HOST_KEYS and AUTHORITIES; `keep`: content -> path of a file that holds it. The host's key is
    checked always, whatever `insecureIgnoreHostKey` says.
    """
    data = {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}
    if not data.get("url") or data.get("type", "git") != "git":
        return None
    key = data.get("sshPrivateKey")
    hosts = trusted.get(HOST_KEYS, {}).get("ssh_known_hosts")
    authority = trusted.get(AUTHORITIES, {}).get(urlsplit(data["url"]).hostname or "")
    return Remote(
        data["url"],
        token=data.get("password") or None,
        username=data.get("username") or "dbaas",
        proxy=data.get("proxy") or None,
        ca_cert=keep(authority) if authority else None,
        ssh_key_file=keep(key) if key else None,
        ssh_known_hosts=keep(hosts) if key and hosts else None,
    )


_SPEC = ("source", "sources", "destination", "syncPolicy")


def essence(obj: Obj) -> Obj:
    """The few fields of an Application that are read here: its status lists every resource that it has."""
    status = obj.get("status") or {}
    state = status.get("operationState") or {}
    metadata = obj["metadata"]
    kept: Obj = {
        "metadata": {key: metadata[key] for key in ("name", "namespace", "resourceVersion")},
        "spec": {
            key: obj["spec"][key] for key in ("source", "sources", "destination", "syncPolicy") if key in obj["spec"]
        },
        "status": {
            "conditions": [item for item in status.get("conditions") or [] if item.get("type") in argocd.BLOCKING],
            "sync": {key: (status.get("sync") or {}).get(key) for key in ("status", "revision")},
            "operationState": {
                "phase": state.get("phase"),
                "message": state.get("message"),
                "syncResult": {
                    "revision": (state.get("syncResult") or {}).get("revision"),
                    "resources": [
                        {name: item.get(name) for name in ("kind", "namespace", "name", "status", "message")}
                        for item in (state.get("syncResult") or {}).get("resources") or []
                        if item.get("status") == "SyncFailed"
                    ],
                },
                "operation": {"sync": {"revision": ((state.get("operation") or {}).get("sync") or {}).get("revision")}},
            },
        },
    }
    if argocd.REFRESH in (metadata.get("annotations") or {}):
        kept["metadata"]["annotations"] = {argocd.REFRESH: ""}
    if "operation" in obj:
        kept["operation"] = {}
    return kept
