"""A cluster in which Percona's real operator runs: what is real, and what stands in.

Real: etcd, Kubernetes' API server and its controllers (StatefulSets, volumes, garbage), the operator with the rights
that its own manifests give it, its CRDs. Stand-ins: kwok for the machines that run pods (exec runs on this host, in a
process namespace of its own), `_Places` for the scheduler, and go/member for mongod, mongos and mongosh. Everything
listens on loopback; the operator finds the members by a hosts file of its own, in a mount namespace of its own.
"""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain import policies
from ansible_collections.dbaas.platform.plugins.module_utils.domain import secrets as domain_secrets
from ansible_collections.dbaas.platform.plugins.module_utils.domain import status as domain_status
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import render

from tests.lab import binaries, pki
from tests.lab.api import Api, ApiError, path_of
from tests.lab.lab import free_port
from tests.lab.pop import PORTS, USERS, Pop, Shared, kubeconfig, private
from tests.lab.processes import Program, Supervisor
from tests.operators.build import MANIFESTS
from tests.unit.domain import shipped

Json = dict[str, Any]
#: where the operator runs, as whom
NAMESPACE, ACCOUNT = "psmdb-operator", "percona-server-mongodb-operator"
STAGES = Path(__file__).with_name("stages.yaml")
#: what Kubernetes itself does for an operator that makes StatefulSets
CONTROLLERS = ("statefulset-controller", "persistentvolume-binder-controller", "disruption-controller")
POP, ZONES = "lagos", ("lagos-a", "lagos-b", "lagos-c")
MONGODB_PORT = 27017
#: A pod has files of its own: its namespace by one, other pods by names that no DNS of this machine has, and in /tmp
#: the operator writes keys. What it starts from lies below /tmp itself, where tests run.
IN_A_POD = " && ".join(
    (
        "mount -t tmpfs tmpfs /var/run",
        "mkdir -p /var/run/secrets/kubernetes.io/serviceaccount",
        'echo "$1" >/var/run/secrets/kubernetes.io/serviceaccount/namespace',
        'mount --bind "$2" /etc/hosts',
        'cp "$KUBECONFIG" /var/run/kubeconfig',
        'exec 3<"$3"',
        "mount -t tmpfs tmpfs /tmp",
        "shift 3",
        'KUBECONFIG=/var/run/kubeconfig exec /proc/self/fd/3 "$@"',
    )
)


def unshare(*namespaces: str) -> list[str]:
    """The start of a command that is to run in new namespaces of these kinds; only root needs none of users for it."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, *(f"--{kind}" for kind in namespaces)]


def why_not() -> str:
    """What this machine does not allow, or ""."""
    if not shutil.which("unshare"):
        return "unshare (of util-linux) is not on PATH"
    command = [*unshare("mount", "pid"), "--fork", "true"]
    return subprocess.run(command, capture_output=True, check=False, text=True).stderr.strip()


def sets(cluster: Json) -> Iterator[tuple[str, int, str]]:
    """(name, size, size of a volume) of each StatefulSet that the operator is to make of a PerconaServerMongoDB."""
    name, spec = cluster["metadata"]["name"], cluster["spec"]
    sharding = spec.get("sharding", {})
    members = [*spec["replsets"]]
    if sharding:
        members.append({"name": "cfg", **sharding["configsvrReplSet"]})
        yield f"{name}-mongos", sharding["mongos"]["size"], ""
    for each in members:
        claim = each["volumeSpec"]["persistentVolumeClaim"]
        yield f"{name}-{each['name']}", each["size"], claim["resources"]["requests"]["storage"]


class Service:
    """A service in the cluster: its claim with the status that the observer would write, and the operator's object."""

    def __init__(self, name: str, spec: Json) -> None:
        """`spec`: of the claim, as people write it."""
        self.name = name
        self.claim: Json = {}
        self.render(spec)
        self.namespace: str = self.claim["metadata"]["namespace"]
        spec = self.object["spec"]
        self.version, self.backup = (image.rpartition(":")[2] for image in (spec["image"], spec["backup"]["image"]))
        self.path = f"/apis/psmdb.percona.com/v1/namespaces/{self.namespace}/perconaservermongodbs/{name}"
        self.pods = [f"{owner}-{number}" for owner, size, _volume in sets(self.object) for number in range(size)]

    def render(self, spec: Json) -> None:
        """What is rendered of this spec, by an operation of its own."""
        status = self.claim.get("status", {})
        stamp = replace(shipped.STAMP, operation=str(uuid.uuid4()))
        claim = shipped.admitted(spec, self.name)
        self.rendered = render(claim, shipped.catalog(), shipped.platform(), stamp)[POP]
        self.claim = {**shipped.only(self.rendered, "ServiceClaim"), "status": status}
        self.object = shipped.only(self.rendered, "PerconaServerMongoDB")

    def secrets(self) -> list[Json]:
        """What the observer makes for the claim, made by its own functions; nobody owns them here."""
        claim = {**self.claim, "metadata": {**self.claim["metadata"], "uid": "0"}}
        made = [domain_secrets.build(wanted, b"k" * 32) for wanted in domain_secrets.of_live(claim, None)]
        for item in made:
            del item["metadata"]["ownerReferences"]
        return made

    def hosts(self, pod: str) -> list[str]:
        """The names of a pod; who speaks to mongos speaks to its Service."""
        owner = pod.rpartition("-")[0]
        domain = f"{owner}.{self.namespace}.{self.object['spec']['clusterServiceDNSSuffix']}"
        return [f"{pod}.{domain}", *([domain] if pod.endswith("-mongos-0") else [])]


class Cluster:
    """Up from `start` until `stop`. All services are named when it is made: kwok reads once what exec is to run."""

    def __init__(self, state: Path, programs: Path, services: Mapping[str, Json]) -> None:
        """`programs`: see build.py; `services`: the spec of each claim, by name."""
        self.state, self._programs = state, programs
        self.services = {name: Service(name, spec) for name, spec in services.items()}
        taken: set[int] = set()
        for _port in range(len(PORTS) + 3):
            taken.add(free_port(taken))
        supervisor, self._metrics, self._health, *ports = taken
        self.pop = Pop(
            name=POP,
            index=1,
            ports=dict(zip(PORTS, ports, strict=True)),
            tokens={user: secrets.token_urlsafe(24) for user in USERS},
            shared=_shared(state),
        )
        self.supervisor = Supervisor(state, supervisor, secrets.token_urlsafe(24))
        network = random.randint(2, 250)  # noqa: S311
        self._addresses = {
            pod: f"127.{network}.{number}.{index}"
            for number, service in enumerate(self.services.values(), 1)
            for index, pod in enumerate(service.pods, 1)
        }
        self._places = _Places(self)

    @cached_property
    def api(self) -> Api:
        return self.pop.api()

    def start(self) -> None:
        self._write()
        self.supervisor.ensure(self._commands())
        for name in ("etcd", "kube-apiserver"):
            self.supervisor.start(self.pop.process(name))
        self.api.wait_ready(90)
        self._furnish()
        for name in ("kube-controller-manager", "kwok"):
            self.supervisor.start(self.pop.process(name))
        for name in self.services:
            self.supervisor.start(f"member.{name}")
        self.supervisor.start("operator")
        self._places.start()

    def stop(self) -> None:
        self._places.stop()
        self.supervisor.shut_down()

    # --- services

    def make_secrets(self, name: str) -> None:
        for secret in self.services[name].secrets():
            self.api.apply(secret)

    def apply(self, name: str, spec: Json | None = None) -> None:
        """The operator's object of this service, rendered anew where another spec is given."""
        service = self.services[name]
        if spec is not None:
            service.render(spec)
        self.api.apply_text(service.path, json.dumps(service.object).encode())

    def live(self, name: str) -> Json:
        """The operator's object, as it is."""
        return self.api.get(self.services[name].path) or {}

    def look(self, name: str) -> tuple[str, Json]:
        """The state that the operator has written, and the claim's status that the observer would write of it."""
        service, live = self.services[name], self.live(name)
        there = self.api.request("GET", f"/api/v1/namespaces/{service.namespace}/secrets")["items"]
        made = [item["metadata"] for item in there if domain_secrets.MANAGED in item["metadata"].get("labels", {})]
        names = {metadata["name"] for metadata in made}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        status = domain_status.of_live(service.claim, None, [live], secrets=names, now=now)
        service.claim["status"] = status
        return live.get("status", {}).get("state", ""), status

    def watch(self, name: str, state: str, phase: str, seconds: float = 120) -> list[tuple[str, str]]:
        """Until the operator says this state and we that phase; all pairs of them that were seen on the way."""
        end, seen = time.monotonic() + seconds, list[tuple[str, str]]()
        while not seen or seen[-1] != (state, phase):
            said, status = self.look(name)
            if not seen or seen[-1] != (said, status["phase"]):
                seen.append((said, status["phase"]))
            assert time.monotonic() < end, f"{seen}, {status}, {self.live(name).get('status')}"
            # the operator looks every five seconds; a state in between is not to be missed
            time.sleep(0.2)
        return seen

    def ask(self, pod: str, script: str) -> Any:
        """What the member in this pod knows."""
        service = next(each for each in self.services.values() if pod in each.pods)
        environment = {"MEMBER_POD": pod, "MEMBER_CONTROL": str(self._control(service))}
        command = [str(self.state / "pod" / "mongosh"), "--eval", script]
        return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)

    # --- how it comes up

    def _write(self) -> None:
        pki.make(self.state / "pki")
        (self.state / "bin").mkdir()
        for name, program in binaries.resolve().programs.items():
            (self.state / "bin" / name).symlink_to(program)
        # what the operator runs in pods
        (self.state / "pod").mkdir()
        for name in ("mongod", "mongosh", "pbm-agent"):
            (self.state / "pod" / name).symlink_to(self._programs / "member")
        self.pop.write_files()
        token, user = secrets.token_urlsafe(24), f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
        known = self.pop.folder / "tokens.csv"
        private(known, f'{known.read_text()}{token},{user},percona,"system:authenticated"\n')
        config = kubeconfig("percona", {POP: (self.pop.server, token)}, self.pop.ca.read_bytes())
        private(self.state / "percona.kubeconfig", json.dumps(config))
        lines = ["127.0.0.1 localhost"]
        for service in self.services.values():
            lines += [f"{self._addresses[pod]} {' '.join(service.hosts(pod))}" for pod in service.pods]
            made = {item["metadata"]["name"]: item["data"] for item in service.secrets()}
            pair = made[service.object["spec"]["secrets"]["ssl"]]
            for field in ("tls.crt", "tls.key"):
                private(self.state / service.name / field, base64.b64decode(pair[field]).decode())
            settings = {
                "version": service.version,
                "backup": service.backup,
                "port": MONGODB_PORT,
                "control": str(self._control(service)),
                "certificate": str(self.state / service.name / "tls.crt"),
                "key": str(self.state / service.name / "tls.key"),
                "pods": {pod: self._addresses[pod] for pod in service.pods},
            }
            private(self.state / service.name / "member.json", json.dumps(settings))
        (self.state / "hosts").write_text("\n".join(lines) + "\n")
        private(self.state / "kwok.yaml", yaml.safe_dump_all(self._exec()))

    def _control(self, service: Service) -> Path:
        return self.state / service.name / "control"

    def _exec(self) -> Iterator[Json]:
        """What kwok runs when somebody execs in a pod: the command, on this host, told which pod it stands for."""
        for service in self.services.values():
            for pod in service.pods:
                told = {
                    "MEMBER_POD": pod,
                    "MEMBER_CONTROL": str(self._control(service)),
                    "MEMBER_VERSION": service.version,
                    "MEMBER_BACKUP": service.backup,
                }
                envs = [{"name": name, "value": value} for name, value in told.items()]
                yield {
                    "apiVersion": "kwok.x-k8s.io/v1alpha1",
                    "kind": "Exec",
                    "metadata": {"name": pod, "namespace": service.namespace},
                    "spec": {"execs": [{"local": {"workDir": str(self.state), "envs": envs}}]},
                }

    def _commands(self) -> list[Program]:
        folder, ports, certificates = self.state, self.pop.ports, self.state / "pki"
        pair = [str(certificates / "server.crt"), str(certificates / "server.key")]
        more = {
            "etcd": [],
            # exec goes to the machine, which is kwok
            "kube-apiserver": [f"--kubelet-client-certificate={pair[0]}", f"--kubelet-client-key={pair[1]}"],
            "kube-controller-manager": [f"--controllers={','.join(CONTROLLERS)}"],
        }
        programs = [
            Program(program.name, [*program.command, *more[name]], program.environment, program.signal)
            for program in self.pop.programs()
            for name in [program.name.removeprefix(self.pop.process(""))]
            if name in more
        ]
        # exec's commands may kill process 1, as they do in a container: here that is kwok itself
        kwok = [*unshare("pid"), "--fork", "--kill-child", str(folder / "bin" / "kwok"), "--manage-all-nodes"]
        kwok += [f"--kubeconfig={self.pop.folder / 'admin.kubeconfig'}", f"--config={folder / 'kwok.yaml'}"]
        kwok += ["--enable-crds=Stage", "--node-ip=127.0.0.1", f"--node-port={ports['kwok']}"]
        kwok += [f"--server-address=127.0.0.1:{ports['kwok']}"]
        kwok += [f"--tls-cert-file={pair[0]}", f"--tls-private-key-file={pair[1]}"]
        path = f"{folder / 'pod'}{os.pathsep}{os.environ['PATH']}"
        programs.append(Program(self.pop.process("kwok"), kwok, {"PATH": path}))
        for name in self.services:
            member = [str(self._programs / "member"), str(folder / name / "member.json")]
            programs.append(Program(f"member.{name}", member))
        operator = [*unshare("mount"), "sh", "-c", IN_A_POD, "sh", NAMESPACE, str(folder / "hosts")]
        operator += [str(self._programs / "manager"), "--leader-elect=false"]
        operator += [f"--metrics-bind-address=127.0.0.1:{self._metrics}"]
        operator += [f"--health-probe-bind-address=127.0.0.1:{self._health}"]
        environment = {
            "KUBECONFIG": str(folder / "percona.kubeconfig"),
            "WATCH_NAMESPACE": "",
            "HOSTNAME": "operator",
            "DISABLE_TELEMETRY": "true",
            "LOG_STRUCTURED": "true",
            "LOG_LEVEL": "DEBUG",
        }
        return [*programs, Program("operator", operator, environment)]

    def _furnish(self) -> None:
        """What there is before the operator comes: its definitions, rights and pod, machines, volumes, namespaces."""
        api = self.api
        definitions = [item for name in MANIFESTS for item in yaml.safe_load_all((self._programs / name).read_text())]
        stage = yaml.safe_load(binaries.resolve().crds["stages.kwok.x-k8s.io"].read_text())
        namespaces = {NAMESPACE, *(service.namespace for service in self.services.values())}
        for name in sorted(namespaces):
            api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for item in [stage, *definitions]:
            if item["kind"] == "ServiceAccount":
                item["metadata"]["namespace"] = NAMESPACE
            api.apply(item)
        for item in [stage, *definitions]:
            if item["kind"] == "CustomResourceDefinition":
                api.wait_served(item["metadata"]["name"])
        for item in yaml.safe_load(STAGES.read_text())["items"]:
            api.apply(item)
        for zone in ZONES:
            labels = {"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": f"node-{zone}"}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"node-{zone}", "labels": labels}}
            api.apply(node)
        api.apply(_operators_pod())
        # ours
        for item in policies.guards():
            api.apply(item)
        for item in self._storage():
            # the one plural of these that is not regular
            paths = {"StorageClass": f"/apis/storage.k8s.io/v1/storageclasses/{item['metadata']['name']}"}
            api.apply_text(paths.get(item["kind"], path_of(item)), json.dumps(item).encode())

    def _storage(self) -> Iterator[Json]:
        claims = [
            each["volumeSpec"]["persistentVolumeClaim"]
            for service in self.services.values()
            for each in service.object["spec"]["replsets"]
        ]
        for name in sorted({claim["storageClassName"] for claim in claims}):
            yield {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": name},
                "provisioner": "kubernetes.io/no-provisioner",
                "volumeBindingMode": "Immediate",
                "allowVolumeExpansion": True,
            }
            for service in self.services.values():
                for owner, size, volume in sets(service.object):
                    for number in range(size if volume else 0):
                        yield {
                            "apiVersion": "v1",
                            "kind": "PersistentVolume",
                            "metadata": {"name": f"{owner}-{number}"},
                            "spec": {
                                "capacity": {"storage": volume},
                                "accessModes": ["ReadWriteOnce"],
                                "storageClassName": name,
                                "hostPath": {"path": "/nowhere"},
                            },
                        }


def _shared(state: Path) -> Shared:
    """Of what the lab's PoPs share there is nothing here but the folder."""
    return Shared(
        folder=state,
        bin=state / "bin",
        redis=0,
        redis_password="",
        repo_server=0,
        git_url="",
        git_credential={},
        known_hosts="",
        argocd="argocd",
        platform_key="",
        server_key="",
    )


def _operators_pod() -> Json:
    """The operator reads its own image from it, for the pods that it makes."""
    container = {"name": "operator", "image": "percona/percona-server-mongodb-operator:1.22.0"}
    metadata = {"name": "operator", "namespace": NAMESPACE}
    spec = {"serviceAccountName": ACCOUNT, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


class _Places:
    """Stands in for the scheduler: a pod goes to the zone of its number, whatever it asks for."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        # who has a thread has connections of its own
        api = self._cluster.pop.api()
        while not self._over.wait(0.3):
            try:
                waiting = api.request("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3D")["items"]
                for pod in waiting:
                    _place(api, pod["metadata"])
            except ApiError as error:
                sys.stderr.write(f"no pod can be placed: {error}\n")


def _place(api: Api, pod: Json) -> None:
    number = pod["name"].rpartition("-")[2]
    zone = ZONES[int(number) % len(ZONES) if number.isdigit() else 0]
    target = {"apiVersion": "v1", "kind": "Node", "name": f"node-{zone}"}
    metadata = {"name": pod["name"], "namespace": pod["namespace"]}
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target}
    path = f"/api/v1/namespaces/{pod['namespace']}/pods/{pod['name']}/binding"
    api.request("POST", path, json.dumps(body).encode())
