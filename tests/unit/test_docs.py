"""The docs: what is generated is not stale, nothing is left out, and what they point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.tools import reference
from tests.tools.tree import ROOT

PLAYBOOKS = [path.name.removesuffix(".meta.yml") for path in sorted(ROOT.glob("playbooks/*.meta.yml"))]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def anchors(text: str) -> set[str]:
    """The anchors that a Git host gives the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_is_not_stale() -> None:
    written = {path.name: path.read_text() for path in reference.FOLDER.glob("*")}
    wanted = reference.pages()
    # a page more hides no other, and no list is too long to be shown
    stale = sorted(name for name in {*written, *wanted} if written.get(name) != wanted.get(name))
    assert not stale, f"{', '.join(stale)}: run `make generate`"


def test_every_module_plugin_and_playbook_is_in_it() -> None:
    index = (reference.FOLDER / "README.md").read_text()
    names = [path.stem for folder in reference.KINDS for path in (ROOT / "plugins" / folder).glob("[!_]*.py")]
    assert len(names) > 10
    assert [name for name in [*names, *PLAYBOOKS] if f"[`dbaas.platform.{name}`]" not in index] == []


def test_every_playbook_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [name for name in PLAYBOOKS if f"| `dbaas.platform.{name}` |" not in readme] == []


def test_no_result_says_what_ansible_takes_for_its_own() -> None:
    """A list that is called skipped makes of a task one that did not run, unreachable of a host one that is gone."""
    own = {"failed", "skipped", "unreachable", "results", "rc", "exception", "finished", "started", "ansible_facts"}
    for path in sorted((ROOT / "plugins/modules").glob("*.py")):
        returned = re.search(r'^RETURN = r?"""(.*?)"""', path.read_text(), re.MULTILINE | re.DOTALL)
        assert returned, path
        assert own.isdisjoint(yaml.safe_load(returned[1])), path


def test_options_say_what_they_take() -> None:
    page = (reference.FOLDER / "service_claim.md").read_text()
    state = re.search(r"^- \*\*state\*\* \((.*?)\): ", page, re.MULTILINE)
    assert state
    assert state[1].startswith("str, default `present`, one of `present`, `absent`")
    assert "\n  - **size** (str): " in page
    assert page.index("### Connections") < page.index("- **repository**")
    assert "```yaml\n- name: " in page
    assert "- **operations** (list of dict, always)" in page
    assert "Environment: `DBAAS_GIT_TOKEN`." in (reference.FOLDER / "pops_inventory.md").read_text()


@pytest.mark.parametrize(
    ("markup", "markdown"),
    [
        ("C(a) V(b) O(c) E(D) RV(e)", "`a` `b` `c` `D` `e`"),
        ("B(a) I(b)", "**a** *b*"),
        (
            "M(dbaas.platform.tenant), M(ansible.builtin.copy)",
            "[`dbaas.platform.tenant`](tenant.md), `ansible.builtin.copy`",
        ),
        ("L(here, https://x/y) U(https://z)", "[here](https://x/y) https://z"),
        ("V(f\\(x\\)) and (plain)", "`f(x)` and (plain)"),
    ],
)
def test_ansibles_markup_becomes_markdown(markup: str, markdown: str) -> None:
    assert reference.markdown(markup) == markdown


def test_roles_have_a_page_as_soon_as_there_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = {
        "short_description": "A toy",
        "description": ["Plays."],
        "options": {"toy_size": {"type": "int", "default": 3}},
    }
    (tmp_path / "roles/toy/meta").mkdir(parents=True)
    (tmp_path / "roles/toy/meta/argument_specs.yml").write_text(yaml.safe_dump({"argument_specs": {"main": main}}))
    for folder in reference.KINDS:
        (tmp_path / "plugins" / folder).mkdir(parents=True)
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    pages = reference.pages()
    assert "[`dbaas.platform.toy`](roles.md) | A toy |" in pages["README.md"]
    assert "## dbaas.platform.toy\n\nPlays.\n\n- **toy_size** (int, default `3`)" in pages["roles.md"]


@pytest.mark.parametrize("page", DOCS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _hash, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in anchors(found.read_text()), f"{page.name}: {target}"


def test_the_picture_is_drawn_and_the_places_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    assert len(re.findall(r"^```mermaid\n", text, re.MULTILINE)) == 1
    inside = ROOT / "plugins/module_utils"
    places = re.findall(r"`((?:domain|runner|clients|extensions|plugins|gitops|catalog)/?[\w./]*|delivery\.py)`", text)
    assert len(places) > 10
    assert [place for place in places if not ((ROOT / place).exists() or (inside / place).exists())] == []
