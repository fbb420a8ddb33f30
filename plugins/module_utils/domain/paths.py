# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where everything lies in the GitOps repository: every path is made here, so the layout can change in one place."""

from __future__ import annotations

import re
from dataclasses import dataclass

PLATFORM = "platform.yml"
#: the catalog as the collection ships it, and what the platform itself puts over that
CATALOG, OWN_CATALOG = "base/catalog", "catalog"
#: an empty folder is an error to Argo CD
NO_TENANTS = "tenants/.keep"


def base(*parts: str) -> str:
    """What all PoPs share."""
    return "/".join(("base", *parts))


def overlay(pop: str, *parts: str) -> str:
    """What one PoP runs."""
    return "/".join(("overlays", pop, *parts))


def tenant_values(pop: str) -> str:
    """What the foundations of all tenants in a PoP are rendered with, over their own values."""
    return overlay(pop, "tenants", "values.yaml")


def claim_policies(pop: str) -> str:
    """What a PoP lets tenants apply, made from the catalog."""
    return overlay(pop, "policies", "claims.yaml")


def tenant(tenant_id: str) -> str:
    """Who the tenant is: its Tenant document."""
    return f"tenants/{tenant_id}/tenant.yaml"


def claims(tenant_id: str) -> str:
    """The folder of a tenant's claims, with its slash."""
    return f"tenants/{tenant_id}/claims/"


def claim(tenant_id: str, service: str) -> str:
    """The declaration: the only file of a service that a person edits."""
    return f"{claims(tenant_id)}{service}.yaml"


def retained(tenant_id: str, service: str) -> str:
    """The claim of a service that nobody declares any more, and whose data is kept; its name stays taken."""
    return f"tenants/{tenant_id}/retained/{service}.yaml"


def foundation(tenant_id: str, pop: str, name: str) -> str:
    """`application.yaml` or `values.yaml` of a tenant's foundation in a PoP."""
    return f"tenants/{tenant_id}/{pop}/{name}"


def services(tenant_id: str, pop: str) -> str:
    """The folder of all that a tenant has in a PoP."""
    return f"tenants/{tenant_id}/{pop}/services"


def service(tenant_id: str, pop: str, service_name: str) -> str:
    """Every object of a service in a PoP, the copy of its claim first."""
    return f"{services(tenant_id, pop)}/{service_name}.yaml"


def service_of(path: str) -> tuple[str, str, str] | None:
    """(tenant, PoP, service) of the path of a service's derived file, None for any other path."""
    match path.split("/"):
        case ["tenants", tenant_id, pop, "services", name] if name.endswith(".yaml"):
            return tenant_id, pop, name.removesuffix(".yaml")
    return None


def snapshots(tenant_id: str, pop: str) -> str:
    """The folder of the final backups that a tenant's services left in a PoP, with its slash."""
    return f"{services(tenant_id, pop)}/snapshots/"


def snapshot(tenant_id: str, pop: str, service_name: str, operation: str) -> str:
    """The objects of the final backup that an operation took of a service."""
    return f"{snapshots(tenant_id, pop)}{service_name}-{operation[:8]}.yaml"


def volumes(tenant_id: str, pop: str, service_name: str) -> str:
    """The volumes of a service that a chart made and that is on its way out: by this file they go, or stay."""
    return f"{services(tenant_id, pop)}/volumes/{service_name}.yaml"


#: the Application that applies those of all tenants
TENANTS_APPLICATION = "dbaas-tenants"


def namespace_of(application: str) -> str | None:
    """The namespace of the tenant that an Application is a foundation's, services' or a chart's of, None for others."""
    if application.startswith("tenant-"):
        return application
    if application.startswith("chart-") and "." in application:
        return namespace(application.removeprefix("chart-").partition(".")[0])
    return namespace(application.removeprefix("services-")) if application.startswith("services-") else None


def namespace(tenant_id: str) -> str:
    """The tenant's namespace, in every PoP that it uses."""
    return f"tenant-{tenant_id}"


@dataclass(frozen=True)
class Place:
    """What a path below `tenants/` is, by its name alone.

    kind is tenant, claim, retained, foundation, service, snapshot, volumes, keep or unknown; what a kind lacks is "".
    """

    kind: str
    tenant: str = ""
    pop: str = ""
    name: str = ""


_PLACES = re.compile(
    r"""(?x) tenants/ (?P<tenant>[^/]+) / (?:
        (?P<identity> tenant\.yaml )
        | (?P<declared> claims | retained ) / (?P<claim> [^/]+ ) \.yaml
        | (?P<pop> [^/]+ ) / (?:
            (?P<foundation> application | values ) \.yaml
            | services / (?P<service> [^/]+ ) \.yaml
            | services / snapshots / (?P<snapshot> [^/]+ ) \.yaml
            | services / volumes / (?P<volumes> [^/]+ ) \.yaml ) )"""
)


def place(path: str) -> Place:
    """The inverse of the functions above, for what lies below `tenants/`."""
    if path.rsplit("/", 1)[-1] == ".keep":
        return Place("keep")
    found = _PLACES.fullmatch(path)
    if found is None:
        return Place("unknown")
    tenant_id, pop = found["tenant"], found["pop"] or ""
    if found["identity"]:
        return Place("tenant", tenant_id)
    if found["declared"]:
        return Place("claim" if found["declared"] == "claims" else "retained", tenant_id, "", found["claim"])
    if pop in ("claims", "retained"):
        return Place("unknown")
    for kind in ("foundation", "service", "snapshot", "volumes"):
        if found[kind]:
            return Place(kind, tenant_id, pop, found[kind])
    raise AssertionError(path)
