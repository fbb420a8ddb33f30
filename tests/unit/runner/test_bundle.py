"""The support bundle: what is in it, and that no secret is, wherever one stood."""

from __future__ import annotations

import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.clients.kube import KubeError
from ansible_collections.dbaas.platform.plugins.module_utils.engines.base import APPLICATION, EVENT
from ansible_collections.dbaas.platform.plugins.module_utils.engines.scylla import CLUSTER
from ansible_collections.dbaas.platform.plugins.module_utils.version import VERSION

from tests.unit.runner.test_explain import application, full, orders, scylla
from tests.unit.runner.world import World

__all__ = ["orders"]

Json = dict[str, Any]


class Canaries:
    """Secrets that were planted, each of its own."""

    def __init__(self) -> None:
        self.planted: list[str] = []

    def __call__(self) -> str:
        self.planted.append(f"c4n4ry{len(self.planted):03}Xq")
        return self.planted[-1]


def unpacked(path: str) -> dict[str, str]:
    """The archive's files without the folder that all lie in."""
    with tarfile.open(path) as archive:
        opened = {member.name: archive.extractfile(member) for member in archive.getmembers()}
        members = {name: file.read().decode() for name, file in opened.items() if file}
    (top,) = {name.split("/")[0] for name in members}
    assert top == Path(path).name.removesuffix(".tar.gz")
    return {name.removeprefix(f"{top}/"): text for name, text in members.items()}


def bundle(world: World, path: Path, **options: Any) -> dict[str, str]:
    result = world.run("service_claim_bundle", tenant="acme", names=["orders"], path=str(path), **options)
    assert result["changed"]
    return unpacked(result["path"])


def event(message: str) -> Json:
    about = {"kind": "Pod", "name": "orders-lagos-a-0"}
    return {"metadata": {"namespace": "tenant-acme"}, "involvedObject": about, "message": message, "type": "Warning"}


def test_a_bundle_holds_all_that_tells_why(orders: World, tmp_path: Path) -> None:
    orders.clusters["lagos"].others[CLUSTER] = [scylla(orders, "orders", 2, "a disk is gone")]
    orders.clusters["lagos"].others[EVENT] = [event("volume vol-1 is gone")]
    path = tmp_path / "new" / "b.tar.gz"
    files = bundle(orders, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in path.parent.iterdir()] == ["b.tar.gz"]
    parts = ("copies", "objects", "events", "applications")
    assert sorted(files) == sorted(
        [
            "explanation.json",
            "explanation.txt",
            "versions.json",
            "git/platform.yml",
            "git/tenants/acme/tenant.yaml",
            "git/tenants/acme/claims/orders.yaml",
            *(
                f"git/tenants/acme/{pop}/{name}"
                for pop in ("lagos", "johannesburg")
                for name in ("application.yaml", "values.yaml", "services/orders.yaml")
            ),
            *(f"{pop}/{part}.yaml" for pop in ("lagos", "johannesburg") for part in parts),
        ]
    )
    assert files["explanation.txt"].startswith("acme/orders is Active: lagos: the operator says: a disk is gone")
    (explained,) = json.loads(files["explanation.json"])
    assert explained["code"] == "operator-failed"
    versions = json.loads(files["versions.json"])
    assert (versions["dbaas.platform"], versions["commit"]) == (VERSION, orders.head())
    assert all(versions[name][0].isdigit() for name in ("ansible-core", "python", "git"))
    # what is no secret is as it was
    assert documents.load_all(files["git/platform.yml"]) == [orders.document("platform.yml")]
    assert documents.load_all(files["lagos/copies.yaml"]) == [full(orders, "orders")]
    assert "volume vol-1 is gone" in files["lagos/events.yaml"]
    assert len(documents.load_all(files["lagos/applications.yaml"])) == 2


def test_a_folder_gets_a_file_with_a_name(orders: World, tmp_path: Path) -> None:
    options: Json = {"tenant": "acme", "path": str(tmp_path / "bundles")}
    orders.run("service_claim", tenant="acme", name="carts", sku="scy-ring-3", region="lagos")
    for names, begins in (
        (["orders"], "dbaas-acme-orders-20"),
        (["orders", "carts"], "dbaas-acme-orders-and-others-20"),
    ):
        path = Path(orders.run("service_claim_bundle", **options, names=names)["path"])
        assert path.parent == tmp_path / "bundles"
        assert path.name.startswith(begins)
        assert path.name.endswith("Z.tar.gz")
    path = Path(orders.run("service_claim_bundle", **options)["path"])
    assert path.name.startswith("dbaas-acme-20")
    assert orders.lines[-1] == f"support bundle: {path}"


def test_check_mode_writes_nothing(orders: World, tmp_path: Path) -> None:
    result = orders.run("service_claim_bundle", check=True, tenant="acme", path=str(tmp_path / "b.tar.gz"))
    assert result["changed"]
    assert result["services"][0]["code"] == "active"
    assert not (tmp_path / "b.tar.gz").exists()


def test_a_path_that_cannot_be_written_is_named(orders: World, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    error = orders.refused("service_claim_bundle", tenant="acme", path=str(tmp_path / "file" / "b.tar.gz"))
    assert error.code == "option-invalid"
    assert "b.tar.gz, cannot be written" in error.message


def test_what_does_not_answer_is_in_it_too(orders: World, tmp_path: Path) -> None:
    orders.clusters["johannesburg"].answers = [KubeError("kube-unreachable", "johannesburg: no route")]
    orders.clusters["lagos"].others[EVENT] = KubeError("kube-refused", "events: 403: no", 403)
    files = bundle(orders, tmp_path / "b.tar.gz", repository="")
    assert files["johannesburg/unreachable.txt"] == "johannesburg: no route [kube-unreachable]\n"
    assert files["lagos/unread.txt"] == "events: 403: no\n"
    assert not [name for name in files if name.startswith("git/")]


def plant(world: World, folder: Path, canary: Canaries) -> None:
    """A secret in every place that a bundle is made of."""
    path = "tenants__acme__claims__orders.yaml"
    text = world.text("tenants/acme/claims/orders.yaml")
    text = text.replace(
        "spec:", f"# the password is {canary()}\nspec:\n  parameters:\n    admin_password: {canary()}", 1
    )
    derived = world.text("tenants/acme/lagos/services/orders.yaml")
    config = f"---\nkind: ConfigMap\ndata:\n  scylla.yaml: |\n    server:\n      password: {canary()}\n"
    secret = f"---\nkind: Secret\ndata:\n  any: {canary()}\nstringData:\n  other: {canary()}\n"
    platform = world.text("platform.yml").replace("file://", f"https://ann:{canary()}@git.example.com/", 1)
    tenant = world.text("tenants/acme/tenant.yaml") + f"# glpat-{canary()}abcdef\n"
    world.write(
        folder,
        **{
            path: text,
            "tenants__acme__lagos__services__orders.yaml": derived + config + secret,
            "tenants__acme__johannesburg__services__orders.yaml": f"{derived}---\na: [no\nnext: token={canary()}\n",
            "platform.yml": platform,
            "tenants__acme__tenant.yaml": tenant,
        },
    )


def test_no_secret_is_in_a_bundle(orders: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary = Canaries()
    token, in_file, proxy = canary(), canary(), canary()
    monkeypatch.setenv("SOME_TOKEN", canary())
    (tmp_path / "kubeconfig").write_text(f"users: [{{user: {{token: {canary()}}}}}]")
    plant(orders, tmp_path, canary)
    lagos = orders.clusters["lagos"]
    item = full(orders, "orders")
    item["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = canary()
    item["metadata"]["managedFields"] = [{"manager": canary()}]
    item["spec"]["parameters"] = {"superuser": {"password": canary()}, "apiToken": [canary()]}
    item["status"]["conditions"][0]["message"] = f"cannot log in: password={canary()}"
    item["status"]["lastOperation"]["message"] = f"given {token}"
    lagos.answers = [{"orders": item}]
    cluster = scylla(orders, "orders", 2, f"PUT https://k:{canary()}@s3.example.com refused")
    cluster["spec"]["env"] = [{"name": "AWS_SECRET_ACCESS_KEY", "value": canary()}]
    cluster["spec"]["clientSecret"] = canary()
    lagos.others[CLUSTER] = [cluster]
    lagos.others[EVENT] = [
        event(f"Authorization: Bearer {canary()}"),
        event(f'kubeconfig: {{"client-key-data": "{canary()}"}}'),
        event(f"-----BEGIN PRIVATE KEY-----\n{canary()}\n-----END PRIVATE KEY-----"),
        event(f"eyJhbGciOiJIUzI1NiJ9.{canary()}.{canary()}"),
    ]
    words = {"phase": "Failed", "message": f"failed to list refs of https://x:{canary()}@git/x.git"}
    services = application("services-acme", operationState=words)
    services["spec"] = {"source": {"helm": {"parameters": [{"name": "adminPassword", "value": canary()}]}}}
    lagos.others[APPLICATION] = [services]
    reason = f"GET https://api?token={canary()}: no route; proxy http://p:{proxy}@proxy"
    orders.clusters["johannesburg"].answers = [KubeError("kube-unreachable", reason)]

    for number, given in enumerate(({"token": token}, {"token_file": str(tmp_path / "token")})):
        (tmp_path / "token").write_text(in_file)
        files = bundle(
            orders,
            tmp_path / f"{number}.tar.gz",
            **given,
            proxy=f"http://p:{proxy}@proxy:3128",
            kubeconfig=str(tmp_path / "kubeconfig"),
        )
        everything = "\n".join([*files, *files.values()])
        left = {secret: everything.index(secret) for secret in canary.planted if secret in everything}
        if number:
            # a word that is no secret to this run
            left.pop(token, None)
        assert left == {}, [everything[at - 200 : at + 50] for at in left.values()]
        assert everything.count("REDACTED") > 20
        json.loads(files["explanation.json"])
        assert "orders-lagos-a-0" in files["lagos/events.yaml"]
