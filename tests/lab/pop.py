"""One point of presence: its processes, and what its API server holds before Git says anything."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .api import Api, Obj
from .binaries import Binaries
from .crds import ROOT, Source, played_kinds
from .processes import Program

HERE = Path(__file__).parent
PROCESSES = ("etcd", "kube-apiserver", "kube-controller-manager", "kwok", "argocd-application-controller", "observer")
PORTS = ("etcd", "etcd-peer", "api", "controller-manager", "kwok", "argocd-metrics", "observer")
# Who may speak to a PoP's API server: the service accounts of a real one, each with the groups it would have there.
# {argocd}: the namespace of its Argo CD.
USERS = {
    "admin": "admin",
    "argocd": "system:serviceaccount:{argocd}:argocd-application-controller",
    "observer": "system:serviceaccount:dbaas-system:observer",
    "operator": "system:serviceaccount:scylla-operator:scylla-operator",
    "reader": "system:serviceaccount:dbaas-system:reader",
    "controllers": "system:kube-controller-manager",
}
MASTERS = ("admin", "controllers")
CONTROLLERS = (
    "namespace-controller",
    "garbage-collector-controller",
    "serviceaccount-controller",
    "resourcequota-controller",
    "persistentvolumeclaim-protection-controller",
    "validatingadmissionpolicy-status-controller",
)
# Argo CD looks by itself this seldom, in seconds: the observer tells it what has changed.
RESYNC = 900
# As Argo CD's own manifests set them: updates of status wake nobody, kinds that change all the time are not watched.
ARGOCD_CM = {
    "resource.customizations.ignoreResourceUpdates.all": "jsonPointers:\n  - /status\n",
    "resource.customizations.ignoreResourceUpdates.argoproj.io_Application": (
        "jqPathExpressions:\n"
        "  - '.metadata.annotations.\"argocd.argoproj.io/refresh\"'\n"
        "  - '.metadata.annotations.\"argocd.argoproj.io/hydrate\"'\n"
        "  - '.operation'\n"
    ),
    "resource.exclusions": (
        "- apiGroups: ['', discovery.k8s.io]\n  kinds: [Endpoints, EndpointSlice]\n"
        "- apiGroups: [coordination.k8s.io]\n  kinds: [Lease]\n"
        "- apiGroups: [authentication.k8s.io, authorization.k8s.io]\n"
        "  kinds: [SelfSubjectReview, TokenReview, LocalSubjectAccessReview, SelfSubjectAccessReview, "
        "SelfSubjectRulesReview, SubjectAccessReview]\n"
    ),
}


def account(user: str, argocd: str = "argocd") -> str:
    """The name that Kubernetes knows a user of USERS by."""
    return USERS[user].format(argocd=argocd)


def groups(user: str, argocd: str = "argocd") -> list[str]:
    """The groups that Kubernetes gives a user of USERS."""
    if user in MASTERS:
        return ["system:masters"]
    namespace = account(user, argocd).split(":")[2]
    return ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]


def kubeconfig(user: str, pops: Mapping[str, tuple[str, str]], ca: bytes) -> Obj:
    """A kubeconfig with one context per PoP, named after it. `pops`: name -> (server address, token)."""
    authority = base64.b64encode(ca).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": next(iter(pops)),
        "clusters": [
            {"name": pop, "cluster": {"server": server, "certificate-authority-data": authority}}
            for pop, (server, _token) in pops.items()
        ],
        "users": [{"name": f"{user}@{pop}", "user": {"token": token}} for pop, (_server, token) in pops.items()],
        "contexts": [{"name": pop, "context": {"cluster": pop, "user": f"{user}@{pop}"}} for pop in pops],
    }


@dataclass(frozen=True)
class Shared:
    """What all PoPs of a lab have in common."""

    folder: Path
    bin: Path
    redis: int
    redis_password: str
    repo_server: int
    git_url: str
    #: what Argo CD's repository Secret holds beside the address
    git_credential: Mapping[str, str]
    #: the SSH keys of the Git host, "" where it is none of SSH
    known_hosts: str
    argocd: str
    platform_key: str
    server_key: str


@dataclass(frozen=True)
class Pop:
    """`index` numbers the PoP in Redis; `ports` and `tokens` are by the names above."""

    name: str
    index: int
    ports: Mapping[str, int]
    tokens: Mapping[str, str]
    shared: Shared

    @property
    def folder(self) -> Path:
        return self.shared.folder / "pops" / self.name

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports['api']}"

    @property
    def ca(self) -> Path:
        return self.shared.folder / "pki" / "ca.crt"

    def api(self, user: str = "admin") -> Api:
        return Api(self.server, self.ca.read_text(), self.tokens[user])

    def process(self, name: str) -> str:
        return f"{self.name}.{name}"

    def write_files(self) -> None:
        for part in ("etcd", "argocd/ssh", "argocd/tls", "argocd/gnupg", "argocd/tmp"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        (self.folder / "argocd" / "ssh" / "ssh_known_hosts").write_text(self.shared.known_hosts)
        argocd = self.shared.argocd
        rows = [
            f'{self.tokens[user]},{account(user, argocd)},{user},"{",".join(groups(user, argocd))}"' for user in USERS
        ]
        private(self.folder / "tokens.csv", "\n".join(rows) + "\n")
        ca = self.ca.read_bytes()
        for user in USERS:
            document = kubeconfig(user, {self.name: (self.server, self.tokens[user])}, ca)
            private(self.folder / f"{user}.kubeconfig", json.dumps(document))

    def programs(self) -> list[Program]:
        pki, local, ports = self.shared.folder / "pki", "127.0.0.1", self.ports
        peer = f"https://{local}:{ports['etcd-peer']}"
        etcd = f"https://{local}:{ports['etcd']}"
        pair = [f"--{{}}cert-file={pki / 'server.crt'}", f"--{{}}key-file={pki / 'server.key'}"]
        trust = ["--{}client-cert-auth", f"--{{}}trusted-ca-file={pki / 'ca.crt'}"]
        config = {user: str(self.folder / f"{user}.kubeconfig") for user in USERS}
        commands = {
            "etcd": [
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={etcd}",
                f"--advertise-client-urls={etcd}",
                f"--listen-peer-urls={peer}",
                f"--initial-advertise-peer-urls={peer}",
                f"--initial-cluster=default={peer}",
                *(part.format("") for part in pair + trust),
                *(part.format("peer-") for part in pair + trust),
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
            "kube-apiserver": [
                f"--etcd-servers={etcd}",
                f"--etcd-cafile={pki / 'ca.crt'}",
                f"--etcd-certfile={pki / 'server.crt'}",
                f"--etcd-keyfile={pki / 'server.key'}",
                f"--secure-port={ports['api']}",
                f"--bind-address={local}",
                f"--advertise-address={local}",
                f"--tls-cert-file={pki / 'server.crt'}",
                f"--tls-private-key-file={pki / 'server.key'}",
                f"--token-auth-file={self.folder / 'tokens.csv'}",
                f"--service-account-key-file={pki / 'sa.pub'}",
                f"--service-account-signing-key-file={pki / 'sa.key'}",
                "--service-account-issuer=https://kubernetes.default.svc",
                "--authorization-mode=RBAC",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--endpoint-reconciler-type=none",
                "--enable-priority-and-fairness=false",
                "--profiling=false",
            ],
            "kube-controller-manager": [
                f"--kubeconfig={config['controllers']}",
                f"--bind-address={local}",
                f"--secure-port={ports['controller-manager']}",
                "--leader-elect=false",
                f"--controllers={','.join(CONTROLLERS)}",
                f"--service-account-private-key-file={pki / 'sa.key'}",
                f"--root-ca-file={pki / 'ca.crt'}",
                "--profiling=false",
            ],
            "kwok": [
                f"--kubeconfig={config['operator']}",
                "--manage-all-nodes=false",
                "--manage-nodes-with-label-selector=kwok=none",
                "--enable-crds=Stage",
                f"--server-address={local}:{ports['kwok']}",
            ],
            "argocd-application-controller": [
                f"--namespace={self.shared.argocd}",
                f"--kubeconfig={config['argocd']}",
                f"--repo-server={local}:{self.shared.repo_server}",
                "--repo-server-plaintext",
                f"--redis={local}:{self.shared.redis}",
                f"--redisdb={self.index}",
                # It has no address for this one: it is the only port of the lab that others can see.
                f"--metrics-port={ports['argocd-metrics']}",
                "--server-side-diff-enabled",
                f"--app-resync={RESYNC}",
                "--loglevel=info",
            ],
        }
        starter = {"kwok": [sys.executable, "-m", "tests.lab.standin", config["operator"]]}
        programs = [
            Program(
                self.process(name),
                [*starter.get(name, []), str(self.shared.bin / name), *arguments],
                self.environment(name),
                # Asked politely it waits for every watch to end.
                signal="KILL" if name == "kube-apiserver" else "TERM",
            )
            for name, arguments in commands.items()
        ]
        return programs + self._observer(config["observer"])

    def _observer(self, config: str) -> list[Program]:
        if not (ROOT / "extensions" / "observer" / "__main__.py").exists():
            return []
        command = [sys.executable, "-m", "ansible_collections.dbaas.platform.extensions.observer"]
        command += ["--kubeconfig", config, "--context", self.name, "--port", str(self.ports["observer"])]
        command += ["--argocd-namespace", self.shared.argocd]
        environment = {"PYTHONPATH": str(ROOT / ".cache" / "collections"), "PYTHONUNBUFFERED": "1"}
        return [Program(self.process("observer"), command, environment)]

    def environment(self, name: str) -> dict[str, str]:
        own = {}
        if name == "kwok":
            own = {"PYTHONPATH": str(ROOT)}
        elif name.startswith("argocd"):
            own = argocd_environment(self.folder / "argocd", self.shared)
        # collecting garbage was half of what these programs did: they have memory instead, a twelfth of all at most
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return {**own, "GOGC": "400", "GOMEMLIMIT": f"{memory // 12}B"}

    def bootstrap(self, crds: Source, own: Binaries, delay: float, health: Mapping[str, str]) -> None:
        """What whoever installs a PoP puts there: CRDs, Argo CD's settings, the platform key, the operator's rights."""
        api = self.api()
        with ThreadPoolExecutor(8) as pool:
            definitions = crds.documents | {name: path.read_bytes() for name, path in own.crds.items()}
            root = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
            applied = pool.map(lambda item: api.apply_text(f"{root}/{item[0]}", item[1]), definitions.items())
            list(pool.map(api.apply, [_named("Namespace", name) for name in (self.shared.argocd, "dbaas-system")]))
            list(applied)
            list(pool.map(api.wait_served, definitions))
            list(pool.map(api.apply, [*self.objects(health), *stages(delay)]))

    def objects(self, health: Mapping[str, str]) -> list[Obj]:
        """`health`: Lua by `<group>_<Kind>`, as argocd-cm wants it."""
        cluster = {
            "bearerToken": self.tokens["argocd"],
            "tlsClientConfig": {"insecure": False, "caData": base64.b64encode(self.ca.read_bytes()).decode()},
        }
        lua = {f"resource.customizations.health.{kind}": text for kind, text in health.items()}
        maps: dict[str, dict[str, str]] = {
            f"argocd-{name}": {} for name in ("rbac-cm", "gpg-keys-cm", "ssh-known-hosts-cm", "tls-certs-cm")
        }
        maps["argocd-ssh-known-hosts-cm"] = {"ssh_known_hosts": self.shared.known_hosts}
        argocd = self.shared.argocd
        project = {"sourceRepos": ["*"], "destinations": [{"server": "*", "namespace": "*"}]}
        project["clusterResourceWhitelist"] = [{"group": "*", "kind": "*"}]
        key = base64.b64decode(self.shared.platform_key)
        everything = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
        return [
            *(
                _argocd("ConfigMap", name, argocd, data=data)
                for name, data in {**maps, "argocd-cm": {**ARGOCD_CM, **lua}}.items()
            ),
            secret(argocd, "argocd-secret", {"server.secretkey": self.shared.server_key}, {_PART_OF: "argocd"}),
            secret(
                argocd,
                "pop",
                {"name": "pop", "server": self.server, "config": json.dumps(cluster)},
                {_SECRET_TYPE: "cluster"},
            ),
            secret(
                argocd,
                "gitops",
                {"type": "git", "url": self.shared.git_url, **self.shared.git_credential},
                {_SECRET_TYPE: "repository"},
            ),
            secret("dbaas-system", "platform-key", {"key": key}),
            _argocd("AppProject", "default", argocd, "argoproj.io/v1alpha1", spec=project),
            *_grant("argocd-application-controller", everything, account("argocd", argocd)),
            *_grant("lab-operator", operator_rules(), account("operator")),
        ]


_SECRET_TYPE = "argocd.argoproj.io/secret-type"
_PART_OF = "app.kubernetes.io/part-of"


def private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, if it differs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.chmod(0o600)
    if path.read_text() != text:
        path.write_text(text)


def argocd_environment(folder: Path, shared: Shared) -> dict[str, str]:
    """Argo CD outside a container: its folders, and helm and git on its PATH."""
    return {
        "ARGOCD_ASK_PASS_SOCK": str(folder / "ask.sock"),
        "ARGOCD_GNUPGHOME": str(folder / "gnupg"),
        "ARGOCD_GPG_ENABLED": "false",
        "ARGOCD_PLUGINSOCKFILEPATH": str(folder / "plugins"),
        "ARGOCD_SSH_DATA_PATH": str(folder / "ssh"),
        "ARGOCD_TLS_DATA_PATH": str(folder / "tls"),
        "HOME": str(folder),
        "PATH": f"{shared.bin}{os.pathsep}{os.environ.get('PATH', '')}",
        "REDIS_PASSWORD": shared.redis_password,
        "TMPDIR": str(folder / "tmp"),
    }


def stages(delay: float) -> list[Obj]:
    """kwok's Stages, a file per operator kind. `delay`: seconds from a new generation to ready, shared by the steps."""
    found: list[Obj] = []
    for path in sorted((HERE / "stages").glob("*.yaml")):
        steps = yaml.safe_load(path.read_text())["items"]
        for stage in steps:
            stage["spec"]["delay"] = {"durationMilliseconds": round(delay * 1000 / len(steps))}
        found += steps
    return found


def operator_rules() -> list[Obj]:
    """What kwok needs to play the operators of the kinds that have Stages, and no more."""
    reads = ["get", "list", "watch"]
    rules: list[Obj] = [
        {"apiGroups": [""], "resources": ["nodes", "pods"], "verbs": reads},
        {"apiGroups": ["kwok.x-k8s.io"], "resources": ["stages"], "verbs": reads},
        {"apiGroups": ["kwok.x-k8s.io"], "resources": ["stages/status"], "verbs": ["get", "patch", "update"]},
        {"apiGroups": ["", "events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch", "update"]},
    ]
    played = {(ref["apiGroup"], ref["kind"]) for s in stages(0) for ref in [s["spec"]["resourceRef"]]}
    for kind in played_kinds():
        if (kind.api_version, kind.kind) in played:
            verbs = [*reads, "patch", "update"]
            rules.append(
                {"apiGroups": [kind.group], "resources": [kind.plural, f"{kind.plural}/status"], "verbs": verbs}
            )
    return rules


def _named(kind: str, name: str, version: str = "v1", **fields: Any) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **fields}


def _argocd(kind: str, name: str, namespace: str, version: str = "v1", **fields: Any) -> Obj:
    metadata = {"name": name, "namespace": namespace, "labels": {_PART_OF: "argocd"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def secret(namespace: str, name: str, data: Mapping[str, str | bytes], labels: Mapping[str, str] | None = None) -> Obj:
    encoded = {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in data.items()
    }
    metadata = {"name": name, "namespace": namespace, "labels": dict(labels or {})}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded}


def _grant(name: str, rules: list[Obj], user: str) -> list[Obj]:
    version = "rbac.authorization.k8s.io/v1"
    _system, _kind, namespace, name_of = user.split(":")
    return [
        _named("ClusterRole", name, version, rules=rules),
        _named(
            "ClusterRoleBinding",
            name,
            version,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            subjects=[{"kind": "ServiceAccount", "namespace": namespace, "name": name_of}],
        ),
    ]
