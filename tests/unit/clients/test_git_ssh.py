"""Git over SSH against a real sshd: deploy keys, host keys, and what is said when one of them is wrong."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.dbaas.platform.plugins.module_utils.clients.git import GitRepository, Remote
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError

from tests.lab.binaries import LabError
from tests.lab.sshd import Program, resolve
from tests.unit.gitremote import SshRemote, serving_ssh


@pytest.fixture
def there(tmp_path: Path, sshd: Program, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshRemote]:
    for name in ("GIT_SSH", "GIT_SSH_COMMAND", "SSH_AUTH_SOCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with serving_ssh(tmp_path, sshd) as remote:
        yield remote
    assert list(tmp_path.glob("dbaas-git-*")) == []


def write(remote: Remote, path: str = "a", text: str = "1") -> str:
    with GitRepository(remote) as repository:
        commit = repository.commit(repository.fetch(), {path: text.encode()}, "m", "somebody")
        repository.push(commit)
        return commit


def refusal(remote: Remote, *, push: bool = False) -> DbaasError:
    def read() -> None:
        with GitRepository(remote) as repository:
            repository.head()

    with pytest.raises(DbaasError) as caught:
        write(remote) if push else read()
    return caught.value


def test_a_deploy_key_reads_and_writes(there: SshRemote) -> None:
    commit = write(there.remote(), "tenants/a.yaml", "a: 1\n")
    with GitRepository(there.remote("argocd")) as repository:
        assert repository.head() == commit
        snapshot = repository.fetch()
        assert snapshot.read(["tenants/a.yaml"]) == {"tenants/a.yaml": b"a: 1\n"}
        assert repository.fetch_trees([commit]) == {commit}


def test_addresses_as_scp_has_them(there: SshRemote) -> None:
    """With a port they stand in brackets; a path without a slash in front is the same repository."""
    where = f"[{there.user}@127.0.0.1:{there.port}]:dbaas-gitops.git"
    commit = write(there.remote(url=where))
    assert refusal(there.remote(url=f"{there.user}@127.0.0.1:dbaas-gitops.git")).code == "git-unreachable"
    with GitRepository(there.remote()) as repository:
        assert repository.head() == commit


def test_a_read_only_key_may_not_push(there: SshRemote) -> None:
    error = refusal(there.remote("argocd"), push=True)
    assert (error.code, error.retry) == ("git-auth", False)
    assert "has been marked as read only" in error.message


def test_a_key_that_the_remote_does_not_know(there: SshRemote, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    error = refusal(there.remote(ssh_key_file=str(tmp_path / "other")))
    assert (error.code, error.retry) == ("git-auth", False)
    assert "Permission denied (publickey)" in error.message
    assert "does not accept this key" in error.message


def test_no_other_key_of_the_user_is_tried(there: SshRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the agent's nor one that the user's configuration names."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(tmp_path / "agent")], stdout=subprocess.DEVNULL)
    try:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
        while not (tmp_path / "agent").exists():
            assert agent.poll() is None
        subprocess.run(["ssh-add", "-q", str(there.keys.key("writer"))], check=True)
        # an agent alone is the user's own way, and serves where no key is given
        with GitRepository(Remote(there.url, ssh_known_hosts=str(there.keys.known_hosts))) as repository:
            assert repository.head() is None
        assert refusal(there.remote(ssh_key_file=str(tmp_path / "other"))).code == "git-auth"
    finally:
        agent.terminate()
        agent.wait()


def test_a_host_that_is_not_known(there: SshRemote, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    error = refusal(there.remote(ssh_known_hosts=str(tmp_path / "empty")))
    assert (error.code, error.retry) == ("git-host-key", False)
    assert "ssh_known_hosts holds no key of this host" in error.message
    assert f"[127.0.0.1]:{there.port}" in error.message


def test_a_host_whose_key_has_changed(there: SshRemote, tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")], check=True)
    key = " ".join((tmp_path / "other.pub").read_text().split()[:2])
    (tmp_path / "hosts").write_text(f"[127.0.0.1]:{there.port} {key}\n")
    error = refusal(there.remote(ssh_known_hosts=str(tmp_path / "hosts")))
    assert error.code == "git-host-key"
    assert "is not the one that ssh_known_hosts holds" in error.message
    # what it has now, to be compared with what the Git host publishes
    listed = subprocess.run(
        ["ssh-keygen", "-lf", str(there.keys.folder / "host_key.pub")], capture_output=True, text=True, check=True
    )
    assert listed.stdout.split()[1] in error.message


def test_only_the_given_hosts_are_trusted(there: SshRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the option the user's own file is used; with it that one is not."""
    (tmp_path / "empty").touch()
    monkeypatch.setenv(
        "GIT_SSH_COMMAND", f"ssh -o UserKnownHostsFile={there.keys.known_hosts} -i {there.keys.key('writer')}"
    )
    with GitRepository(Remote(there.url)) as repository:
        assert repository.head() is None
    assert refusal(there.remote(ssh_known_hosts=str(tmp_path / "empty"))).code == "git-host-key"


@pytest.mark.parametrize("change", [lambda text: text.rstrip(), lambda text: text.replace("\n", "\r\n")])
def test_keys_as_forms_and_secrets_hand_them_over(there: SshRemote, tmp_path: Path, change: object) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_bytes(change(there.keys.key("writer").read_text()).encode())  # type: ignore[operator]
    assert write(there.remote(ssh_key_file=str(path)))


def test_key_files_that_cannot_serve(there: SshRemote, tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    wide.write_text(there.keys.key("writer").read_text())
    wide.chmod(0o644)
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", str(locked)], check=True)
    pem = tmp_path / "pem"
    command = ["ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "secret", "-f", str(pem)]
    subprocess.run(command, check=True)
    broken = tmp_path / "broken"
    broken.touch(mode=0o600)
    lines = there.keys.key("writer").read_text().splitlines()
    broken.write_text(f"{lines[0]}\n{lines[1][:68]}\n{lines[-1]}\n")
    public = tmp_path / "public"
    public.touch(mode=0o600)
    public.write_text(there.keys.key("writer").with_suffix(".pub").read_text())
    cases = {
        tmp_path / "none": ("option-invalid", "ssh_key_file: {}: No such file"),
        wide: ("option-invalid", "ssh_key_file: {}: others may read it (mode 0644)"),
        public: ("option-invalid", "ssh_key_file: {}: holds no private key"),
        locked: ("option-invalid", "ssh_key_file: {}: the key has a passphrase"),
        pem: ("option-invalid", "ssh_key_file: {}: the key has a passphrase"),
        broken: ("git-auth", "ssh_key_file holds no private key"),
    }
    for path, (code, words) in cases.items():
        error = refusal(there.remote(ssh_key_file=str(path)))
        assert (error.code, words.format(path) in error.message) == (code, True), error.message
    error = refusal(there.remote(ssh_known_hosts=str(tmp_path / "none")))
    assert (error.code, "ssh_known_hosts: " in error.message) == ("option-invalid", True)


def test_no_ssh(there: SshRemote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(
        subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    )
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert refusal(there.remote()).code == "dependency-missing"


def test_the_key_is_in_no_argument_and_not_left_behind(there: SshRemote, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    there.hook("pre-receive", f"cat /proc/[0-9]*/cmdline > {seen} 2>/dev/null; exit 0")
    with GitRepository(there.remote(), folder=tmp_path / "kept") as repository:
        repository.push(repository.commit(repository.fetch(), {"a": b"1"}, "m", "a"))
        copy = tmp_path / "kept/dbaas.git/ssh-key"
        assert copy.stat().st_mode & 0o777 == 0o600
    secret = there.keys.key("writer").read_bytes().split(b"\n")[2]
    assert b"ssh" in seen.read_bytes()
    assert secret not in seen.read_bytes()
    assert secret.decode() not in repr(repository.remote) + str(repository._online)
    assert not copy.exists()


def test_a_host_that_says_nothing(there: SshRemote) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        remote = there.remote(url=f"ssh://git@127.0.0.1:{port}/r.git")
        with (
            GitRepository(remote, timeout=2) as repository,
            pytest.raises(DbaasError, match="no answer within 2 s") as caught,
        ):
            repository.head()
    assert (caught.value.code, caught.value.retry) == ("git-timeout", True)


def test_a_transfer_that_stalls(there: SshRemote) -> None:
    """The whole push is sent, and the hook never ends: past its time all is ended, ssh too."""
    there.hook("pre-receive", "sleep 5; exit 1")
    with GitRepository(there.remote(), timeout=2) as repository:
        commit = repository.commit(repository.fetch(), {"a": b"1"}, "m", "a")
        folder = os.fsencode(repository._folder)
        with pytest.raises(DbaasError, match="no answer within 2 s") as caught:
            repository.push(commit)
    assert caught.value.code == "git-timeout"
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            assert folder not in path.read_bytes()
        except OSError:
            continue


def test_a_connection_that_breaks(there: SshRemote) -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return

    threading.Thread(target=hang_up, daemon=True).start()
    try:
        error = refusal(there.remote(url=f"ssh://git@127.0.0.1:{server.getsockname()[1]}/r.git"))
    finally:
        server.close()
    assert (error.code, error.retry) == ("git-unreachable", True)
    nobody = refusal(there.remote(url="ssh://git@127.0.0.1:1/r.git"))
    assert (nobody.code, "Connection refused" in nobody.message) == ("git-unreachable", True)


def test_a_hook_refuses(there: SshRemote) -> None:
    there.hook("pre-receive", "echo 'no such names here' >&2; exit 1")
    error = refusal(there.remote(), push=True)
    assert (error.code, "remote: no such names here" in error.message) == ("git-refused", True)


def test_the_lab_says_why_there_is_no_sshd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ssh", "ssh-keygen", "id"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=False).stdout.strip()
        (tmp_path / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DBAAS_LAB_SSHD", raising=False)
    if not Path("/usr/sbin/sshd").exists() and not Path("/usr/local/sbin/sshd").exists():
        with pytest.raises(LabError, match="there is no sshd here"):
            resolve(tmp_path / "f")
    monkeypatch.setenv("DBAAS_LAB_SSHD", "/bin/false")
    with pytest.raises(LabError, match="sshd does not run here"):
        resolve(tmp_path / "f")
