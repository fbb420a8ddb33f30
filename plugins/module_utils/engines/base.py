# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an engine is to the platform: the one interface that the engines' files fulfil."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import FieldError

Obj = dict[str, Any]

GROUP = "dbaas.example.com"
VERSION = "v1alpha1"


@dataclass(frozen=True)
class Kind:
    """A Kubernetes kind and where its API lives."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """URL path of the collection, or of one object; without a namespace, of all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        space = f"/namespaces/{namespace}" if namespace and self.namespaced else ""
        return f"{root}{space}/{self.plural}" + (f"/{name}" if name else "")


CLAIM = Kind(GROUP, VERSION, "ServiceClaim", "serviceclaims")
SECRET = Kind("", "v1", "Secret", "secrets")
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
EVENT = Kind("", "v1", "Event", "events")
DEFINITION = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
APPLICATION = Kind("argoproj.io", "v1alpha1", "Application", "applications")
SERVICE = Kind("", "v1", "Service", "services")
JOB = Kind("batch", "v1", "Job", "jobs")
NETWORK_POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
DISRUPTION_BUDGET = Kind("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")

#: what makes a service: an annotation of the copy, and a label of all that a chart makes; absent: an operator
DRIVER = f"{GROUP}/driver"


@dataclass(frozen=True)
class Share:
    """What one region gets of a claim: all that an engine needs to render it.

    spec is the whole admitted spec; zones and domains map each region of the service, home first, to its zones and its
    cluster domain; peers are the pod networks of the other regions whose nodes join; backups is where they go, s3 how
    the region's object storage is reached (both of the catalog); labels and annotations go on every object.
    """

    name: str
    namespace: str
    tenant: str
    region: str
    spec: Obj
    zones: dict[str, tuple[str, ...]]
    domains: dict[str, str]
    peers: tuple[str, ...]
    backups: str
    s3: Obj
    engine: Obj
    labels: dict[str, str]
    annotations: dict[str, str]

    @property
    def home(self) -> bool:
        return bool(self.region == self.spec["region"])

    def metadata(self, name: str, **annotations: str) -> Obj:
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": dict(self.labels),
            "annotations": {**self.annotations, **annotations},
        }

    def make(self, kind: Kind, name: str, **content: Obj) -> Obj:
        """An object of the service, with all that each of them bears."""
        return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": self.metadata(name), **content}


@dataclass(frozen=True)
class Alert:
    """One alerting rule; severity is critical (someone is called) or warning."""

    name: str
    severity: str
    expression: str
    minutes: int
    summary: str


@dataclass(frozen=True)
class Surroundings:
    """What an engine says about itself so that the platform can surround it."""

    pods: dict[str, str]
    client_ports: tuple[int, ...]
    peer_ports: tuple[int, ...]
    metrics_ports: tuple[int, ...]
    #: labels of the Services whose endpoints are read; where there are none, the pods' own ports of these names
    metrics_services: dict[str, str]
    metrics_endpoints: tuple[str, ...]
    target_labels: tuple[str, ...]
    operator_namespaces: tuple[str, ...]
    volumes: str
    alerts: tuple[Alert, ...]
    disruption_budget: bool
    #: Prometheus' own when empty
    metrics_path: str = ""
    #: of pods, those that clients may speak to; all of them when empty
    client_pods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Connection:
    """How clients reach the service in one region; the Secrets are named, never read."""

    scheme: str
    host: str
    port: int
    tls: bool
    secret: str
    ca_secret: str | None = None
    client_certificate_secret: str | None = None


@dataclass(frozen=True)
class Observation:
    """What the operator's objects say. current: the operator has seen the newest spec and is done with it.

    backup is (status, reason, message) of the condition BackupConfigured, which counts where the claim asks for
    backups; replicating the same of the condition Replicating, None where there is nothing to say. Of an operator that
    keeps no observedGeneration, generation is its object's, and answered whether it wrote a status since that changed.
    """

    ready: int
    wanted: int
    current: bool
    error: str = ""
    terminal: bool = False
    message: str = ""
    backup: tuple[str, str, str] = ("Unknown", "NotReported", "")
    replicating: tuple[str, str, str] | None = None
    generation: int = 0
    answered: bool = True
    #: where the operator says nothing of some changes: when the spec was written last (RFC 3339), and after how many
    #: seconds its silence means that it has taken it
    written: str = ""
    patience: int = 0
    #: where the operator gets over most errors by itself: since when this one stands (RFC 3339); it is terminal after
    #: `patience` seconds
    since: str = ""
    #: whether no node runs because the claim is paused; then none is wanted
    paused: bool = False


@dataclass(frozen=True)
class SecretNeed:
    """A Secret that must exist and must not be in Git: key -> template.

    {password} is derived, one value a Secret; {password/x} is another for each x; {base64} are 32 such bytes. hosts:
    where there are any, {certificate} and {key} are those of a server of these names, {authority} is the certificate
    that signed them, all PEM and derived too; {namespace} and {domain} in a name stand for the service's namespace and
    the cluster's domain.
    """

    name: str
    purpose: str
    fields: dict[str, str]
    hosts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Consequence:
    """What the change of one field means for a running service.

    restart is none, rolling or outage; seconds is how long it takes, all nodes together, an estimate without the time
    that data takes; how: in place, by replacement, …; irreversible says why it cannot be undone, "" where it can.
    """

    field: str
    restart: str
    seconds: int
    how: str
    irreversible: str = ""


@dataclass(frozen=True)
class Backup:
    """How far a final backup is: state is running, done, failed, or unknown where no object of the operator tells."""

    state: str
    message: str


@dataclass(frozen=True)
class Rule:
    """What an operator's webhook demands, in CEL (oldObject is null on creation), and what to say if it is not so."""

    expression: str
    message: str


@dataclass(frozen=True)
class Release:
    """A release of a Helm chart: its name (of the objects too), and its values."""

    name: str
    values: Obj


class Engine(Protocol):
    """One file an engine: everything that differs between engines goes through these."""

    name: str
    #: what the operator reconciles, the database itself first
    kinds: tuple[Kind, ...]
    #: seconds, an estimate: until one node more is made and has joined, without the time that its data takes
    start_seconds: int
    #: seconds, an estimate: one node's restart until its data is served again
    restart_seconds: int
    #: what render makes beside these, of Kubernetes' own kinds, but for those of what surrounds every engine
    plain: tuple[Kind, ...]
    #: Argo CD's resource.customizations.health.<key>: a Lua check each, made from the rules of observe. Argo CD gives
    #: it no library (no string.…), and one that fails stops every sync of its tenant
    health: Mapping[str, str]
    # Not every engine has these:
    # `written`, where its webhook writes into spec: the keys of health -> jq paths of what is written there, which Argo
    #   CD leaves as it is;
    # `optional`: spec.placement and spec.paused (the field's name) -> "" where it is rendered, else why not; a claim
    #   that names another one is refused;
    # `roles`: the roles that a SKU may have, each choice sorted; the catalog is held to it;
    # `places`: where parameters can be rendered to; the catalog then says of each, or it is not offered;
    # `accounts`, where pods run as ServiceAccounts of the tenant's namespace that the operator does not make: name ->
    #   rules of its Role; each tenant's foundation makes them;
    # `parting`, where nodes of a region that is left must hand over first: the region's rendered objects -> as they are
    #   until they go; with it `remains`: the live ones -> why they must not go yet, "" when they may.

    def check(self, name: str, spec: Obj, regions: Obj) -> Iterator[FieldError]:
        """What the operator would refuse although its CRD accepts it; regions is that section of the catalog."""

    def warnings(self, spec: Obj) -> Iterator[str]:
        """What the claim asks for and will not get, though it is no reason to refuse it."""

    def check_change(self, old: Obj, new: Obj) -> Iterator[FieldError]:
        """What cannot change on a running service, given both admitted specs."""

    def consequences(self, old: Obj, new: Obj) -> Iterator[Consequence]:
        """What each changed field does to a running service, given both admitted specs (only what is allowed).

        Only what the engine knows better than domain/consequences.py, which has what surrounds every engine.
        """

    def render(self, share: Share) -> list[Obj]:
        """The operator's objects, and what only this engine needs."""

    def surroundings(self, share: Share) -> Surroundings:
        """Ports, selectors and alerts."""

    def volumes(self, spec: Obj) -> Mapping[str, str]:
        """Role -> size of a node's volume, for roles whose nodes have another than spec.storage.size."""

    def connection(self, name: str, namespace: str, domain: str, spec: Obj) -> Connection:
        """Where clients connect to in the region of that cluster domain."""

    def secrets(self, name: str, spec: Obj) -> tuple[SecretNeed, ...]:
        """Secrets that the observer makes."""

    def names(self, spec: Obj, regions: Obj) -> Mapping[str, Sequence[str]]:
        """Kind -> what follows the claim's name in names of objects in its namespace, the operator's among them.

        Of the kinds that another engine's services have as well, without Secrets of `secrets`. "#" stands for a number,
        "~" for anything that ends in a hash of eight digits. regions is that section of the catalog.
        """

    def observe(self, spec: Obj, objects: Sequence[Obj]) -> Observation:
        """The state of the operator's objects (one at least) of one service in one region."""

    def snapshot(self, objects: Sequence[Obj], name: str) -> list[Obj]:
        """Objects that take one backup of a service, given its rendered objects in a region; metadata: only the name.

        None where another region's backup is of this one's data too.

        Raises DbaasError option-invalid where the service has no place for backups, or the operator takes no such one.
        """

    def snapshot_state(self, objects: Sequence[Obj]) -> Backup:
        """How far the backup is, given its live objects (one at least)."""

    def guards(self) -> Mapping[Kind, Sequence[Rule]]:
        """Rules of the operator's webhook, for admission policies."""


class Chart(Engine, Protocol):
    """A second way to make an engine's services: by a Helm chart that Argo CD renders, instead of an operator.

    kinds are those of the chart that tell how the service is, plain those that render makes. All that the chart makes
    bears the labels of the service and DRIVER; its StatefulSets also the annotations of the share.
    """

    #: every kind that the chart makes
    made: tuple[Kind, ...]

    def releases(self, share: Share) -> list[Release]:
        """The releases of a service in a region."""
