"""The ways to a remote that real networks have: a private CA, proxies, silent hosts, protected branches."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.lab import pki
from tests.unit.gitremote import CANARY, GitRemote, Proxy, proxying, serving

PASSWORD = "pr0xy/s3cret"
QUOTED = "pr0xy%2Fs3cret"


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy or CA of the machine that runs the tests; the temporary folder is empty after each."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "GIT_SSL_CAINFO", "GIT_SSL_NO_VERIFY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    yield
    assert list((tmp_path / "temporary").iterdir()) == []


@pytest.fixture
def there(tmp_path: Path) -> Iterator[GitRemote]:
    with serving(tmp_path / "remote") as remote:
        yield remote


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[GitRemote]:
    """HTTPS with a certificate of a private authority, tmp_path/ca.crt."""
    pki.make(tmp_path)
    with serving(tmp_path / "remote", certificate=(tmp_path / "server.crt", tmp_path / "server.key")) as remote:
        yield remote


def write(remote: Remote, timeout: float = 120.0, silence: int = 30) -> str:
    with GitRepository(remote, timeout=timeout, silence=silence) as repository:
        commit = repository.commit(repository.fetch(), {"a": b"1"}, "m", "somebody")
        repository.push(commit)
        return commit


def refusal(remote: Remote, timeout: float = 120.0, silence: int = 30) -> DbaasError:
    with pytest.raises(DbaasError) as caught:
        write(remote, timeout, silence)
    shown = f"{caught.value} {caught.value!r} {caught.value.__context__!r} {vars(caught.value)} {remote!r}"
    for secret in [*remote.secrets, PASSWORD, QUOTED, CANARY]:
        assert secret not in shown
    return caught.value


def test_a_private_authority(secure: GitRemote, tmp_path: Path) -> None:
    assert write(secure.remote(ca_cert=str(tmp_path / "ca.crt"))) == secure.git("rev-parse", "main").strip()
    error = refusal(secure.remote())
    assert (error.code, error.retry) == ("git-certificate", False)
    assert "ca_cert" in error.message + error.action
    pki.make(tmp_path / "other")
    assert refusal(secure.remote(ca_cert=str(tmp_path / "other/ca.crt"))).code == "git-certificate"


def test_a_certificate_for_another_name(secure: GitRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secure, "url", secure.url.replace("127.0.0.1", "127.0.0.2"))
    with proxying() as proxy:
        # 127.0.0.2 is where the proxy goes for it
        proxy.elsewhere["127.0.0.2"] = "127.0.0.1"
        error = refusal(secure.remote(ca_cert=str(tmp_path / "ca.crt"), proxy=proxy.url))
    assert (error.code, "for this name" in error.message) == ("git-certificate", True)


@pytest.mark.parametrize("name", ["none.pem", "empty.pem"])
def test_a_file_of_authorities_that_is_none(secure: GitRemote, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.pem").touch()
    error = refusal(secure.remote(ca_cert=str(tmp_path / name)))
    assert error.code == "option-invalid"
    assert f"ca_cert: {tmp_path / name}: " in error.message


@pytest.mark.parametrize("user", ["", f"me:{QUOTED}@"])
def test_through_a_proxy(there: GitRemote, user: str) -> None:
    with proxying(f"me:{PASSWORD}" if user else "") as proxy:
        commit = write(there.remote(proxy=proxy.url.replace("//", f"//{user}")))
        assert commit == there.git("rev-parse", "main").strip()
        assert len(proxy.seen) >= len(there.requests) > 3


@pytest.mark.parametrize("user", ["", f"me:{QUOTED}@"])
def test_through_a_proxy_to_https(secure: GitRemote, tmp_path: Path, user: str) -> None:
    with proxying(f"me:{PASSWORD}" if user else "") as proxy:
        remote = secure.remote(proxy=proxy.url.replace("//", f"//{user}"), ca_cert=str(tmp_path / "ca.crt"))
        assert write(remote) == secure.git("rev-parse", "main").strip()
        assert {line.split()[0] for line in proxy.seen} == {"CONNECT"}


def test_the_proxys_password_is_in_no_argument(there: GitRemote, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    there.hook("pre-receive", f"cat /proc/[0-9]*/cmdline > {seen} 2>/dev/null; exit 0")
    with proxying(f"me:{PASSWORD}") as proxy:
        write(there.remote(proxy=proxy.url.replace("//", f"//me:{QUOTED}@")))
    assert b"remote-http" in seen.read_bytes()
    for secret in (PASSWORD, QUOTED):
        assert secret.encode() not in seen.read_bytes()


@pytest.mark.parametrize("kind", ["there", "secure"])
@pytest.mark.parametrize("user", ["", "me:wrong@"])
def test_a_proxy_that_wants_a_password(kind: str, user: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    remote: GitRemote = request.getfixturevalue(kind)
    authority = {"ca_cert": str(tmp_path / "ca.crt")} if kind == "secure" else {}
    with proxying(f"me:{PASSWORD}") as proxy:
        error = refusal(remote.remote(proxy=proxy.url.replace("//", f"//{user}"), **authority))
    assert error.code == "git-proxy"
    assert "the proxy wants a user and password" in error.message
    assert remote.requests == []


def test_proxies_that_are_of_no_use(secure: GitRemote, tmp_path: Path) -> None:
    authority = str(tmp_path / "ca.crt")
    with proxying() as proxy:
        proxy.refuse = 403
        error = refusal(secure.remote(proxy=proxy.url, ca_cert=authority))
        assert (error.code, "the proxy does not let this through" in error.message) == ("git-proxy", True)
    down = refusal(Remote("https://git.example.com/r.git", proxy="http://127.0.0.1:1", ca_cert=authority))
    assert (down.code, down.retry) == ("git-proxy", True)
    assert "127.0.0.1 port 1" in down.message
    unknown = refusal(Remote("https://git.example.com/r.git", proxy=f"http://me:{QUOTED}@proxy.invalid:3128"))
    assert (unknown.code, "the name of the proxy is not known" in unknown.message) == ("git-proxy", True)
    assert secure.requests == []


@pytest.mark.parametrize(("scheme", "patience"), [("http", (60.0, 1)), ("https", (2.0, 30))])
def test_a_host_that_says_nothing(scheme: str, patience: tuple[float, int]) -> None:
    """What never finishes a TLS handshake is ended by the time that a call has in all."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        error = refusal(Remote(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/r.git"), *patience)
    assert time.monotonic() - start < 5
    assert (error.code, error.retry) == ("git-timeout", True)


@pytest.mark.parametrize(
    ("what", "patience"),
    [("GET", (2.0, 30)), ("git-upload-pack", (60.0, 1))],
)
def test_a_transfer_that_stalls_in_the_middle(there: GitRemote, what: str, patience: tuple[float, int]) -> None:
    write(there.remote())
    there.stall = what
    start = time.monotonic()
    error = refusal(there.remote(), *patience)
    assert time.monotonic() - start < 20
    assert (error.code, error.retry) == ("git-timeout", True)


def test_a_push_whose_answer_stalls_has_landed(there: GitRemote) -> None:
    there.stall = "POST /dbaas-gitops.git/git-receive-pack"
    assert write(there.remote(), 2.0) == there.git("rev-parse", "main").strip()


# What Git hosts say: reason in the report of the push, and the remote's own lines.
HOSTS = {
    "GitHub": (
        "protected branch hook declined",
        "error: GH006: Protected branch update failed for refs/heads/main.\nerror: 1 approving review is required.",
    ),
    "GitHub's rule sets": (
        "push declined due to repository rule violations",
        "error: GH013: Repository rule violations found for refs/heads/main.\n- Changes must be made by pull request",
    ),
    "GitLab": (
        "pre-receive hook declined",
        "GitLab: You are not allowed to push code to protected branches on this project.",
    ),
    "Gitea": ("pre-receive hook declined", "Gitea: Not allowed to push to protected branch main"),
    "Bitbucket": (
        "pre-receive hook declined",
        "Branch refs/heads/main can only be modified through pull requests.",
    ),
    "Azure DevOps": (
        "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
        "",
    ),
}
# The report of a push as a Git host's own receiver writes it, by the hook that Git has for that.
PROC_RECEIVE = """\
exec python3 -c '
import sys
def read():
    size = int(sys.stdin.buffer.read(4), 16)
    return sys.stdin.buffer.read(size - 4) if size else None
def write(text):
    sys.stdout.buffer.write(b"%04x" % (len(text) + 4) + text)
read(); read()
write(b"version=1")
sys.stdout.buffer.write(b"0000"); sys.stdout.buffer.flush()
while read(): pass
sys.stderr.write(open("said").read()); sys.stderr.flush()
write(b"ng refs/heads/main " + open("reason","rb").read())
sys.stdout.buffer.write(b"0000"); sys.stdout.buffer.flush()
'"""


@pytest.mark.parametrize("host", HOSTS)
def test_a_protected_branch(there: GitRemote, host: str) -> None:
    reason, said = HOSTS[host]
    there.git("config", "receive.procReceiveRefs", "refs/heads/main")
    (there.repository / "said").write_text(said)
    (there.repository / "reason").write_text(reason)
    there.hook("proc-receive", PROC_RECEIVE)
    error = refusal(there.remote())
    assert (error.code, error.retry, error.cls) == ("git-protected", False, "user")
    assert reason in error.message
    for line in said.splitlines():
        assert f"remote: {line}" in error.message


def test_another_hook_that_refuses(there: GitRemote) -> None:
    there.hook("pre-receive", "echo 'commit messages must name a ticket' >&2; exit 1")
    error = refusal(there.remote())
    assert (error.code, error.retry) == ("git-refused", False)
    assert "pre-receive hook declined" in error.message
    assert "remote: commit messages must name a ticket" in error.message


def test_the_proxy_is_a_real_one(there: GitRemote) -> None:
    """It is the proxy that is asked, not the host."""
    with proxying() as proxy:
        assert isinstance(proxy, Proxy)
        error = refusal(Remote("http://git.invalid/r.git", proxy=proxy.url))
        assert proxy.seen == ["GET http://git.invalid/r.git/info/refs?service=git-upload-pack"]
    assert (error.code, "502" in error.message) == ("git-unreachable", True)
    assert there.requests == []
