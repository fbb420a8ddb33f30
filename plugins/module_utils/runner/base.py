# Copyright: (c) 2026, dbaas.platform contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""What all runners share.

A runner is a function of a Run that returns the task's result; module and action of a name call the same one.
"""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote, blob_id
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import Cluster, KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.delivery import Tree
from ansible_collections.dbaas.platform.plugins.module_utils.domain import catalog as catalogs
from ansible_collections.dbaas.platform.plugins.module_utils.domain import paths, quantity
from ansible_collections.dbaas.platform.plugins.module_utils.domain import platform as platforms
from ansible_collections.dbaas.platform.plugins.module_utils.domain import repository as layout
from ansible_collections.dbaas.platform.plugins.module_utils.domain import tenant as tenants
from ansible_collections.dbaas.platform.plugins.module_utils.domain.catalog import Catalog
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError, FieldError, InvalidFields
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Request, Yaml
from ansible_collections.dbaas.platform.plugins.module_utils.domain.platform import Platform
from ansible_collections.dbaas.platform.plugins.module_utils.domain.render import stamped
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import Kind
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

Json = dict[str, Any]

YAML = Yaml(documents.load_all, documents.load_own, documents.dump, documents.dump_all, blob_id)

#: requests to clusters at once
WORKERS = 16

_OPERATION = re.compile(rb"dbaas\.example\.com/operation: \"?([0-9a-f-]{36})")


def _silent(_line: str) -> None:
    return


@dataclass(frozen=True)
class Run:
    """One task: its checked options, the modes it runs in, and where progress goes."""

    options: Json
    check: bool = False
    diff: bool = False
    progress: Callable[[str], None] = field(default=_silent)

    def text(self, name: str) -> str:
        return str(self.options.get(name) or "")


def shipped(root: Path) -> Json:
    """What the collection at `root` ships beside its code: catalog, platform.yml, static files of base/, the runbook.

    Returned as the option `shipped` of modules has it, so that a module that runs elsewhere has it too.
    """
    files = sorted((root / "catalog").glob("*.yml"))
    static = sorted(path for path in (root / "gitops").rglob("*") if path.is_file())
    return {
        "catalog": {path.name: path.read_text() for path in files if path.name != "platform.yml"},
        "platform": (root / "catalog" / "platform.yml").read_text(),
        "base": {str(path.relative_to(root / "gitops")): path.read_text() for path in static if path.suffix != ".md"},
        "runbook": (root / "docs" / "runbook.md").read_text(),
    }


def now() -> datetime:
    """The moment, in UTC; here alone, so that tests can say another one."""
    return datetime.now(UTC)


def request(run: Run, parent: str, *, windows: bool = False) -> Request:
    """Who asks: AWX's user where AWX runs us (the action gives it), else the local one.

    windows: whether changes that restart nodes wait for a window of their claim.
    """
    requester = run.text("requester") or _local_user()
    deadline = run.text("deadline") or "30m"
    try:
        quantity.seconds(deadline)
    except ValueError:
        error = FieldError("deadline", deadline, "a duration such as 90s, 30m or 2h")
        raise InvalidFields("option-invalid", [error]) from None
    # one word: it stands among others in the commit's trailers
    origin = "direct" if run.text("delivery") == "direct" else "git"
    return Request(parent, "_".join(requester.split()), deadline, VERSION, origin, now() if windows else None)


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # a container that runs with any user id has no name for it
        return f"uid-{os.getuid()}"


def author(run: Run) -> str:
    """The author of a commit, as Git writes it."""
    name = request(run, "").requester
    return f"{name} <{name}@dbaas.invalid>" if "@" not in name else f"{name} <{name}>"


def repository(run: Run) -> GitRepository:
    """The GitOps repository that the options name. Raises DbaasError option-invalid when they name none."""
    return GitRepository(remote(run))


def remote(run: Run) -> Remote:
    """Where that repository is, and with which credentials."""
    if not run.text("repository"):
        raise DbaasError(
            "option-invalid",
            "repository: not given, allowed: the address of the GitOps repository (or DBAAS_REPOSITORY)",
        )
    token = run.text("token")
    if not token and run.text("token_file"):
        token = _read(run.text("token_file")).strip()
    return Remote(
        url=run.text("repository"),
        branch=run.text("branch") or "main",
        token=token or None,
        username=run.text("username") or "dbaas",
        ca_cert=run.text("ca_cert") or None,
        proxy=run.text("proxy") or None,
        ssh_key_file=run.text("ssh_key_file") or None,
        ssh_known_hosts=run.text("ssh_known_hosts") or None,
        signing_key_file=run.text("signing_key_file") or None,
        committer=run.text("committer"),
    )


def stated(run: Run) -> tuple[Catalog, Platform]:
    """Catalog and platform as the collection ships them: what holds when no repository is given."""
    data: Json = run.options["shipped"]
    return catalog_of(data["catalog"]), platforms.parse(documents.load_all(data["platform"], "platform.yml")[0])


def kept(snapshot: Tree, also: Iterable[str] = ()) -> tuple[Catalog, Platform]:
    """Catalog and platform as the repository has them. Raises DbaasError platform-missing when it was never set up.

    `also`: files that will be read next, so that they come in the same fetch: a writer's time is what others race with.
    """
    if paths.PLATFORM not in snapshot.blobs:
        raise DbaasError("platform-missing", "The repository has no platform.yml.")
    names = catalog_files(snapshot)
    files = snapshot.read([paths.PLATFORM, *names, *also])
    platform = platforms.parse(next(iter(documents.load_all(files[paths.PLATFORM], paths.PLATFORM)), None))
    return catalog_of({name: files[name] for name in names}), platform


def catalog_files(snapshot: Tree) -> list[str]:
    """The files of the catalog: those that the collection brought, and those that the platform puts over them."""
    own = f"{paths.OWN_CATALOG}/"
    return [
        path
        for path in snapshot.blobs
        if path.startswith(f"{paths.CATALOG}/") or (path.startswith(own) and path.endswith((".yml", ".yaml")))
    ]


def stale_policies(tree: Tree, catalog: Catalog, platform: Platform) -> dict[str, bytes]:
    """The policies for what tenants apply that were made from another catalog: path -> what they should be.

    Those of a repository whose collection knew none are none: an upgrade brings them.
    """
    pops = {paths.claim_policies(name): pop for name, pop in platform.pops.items()}
    made_from = {path: stamped(content).get("catalog-revision") for path, content in tree.read(pops).items()}
    return {
        path: documents.dump_all(items).encode()
        for stale, revision in made_from.items()
        if revision != catalog.revision
        for path, items in layout.claim_policies(pops[stale], catalog).items()
    }


def catalog_of(files: Mapping[str, str | bytes]) -> Catalog:
    """A catalog out of its files: name -> text; those below catalog/ are the platform's own."""

    def parsed(own: bool) -> Iterator[Any]:
        for name in sorted(files):
            if name.startswith(f"{paths.OWN_CATALOG}/") == own:
                yield from documents.load_all(files[name], name)

    return catalogs.load(parsed(own=False), parsed(own=True))


def tenants_of(snapshot: Tree, ids: Iterable[str]) -> dict[str, Json]:
    """The Tenant documents of these ids that the repository has.

    Raises InvalidFields tenant-invalid naming all that is wrong with them: people edit these files.
    """
    places = {paths.tenant(tenant_id): tenant_id for tenant_id in ids}
    found: dict[str, Json] = {}
    errors: list[FieldError] = []
    for path, text in snapshot.read(places).items():
        document: Any = next(iter(documents.load_all(text, path)), None)
        wrong = tenants.shape(document, path, places[path])
        errors += wrong
        if not wrong:
            found[places[path]] = document
    if errors:
        raise InvalidFields("tenant-invalid", errors)
    return found


def claims_of(snapshot: Tree, tenant_id: str) -> dict[str, str]:
    """The tenant's claims that the repository has: name -> path."""
    prefix, suffix = paths.claims(tenant_id), ".yaml"
    return {
        path.removeprefix(prefix).removesuffix(suffix): path
        for path in snapshot.blobs
        if path.startswith(prefix) and path.endswith(suffix)
    }


def operation_in(derived: bytes) -> str:
    """The id of the operation that a derived file of a service was committed with, "" when it bears none."""
    found = _OPERATION.search(derived)
    return found[1].decode() if found else ""


def clusters(run: Run, platform: Platform) -> dict[str, Cluster]:
    """One client per PoP of the platform, by the PoP's context of the one kubeconfig."""
    kubeconfig = run.text("kubeconfig") or os.environ.get("K8S_AUTH_KUBECONFIG") or None
    return {pop.name: Cluster(kubeconfig=kubeconfig, context=pop.context) for pop in platform.pops.values()}


def listed(cluster: Cluster, kind: Kind, namespace: str, labels: str | None, *, bare: bool = False) -> list[Json]:
    """The objects of a kind in a namespace; none where the cluster has no definition of the kind."""
    try:
        return list(cluster.list(kind, namespace, labels, bare=bare)[0])
    except KubeError as error:
        if error.status == 404:
            return []
        raise


def _read(path: str) -> str:
    try:
        return Path(path).expanduser().read_text()
    except OSError as error:
        raise DbaasError("option-invalid", f"{path}: {error.strerror}") from None


def failure(error: DbaasError) -> Json:
    """How a failure is returned: the text for people, and the same for machines."""
    fields = [
        {
            "path": item.path,
            "source": item.source,
            "given": None if item.given is None else str(item.given),
            "allowed": item.allowed,
            "nearest": None if item.nearest is None else str(item.nearest),
        }
        for item in (error.errors if isinstance(error, InvalidFields) else [])
    ]
    return {
        "failed": True,
        "msg": str(error),
        "error": {
            "code": error.code,
            "class": error.cls,
            "retry": error.retry,
            "action": error.action,
            "runbook": error.runbook,
            "fields": fields,
        },
    }
