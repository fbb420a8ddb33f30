# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Secrets of the `platform` provider: derived, not rolled, so that every region of a service has the same.

HKDF-SHA256 of the platform key; what it is mixed with (service id, purpose, generation) is no secret. Losing the key
means that Secrets which are lost can no longer be made again; it does not touch those that exist.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.domain import born, certificates, placement
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, CONFIG_MAP, GROUP, SECRET, Kind

Json = dict[str, Any]

MANAGED = f"{GROUP}/managed-by"
_GENERATION = 1
#: a password of its own, in a Secret that holds several
_ONE_MORE = re.compile(r"\{password/[a-z_]+\}")


@dataclass(frozen=True)
class WantedSecret:
    """A Secret that a copy of a claim needs in its namespace."""

    namespace: str
    name: str
    service_id: str
    purpose: str
    fields: dict[str, str]
    #: the DNS names of its certificate, where it has one
    hosts: tuple[str, ...]
    labels: dict[str, str]
    #: the copy of the claim, or its record: Kubernetes takes the Secret away when that is gone
    owner: dict[str, str]


def of_live(live: Json, record: Json | None) -> list[WantedSecret]:
    """The Secrets that a live ServiceClaim needs: a copy, or a tenant's own object with the record that stands for it.

    A tenant may delete its own, and the Secrets of what runs on must not go with it: they are the record's.
    """
    if not born.by_tenant(live):
        return wanted(live)
    copy = born.copy_of(record) if record else None
    own = [] if record is None or copy is None else wanted(copy)
    owner = {} if record is None else _owner(CONFIG_MAP, record["metadata"])
    return [replace(secret, owner=owner) for secret in own]


def _owner(kind: Kind, metadata: Json) -> dict[str, str]:
    name, uid = metadata["name"], metadata.get("uid", "")
    return {"apiVersion": kind.api_version, "kind": kind.kind, "name": name, "uid": uid}


def wanted(copy: Json) -> list[WantedSecret]:
    """The Secrets that this copy needs."""
    metadata, spec = copy["metadata"], copy["spec"]
    engine = engines.of(copy)
    if engine is None or not spec.get("serviceId"):
        return []
    labels = {key: value for key, value in metadata.get("labels", {}).items() if key.startswith(f"{GROUP}/")}
    owner = _owner(CLAIM, metadata)
    namespace = metadata["namespace"]
    domain = (metadata.get("annotations") or {}).get(f"{GROUP}/cluster-domain", "cluster.local")
    return [
        WantedSecret(
            namespace,
            need.name,
            spec["serviceId"],
            need.purpose,
            need.fields,
            tuple(host.format(namespace=namespace, domain=domain) for host in need.hosts),
            labels,
            owner,
        )
        for need in (placement if placement.pooled(spec) else engine).secrets(metadata["name"], spec)
    ]


def build(secret: WantedSecret, key: bytes) -> Json:
    """The manifest, its values derived from the platform key (32 bytes or more)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    # the namespace too: a claim may bring a service id, and another tenant's must not open that tenant's database
    info = f"{GROUP}/{secret.namespace}/{secret.service_id}/{secret.name}/{secret.purpose}/{_GENERATION}"

    def derive(label: str, length: int) -> bytes:
        text = f"{info}/{label}" if label else info
        return HKDF(algorithm=SHA256(), length=length, salt=None, info=text.encode()).derive(key)

    def password(label: str) -> str:
        return base64.urlsafe_b64encode(derive(label, 32)).decode().rstrip("=")

    values = {"password": password(""), "base64": base64.b64encode(derive("", 32)).decode()}
    if secret.hosts:
        values |= certificates.issue(secret.hosts, derive)
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {
            "name": secret.name,
            "namespace": secret.namespace,
            "labels": {**secret.labels, MANAGED: "observer"},
            "annotations": {f"{GROUP}/generation": str(_GENERATION)},
            "ownerReferences": [secret.owner],
        },
        "type": "Opaque",
        "data": {
            field: base64.b64encode(_filled(text, values, password).encode()).decode()
            for field, text in secret.fields.items()
        },
    }


def _filled(text: str, values: dict[str, str], password: Callable[[str], str]) -> str:
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return _ONE_MORE.sub(lambda found: password(found[0][1:-1]), text)
