# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one schema of the ServiceClaim: the CRD, the module options and the checks of `admit` are all made from it.

It is OpenAPI v3 as a structural CRD wants it. What depends on the SKU (sizes, factors, versions) is the catalog's.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import engines
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import CLAIM, GROUP, VERSION

Json = dict[str, Any]

#: the platform's six, built or not, and whatever else is built
ENGINES = tuple(dict.fromkeys(("yugabyte", "vitess", "scylla", "dragonfly", "aerospike", "mongodb", *engines.ENGINES)))
PLANS = ("shared", "dedicated", "clustered", "global")
PHASES = ("Pending", "Provisioning", "Active", "Updating", "Degraded", "Failed", "Deleting")

#: What a pattern asks for, in words: error messages say this, not the expression.
PATTERNS: dict[str, str] = {
    r"^[a-z]([a-z0-9-]*[a-z0-9])?$": "a name of lower-case letters, digits and hyphens that begins with a letter",
    r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$": "a name of lower-case letters, digits and hyphens",
    r"^[a-z][a-z0-9_]*$": "a name of lower-case letters, digits and underscores that begins with a letter",
    r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$": "a service as tenant/service",
    r"^[1-9][0-9]*(Gi|Ti)$": "a size such as 100Gi or 2Ti",
    r"^[1-9][0-9]*(Mi|Gi|Ti)$": "a size such as 512Mi or 32Gi",
    r"^[1-9][0-9]*m?$": "an amount of CPU such as 500m or 8",
    r"^[1-9][0-9]{0,3}[hdw]$": "a duration such as 12h, 14d or 4w",
    r"^[1-9][0-9]{0,3}[sm]$": "a duration such as 30s or 1m",
    r"^[0-9]+\.[0-9]+(\.[0-9]+)?([.-][A-Za-z0-9.-]+)?$": "a version such as 2025.1.5",
    r"^[0-9]{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?$": "a date such as 2026-01-31, or a month such as 2026-01",
    r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._/-]*)?$": "an address such as s3://bucket or s3://bucket/path",
    r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$": "a UUID in lower case",
    r"^([0-9]{1,3}\.){3}[0-9]{1,3}/[0-9]{1,2}$|^[0-9a-fA-F:]+/[0-9]{1,3}$": "a network such as 10.0.0.0/8",
    r"^[A-Za-z][A-Za-z0-9]*$": "a kind such as ScyllaCluster",
    r"^[a-z0-9][a-z0-9._/:-]*[a-z0-9](:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$": (
        "an image such as registry.example.com/team/server:1.2.3"
    ),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": "a time of day in quotes, such as '02:30'",
    # whoever renders what waits for a window looks every quarter of an hour
    r"^([3-9][0-9]|[1-9][0-9][0-9]|1[0-3][0-9][0-9]|14[0-3][0-9]|1440)m$|^([1-9]|1[0-9]|2[0-4])h$": (
        "half an hour to a day, such as 90m or 4h"
    ),
}
NAME, LABEL, IDENTIFIER, SERVICE, SIZE, MEMORY, CPU, DURATION, INTERVAL, VERSION_TEXT, DATE, ADDRESS, *_MORE = PATTERNS
UUID, CIDR, KIND, IMAGE, TIME_OF_DAY, STRETCH = _MORE
#: the days of a maintenance window, as datetime counts them
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: operators append suffixes to the names of claims (engines tell their own, shorter limits)
NAME_LENGTH = 40


def _text(description: str, pattern: str | None = None, length: int = 64, **more: Any) -> Json:
    return {
        "type": "string",
        "description": description,
        "maxLength": length,
        **({"pattern": pattern} if pattern else {}),
        **more,
    }


def _flag(description: str, default: bool) -> Json:
    return {"type": "boolean", "description": description, "default": default}


def _object(description: str, properties: Json, **more: Any) -> Json:
    return {"type": "object", "description": description, "properties": properties, **more}


def _frozen(field: str) -> Json:
    return {
        "rule": f"!has(oldSelf.{field}) || (has(self.{field}) && self.{field} == oldSelf.{field})",
        "message": f"{field} cannot be changed",
        "fieldPath": f".{field}",
    }


SPEC: Json = _object(
    "What the tenant wants: the one declaration that everything else is made from.",
    {
        "serviceId": _text(
            "Identity of the service for all its life; written by whoever renders the claim first.", UUID, 36
        ),
        "sku": _text("Name of a SKU of the catalog. Without it, engine and plan choose one.", LABEL),
        "engine": _text("Database engine.", enum=list(ENGINES)),
        "plan": _text("Service plan.", enum=list(PLANS)),
        "version": _text("Version of the engine; the catalog's default when not given.", VERSION_TEXT),
        "region": _text("Home region (point of presence): where the connection points to.", LABEL, 20),
        "storage": _object(
            "Storage of each node.",
            {
                "size": _text("Size of each node's volume; can grow where the engine can, never shrink.", SIZE, 16),
                "class": _text("Storage class; the region's default when not given.", LABEL, 63),
            },
        ),
        "replication": _object(
            "Copies of the data.",
            {
                "factor": {"type": "integer", "description": "Copies in each region.", "minimum": 1, "maximum": 9},
                "regions": {
                    "type": "array",
                    "description": "All regions, the home region among them; that one alone when not given.",
                    "items": _text("Region.", LABEL, 20),
                    "minItems": 1,
                    "maxItems": 16,
                    "x-kubernetes-list-type": "set",
                },
            },
        ),
        "backup": _object(
            "Backups to object storage.",
            {
                "enabled": _flag("Whether backups are made.", True),
                "schedule": _text("When, as a cron expression of five fields, in UTC.", default="0 2 * * *"),
                "retention": _text("How long a backup is kept.", DURATION, 16, default="14d"),
                "destination": _text("Where to; the region's own bucket for the tenant when not given.", ADDRESS, 256),
            },
            default={},
        ),
        "observability": _object(
            "Metrics and logs.",
            {
                "metrics": _object(
                    "Metrics, alerts included.",
                    {
                        "enabled": _flag("Whether metrics are collected.", True),
                        "scrapeInterval": _text("How often.", INTERVAL, 16, default="30s"),
                    },
                    default={},
                ),
                "logs": _object(
                    "Logs.",
                    {
                        "enabled": _flag("Whether logs are collected.", True),
                        "retention": _text("How long they are kept.", DURATION, 16, default="30d"),
                    },
                    default={},
                ),
            },
            default={},
        ),
        "highAvailability": _object(
            "Resilience within a region.",
            {
                "enabled": _flag("Whether the service survives the loss of a node.", True),
                "multiAZ": _flag("Whether nodes are spread over the region's zones.", True),
            },
            default={},
        ),
        "networking": _object(
            "Who may connect, and how.",
            {
                "tls": _object(
                    "Encryption in transit.",
                    {
                        "enabled": _flag("Whether clients connect with TLS.", True),
                        "certificate": _text(
                            "Name of the Secret with the serving certificate, for engines that take one.", LABEL, 63
                        ),
                    },
                    default={},
                ),
                "allowedCIDRs": {
                    "type": "array",
                    "description": "Networks that may connect; none from outside the namespace when empty.",
                    "items": _text("Network in CIDR notation.", CIDR, 43),
                    "maxItems": 64,
                    "default": [],
                    "x-kubernetes-list-type": "set",
                },
            },
            default={},
        ),
        "deletionProtection": _flag(
            "Whether the service may not be deleted (keeping its data is always possible).", False
        ),
        "database": _object(
            "The database that the service is in a shared cluster; of the shared plan alone.",
            {"name": _text("Its name; made of the service's name and id when not given.", IDENTIFIER, 63)},
        ),
        "resources": {
            "type": "object",
            "description": "Nodes of each role of the engine, as the SKU names them; the SKU's when not given.",
            "maxProperties": 8,
            "additionalProperties": _object(
                "Nodes of one role.",
                {
                    "replicas": {
                        "type": "integer",
                        "description": "Nodes in each region.",
                        "minimum": 1,
                        "maximum": 1000,
                    },
                    "cpu": _text("CPU of a node.", CPU, 16),
                    "memory": _text("Memory of a node.", MEMORY, 16),
                },
            ),
        },
        # none of what follows has a default: a claim that does not name it is rendered as before there was the field
        "parameters": {
            "type": "object",
            "description": "Settings of the engine, by the names that the catalog has of it; it says what each may be"
            " and what changing it restarts.",
            "maxProperties": 64,
            "additionalProperties": {
                "description": "Text, a number or a truth value, as the catalog says.",
                "x-kubernetes-preserve-unknown-fields": True,
            },
        },
        "paused": {
            "type": "boolean",
            "description": "Whether the database is stopped and its data kept, where the engine can. It runs when not"
            " given.",
        },
        "maintenance": _object(
            "When a change that restarts nodes may begin; at any time without windows.",
            {
                "windows": {
                    "type": "array",
                    "description": "Stretches of the week, in UTC.",
                    "items": _object(
                        "One stretch.",
                        {
                            "days": {
                                "type": "array",
                                "description": "Days on which it opens; each day when not given.",
                                "items": _text("Day of the week.", enum=list(DAYS)),
                                "minItems": 1,
                                "maxItems": 7,
                                "x-kubernetes-list-type": "set",
                            },
                            "start": _text("When it opens.", TIME_OF_DAY, 5),
                            "duration": _text("How long it stays open.", STRETCH, 5),
                        },
                        required=["start", "duration"],
                    ),
                    "minItems": 1,
                    "maxItems": 16,
                    "x-kubernetes-list-type": "atomic",
                },
            },
            required=["windows"],
        ),
        "placement": _object(
            "Machines that the nodes stand on.",
            {
                "nodeSelector": {
                    "type": "object",
                    "description": "Labels that a machine must have.",
                    "maxProperties": 16,
                    "additionalProperties": _text("Value of the label.", length=63),
                },
                "tolerations": {
                    "type": "array",
                    "description": "Taints of machines that the nodes bear, as pods have them.",
                    "items": _object(
                        "One taint.",
                        {
                            "key": _text("Key of the taint; any when not given.", length=316),
                            "operator": _text("How the value is compared.", enum=["Exists", "Equal"]),
                            "value": _text("Value of the taint.", length=63),
                            "effect": _text(
                                "Its effect; any when not given.", enum=["NoSchedule", "PreferNoSchedule", "NoExecute"]
                            ),
                            "tolerationSeconds": {
                                "type": "integer",
                                "description": "For how long, of effect NoExecute.",
                                "minimum": 0,
                                "maximum": 2**31 - 1,
                            },
                        },
                    ),
                    "maxItems": 16,
                    "x-kubernetes-list-type": "atomic",
                },
                "pool": _text(
                    "Service that holds the database of a shared plan, as tenant/service; the catalog's choice when"
                    " the claim is admitted, and kept from then on.",
                    SERVICE,
                    81,
                ),
            },
        ),
        "images": {
            "type": "object",
            "description": "Images of the tenant's own, by what they are for, where the tenant's document allows it.",
            "maxProperties": 8,
            "additionalProperties": _text("An image.", IMAGE, 255),
        },
        "overrides": {
            "type": "array",
            "description": "Patches of what is rendered, of the kinds that the tenant's document allows. What a patch"
            " does is nobody's promise.",
            "items": _object(
                "One patch.",
                {
                    "kind": _text("Kind of the objects.", KIND, 63),
                    "name": _text("Name of the one object; all of the kind when not given.", length=253),
                    "patch": {
                        "type": "object",
                        "description": "What is put over the object (a JSON merge patch, RFC 7386).",
                        "x-kubernetes-preserve-unknown-fields": True,
                    },
                },
                required=["kind", "patch"],
            ),
            "maxItems": 16,
            "x-kubernetes-list-type": "atomic",
        },
    },
    required=["region"],
    **{
        "x-kubernetes-validations": [
            {
                "rule": "has(self.sku) || (has(self.engine) && has(self.plan))",
                "message": "sku, or engine and plan, must be given",
            },
            {
                "rule": "!has(self.replication) || !has(self.replication.regions)"
                " || self.region in self.replication.regions",
                "message": "regions must contain the home region",
                "fieldPath": ".replication.regions",
            },
            {
                "rule": "!has(oldSelf.storage) || !has(oldSelf.storage.size)"
                " || (has(self.storage) && has(self.storage.size)"
                " && quantity(self.storage.size).compareTo(quantity(oldSelf.storage.size)) >= 0)",
                "message": "storage cannot shrink",
                "fieldPath": ".storage",
            },
            _frozen("engine"),
            _frozen("region"),
            _frozen("serviceId"),
        ]
    },
)

_TIME: Json = {"type": "string", "format": "date-time"}
_WORD: Json = {"type": "string"}
_COUNT: Json = {"type": "integer"}
_REFERENCE: Json = {"type": "object", "properties": {"name": _WORD}}

STATUS: Json = _object(
    "What this point of presence has of the service; written by its observer alone.",
    {
        "phase": {"type": "string", "enum": list(PHASES)},
        "observedGeneration": {"type": "integer", "format": "int64"},
        # of an operator's object that has no observedGeneration of its own: the one that was Active last
        "operatorGeneration": {"type": "integer", "format": "int64"},
        "connectionString": _WORD,
        "connection": {
            "type": "object",
            "properties": {
                "host": _WORD,
                "port": _COUNT,
                "hosts": {"type": "array", "items": _WORD},
                "tls": {"type": "boolean"},
                "secretRef": _REFERENCE,
                "caSecretRef": _REFERENCE,
                "clientCertificateSecretRef": _REFERENCE,
            },
        },
        "endpoints": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": _WORD,
                    "region": _WORD,
                    "scope": {"type": "string", "enum": ["internal", "external"]},
                    "host": _WORD,
                    "port": _COUNT,
                    "url": _WORD,
                },
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "conditions": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "status", "lastTransitionTime"],
                "properties": {
                    "type": _WORD,
                    "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
                    "reason": _WORD,
                    "message": _WORD,
                    "observedGeneration": {"type": "integer", "format": "int64"},
                    "lastTransitionTime": _TIME,
                },
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
        "lastOperation": {
            "type": "object",
            "properties": {
                "id": _WORD,
                "action": _WORD,
                "state": {"type": "string", "enum": ["Running", "Succeeded", "Failed"]},
                "requester": _WORD,
                "reason": _WORD,
                "ready": _COUNT,
                "wanted": _COUNT,
                "message": _WORD,
                "startedAt": _TIME,
                "deadline": _TIME,
                "finishedAt": _TIME,
                "steps": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {
                            "name": {"type": "string", "enum": ["committed", "synced", "provisioning", "ready"]},
                            "at": _TIME,
                            "message": _WORD,
                        },
                    },
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                },
            },
        },
    },
)


def is_label(text: str, length: int) -> bool:
    """Whether this is a name of lower-case letters, digits and hyphens of at most that many characters."""
    return len(text) <= length and re.fullmatch(LABEL, text) is not None


def snake(name: str) -> str:
    """The option name of a field name: `allowedCIDRs` -> `allowed_cidrs`, `multiAZ` -> `multi_az`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def crd() -> Json:
    """The CustomResourceDefinition of ServiceClaim (apiextensions.k8s.io/v1)."""
    columns = [
        ("SKU", ".spec.sku"),
        ("Engine", ".spec.engine"),
        ("Plan", ".spec.plan"),
        ("Region", ".spec.region"),
        ("Phase", ".status.phase"),
        ("Ready", ".status.lastOperation.ready"),
        ("Wanted", ".status.lastOperation.wanted"),
    ]
    counts = ("Ready", "Wanted")
    schema = {
        "type": "object",
        "description": "A database service, declared.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": SPEC,
            "status": STATUS,
        },
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{CLAIM.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": CLAIM.kind,
                "listKind": f"{CLAIM.kind}List",
                "plural": CLAIM.plural,
                "singular": "serviceclaim",
                "shortNames": ["dbc"],
                "categories": ["dbaas"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        *(
                            {"name": name, "type": "integer" if name in counts else "string", "jsonPath": path}
                            for name, path in columns
                        ),
                        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
                    ],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }
