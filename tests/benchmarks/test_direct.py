"""How long it takes to apply what six engines' services are made of, by four ways and one API server.

All apply the same objects, each way in a namespace of its own; nothing else works on them: operators, Argo CD and the
observer are stopped. Ours is given claims, and plans, admits and renders them too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.domain.direct import kind_of
from ansible_collections.dbaas.platform.plugins.module_utils.domain.plan import Document, Request, plan_claims
from ansible_collections.dbaas.platform.plugins.module_utils.runner import base
from ansible_collections.dbaas.platform.plugins.module_utils.runner.base import Run
from rich.console import Console
from rich.table import Table

from tests.benchmarks import rivals
from tests.lab import Lab
from tests.lab.platform import environment, set_up
from tests.tools.tree import ROOT
from tests.unit.runner.world import SHIPPED, claim

Json = dict[str, Any]
#: what comes with the rivals' packages
COLLECTION = "6.2.0"
SKUS = ("scy-ring-3", "yb-dedicated", "vt-dedicated", "dfly-mem-16g", "aero-strong-3", "mongo-flex-rs")
CLAIMS, THREADS = 900, 16
#: claims of what is slow, which is scaled
LISTED, LOOPED = 60, 2
#: how many times as quick as the loop and as the list; and as the bare client, which plans and renders nothing
LOOP, LIST, BARE = 300, 3, 0.7
TENANTS = ("warm", "ours", "bare", "list", "loop")
#: a bare client: a pool, threads, and texts that are ready made
CLIENT = """
import base64, sys, time, urllib3, yaml
from concurrent.futures import ThreadPoolExecutor
source, kubeconfig, threads = sys.argv[1:]
config = yaml.safe_load(open(kubeconfig))
cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
server, token = cluster["server"], user["token"]
ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
work = [line.split(b"\\t", 1) for line in open(source, "rb").read().splitlines()]
pool = urllib3.PoolManager(ca_cert_data=ca, maxsize=int(threads), retries=False)
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/apply-patch+yaml"}
def apply(each):
    path, body = each
    answer = pool.request("PATCH", server + path.decode() + "?fieldManager=bare&force=true", body=body, headers=headers)
    assert answer.status in (200, 201), answer.data
start = time.monotonic()
with ThreadPoolExecutor(int(threads)) as workers:
    list(workers.map(apply, work))
print(time.monotonic() - start)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = Lab.up(["lagos"], state=tmp_path_factory.mktemp("lab"))
    try:
        set_up(lab)
        for name in TENANTS:
            lab.api("lagos").apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"tenant-{name}"}})
        lab.stop("argocd-repo-server")
        for name in ("argocd-application-controller", "kwok", "observer", "kube-controller-manager"):
            lab.stop(name, "lagos")
        yield lab
    finally:
        lab.down(purge=True)


def claims(tenant: str, count: int) -> list[Json]:
    """So many claims, as many of each engine."""
    return [claim(f"s{number:04}", tenant, sku=SKUS[number % len(SKUS)]) for number in range(count)]


def rendered(tenant: str, count: int) -> list[Json]:
    """What ours makes of them."""
    catalog, platform = base.stated(Run({"shipped": SHIPPED}))
    request = Request("", "bench", "30m", "0", "direct")
    given = [Document("", item) for item in claims(tenant, count)]
    plan = plan_claims(given, {}, catalog=catalog, platform=platform, tenants=None, request=request, yaml=base.YAML)
    return plan.manifests["lagos"]


class Bench:
    def __init__(self) -> None:
        #: what -> seconds for each object, objects that were applied, and a remark
        self.rows: dict[str, tuple[float, int, str]] = {}

    @contextmanager
    def row(self, what: str, count: int, remark: str, less: float = 0) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.rows[what] = (time.monotonic() - start - less) / count, count, remark

    def times(self, what: str) -> float:
        """How many times as quick as that service_claims is."""
        return self.rows[what][0] / self.rows["service_claims"][0]


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    table = Table("what", title="server-side apply, direct delivery")
    for column in ("objects", "ms an object", "objects a second", "ours is so many times as quick"):
        table.add_column(column, justify="right")
    table.add_column("remark")
    for what, (seconds, count, remark) in bench.rows.items():
        quick = f"{bench.times(what):.2f}"
        table.add_row(what, f"{count:,}", f"{seconds * 1000:.2f}", f"{1 / seconds:.0f}", quick, remark)
    Console(width=150).print("", table)


def count(lab: Lab, tenant: str) -> int:
    kinds = {kind_of(item) for item in rendered(tenant, len(SKUS))}
    found = [lab.api("lagos").request("GET", kind.path(f"tenant-{tenant}"))["items"] for kind in kinds]
    return sum(
        any(entry["operation"] == "Apply" for entry in item["metadata"]["managedFields"])
        for each in found
        for item in each
    )


@pytest.mark.timeout(1800)
def test_ours_beside_a_loop_a_list_and_a_bare_client(lab: Lab, bench: Bench, tmp_path: Path) -> None:
    programs = rivals.programs()
    assert rivals.version(programs, "kubernetes/core") == COLLECTION
    kubeconfig = lab.kubeconfig("argocd")

    # the schemas of a server that has just started are slow for whoever comes first
    for item in rendered("warm", len(SKUS)):
        lab.api("lagos", "argocd").apply(item)

    source = tmp_path / "claims.json"
    source.write_text("\n---\n".join(map(json.dumps, claims("ours", CLAIMS))))
    objects = rendered("bare", CLAIMS)
    env = {**environment(lab, "argocd"), "DBAAS_REPOSITORY": "", "ANSIBLE_LOCALHOST_WARNING": "false"}
    arguments = json.dumps({"src": str(source), "delivery": "direct"})
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-m", "dbaas.platform.service_claims"]
    with bench.row("service_claims", len(objects), f"{CLAIMS} claims: Ansible's start, plan and rendering included"):
        done = subprocess.run(
            [*command, "-a", arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert count(lab, "ours") == len(objects)

    (tmp_path / "bare").write_bytes(b"".join(line(item) for item in objects))
    bare = [sys.executable, "-c", CLIENT, str(tmp_path / "bare"), str(kubeconfig), str(THREADS)]
    said = subprocess.run(bare, capture_output=True, text=True, check=True).stdout
    bench.rows["bare client"] = (
        float(said) / len(objects),
        len(objects),
        f"{THREADS} threads, texts ready made, start left out",
    )

    rival = rivals.environment(programs, tmp_path, K8S_AUTH_KUBECONFIG=str(kubeconfig), K8S_AUTH_CONTEXT="lagos")
    start = time.monotonic()
    rivals.play(tmp_path, [{"ansible.builtin.meta": "noop"}], rival)
    idle = time.monotonic() - start
    how = {"apply": True, "server_side_apply": {"field_manager": "rival", "force_conflicts": True}}
    listed = rendered("list", LISTED)
    (tmp_path / "list.yml").write_text("\n---\n".join(map(json.dumps, listed)))
    with bench.row("kubernetes.core.k8s, a list", len(listed), "a sample, ready made, start left out", idle):
        rivals.play(tmp_path, [{"kubernetes.core.k8s": {"src": str(tmp_path / "list.yml"), **how}}], rival)
    assert count(lab, "list") == len(listed)
    looped = rendered("loop", LOOPED * len(SKUS))
    task = {"kubernetes.core.k8s": {"definition": "{{ item }}", **how}, "loop": looped}
    with bench.row("kubernetes.core.k8s, a loop", len(looped), "a sample, start left out", idle):
        rivals.play(tmp_path, [task], rival)
    assert count(lab, "loop") == len(looped)

    again = time.monotonic()
    done = subprocess.run([*command, "-a", arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert '"changed": false' in done.stdout
    bench.rows["service_claims, nothing to do"] = (
        (time.monotonic() - again) / len(objects),
        len(objects),
        "reads the copies",
    )
    assert bench.times("kubernetes.core.k8s, a loop") >= LOOP
    assert bench.times("kubernetes.core.k8s, a list") >= LIST
    assert bench.times("bare client") >= BARE


def line(item: Json) -> bytes:
    metadata = item["metadata"]
    return f"{kind_of(item).path(metadata['namespace'], metadata['name'])}\t{json.dumps(item)}\n".encode()
