from __future__ import annotations

import sys
from typing import Any

import pytest
import yaml
from ansible_collections.dbaas.platform.plugins.module_utils import documents
from ansible_collections.dbaas.platform.plugins.module_utils.domain.errors import DbaasError
from hypothesis import given, settings
from hypothesis import strategies as st

WORDS = """1e3 0o17 0x1F 0b11 012 08 1_000 123456e7 1:30 190:20:30 1. .5 +1 -0 1e+ 12e03 .inf -.INF .nan yes No ON off
y Y n N true FALSE null ~ Null = << 2020-01-01 2020-01-01T00:00:00Z - -- --- ... ? : | > [a] {a} &x *x !x %x @x `x #x ,
é☃ 😀 -y y: 'q' "dq" """
TEXTS = [
    "",
    " ",
    "\n",
    "\t",
    " lead",
    "trail ",
    "a: y",
    "a - y",
    "- n",
    "y: n",
    "a #b",
    "a\nb",
    "a\nb\n",
    "\n\n  a\n",
    "a\r\nb",
]
ODD = [
    "a\tb",
    "back\\slash",
    "\x07",
    "\x85",
    "\u2028",
    "\ufeff",
    "--- a",
    "a\n---\nb",
    "%YAML 1.1",
    "# no",
    "\u00a0",
    "y\nn",
]
NASTY = [*WORDS.split(), *TEXTS, *ODD, "x" * 300 + " y"]
# What YAML can hold: neither surrogates nor most control characters.
TEXT = (
    st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(NASTY)
    | st.text("yYnN-:# \n0e1x.'\"", max_size=6)
    | st.text('ab \n"\\#:-y', max_size=12)
)
NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXT
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


def alike(one: object, other: object) -> bool:
    """Equal in value, type and order of keys."""
    return type(one) is type(other) and repr(one) == repr(other)


@settings(max_examples=400, deadline=None)
@given(TREES)
def test_what_is_written_is_read_back_by_both_readers(tree: Any) -> None:
    text = documents.dump(tree)
    assert alike(yaml.safe_load(text), tree)
    assert documents.load_all(text) == ([] if tree is None else [tree])


@settings(max_examples=50, deadline=None)
@given(st.lists(TREES.filter(lambda tree: tree is not None), max_size=4))
def test_many_documents(trees: list[Any]) -> None:
    text = documents.dump_all(trees)
    assert text.count("---\n") >= len(trees)
    assert alike(documents.load_all(text.encode()), trees)
    assert alike(list(yaml.safe_load_all(text)), trees)


@pytest.mark.parametrize("text", NASTY)
def test_nasty_text_as_value_key_and_item(text: str) -> None:
    tree = {text: text, "list": [text, [text, [text]], {text: [text]}], "deep": {text: {text: text}}}
    written = documents.dump(tree)
    assert alike(yaml.safe_load(written), tree)
    assert alike(documents.load_all(written), [tree])


@pytest.mark.parametrize("word", list("yYnN"))
def test_y_and_n_are_quoted_since_go_reads_booleans(word: str) -> None:
    tree = {
        word: word,
        "a": [word, [word], {word: 1, "b": word}],
        "c": f"a - {word}",
        "d": f'": {word}',
        "f": f": {word}: ",
        "e": f"{word}: x",
    }
    expected = """\
"y": "y"
a:
  - "y"
  - - "y"
  - "y": 1
    b: "y"
c: a - y
d: "\\": y"
f: ": y: "
e: "y: x"
"""
    assert documents.dump(tree) == expected.replace("y", word)
    assert documents.dump(word) == f'"{word}"\n'


def test_written_as_people_and_ansible_lint_like_it() -> None:
    tree = {
        "b": 1,
        "a": {"list": [{"x": 1, "y2": [1.5, True]}], "none": None, "empty": {}, "items": []},
        "text": "two words",
        "cidr": "10.0.0.0/8",
    }
    expected = """\
b: 1
a:
  list:
    - x: 1
      y2:
        - 1.5
        - true
  none: ~
  empty: {}
  items: []
text: two words
cidr: 10.0.0.0/8
"""
    assert documents.dump(tree) == expected


def test_text_of_several_lines_is_a_block() -> None:
    text = 'a: y\n\n  "b\\n": 1\n'
    tree = {
        "a": text,
        "b": ["x\ny", [text]],
        "c": "x\n\n",
        "d": " x\ny",
        "e": "x \ny",
        "f": "x\ty\n",
        "g": "\\n",
        "h": {"i j": "---\n"},
    }
    expected = r"""
a: |
  a: y

    "b\n": 1
b:
  - |-
    x
    y
  - - |
      a: y

        "b\n": 1
c: "x\n\n"
d: " x\ny"
e: "x \ny"
f: "x\ty\n"
g: "\\n"
h:
  i j: |
    ---
"""
    assert documents.dump(tree) == expected[1:]


def test_read_as_yaml_1_2() -> None:
    text = "# first\na: 1 # one\n---\n---\n# nothing\n---\nb: yes\nc: 2020-01-01\nd: &x {e: 010}\nf: *x\n...\n"
    assert documents.load_all(text) == [{"a": 1}, {"b": "yes", "c": "2020-01-01", "d": {"e": 10}, "f": {"e": 10}}]
    assert documents.load_all(b"\xef\xbb\xbfa: \xc3\xa9") == documents.load_all("\ufeffa: é") == [{"a": "é"}]
    assert documents.load_all('{"a": [1, "b"]}') == [{"a": [1, "b"]}]
    assert documents.load_all("") == documents.load_all("# x\n") == documents.load_all("---\n") == []


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("a: 1\n---\nb: 1\nc: d: e\n", 4, "mapping values are not allowed"),
        ("a: 'x\n\n", 1, "quoted scalar"),
        ("- a\nb: c\n", 2, "expected '-' indicator"),
        ("a: 1\nb:\n  c: 1\n  c: 2\n", 4, "duplicate key 'c' (first defined at line 3)"),
        ("a: 1\n---\nb: {x: 1, x: 2}\n", 3, "duplicate key 'x'"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        ("a: \x00", 1, "NUL"),
        ("a: *nowhere\n", 1, "unknown anchor"),
    ],
)
def test_errors_name_file_and_line(content: str | bytes, line: int, words: str) -> None:
    with pytest.raises(DbaasError) as caught:
        documents.load_all(content, "claims/a.yaml")
    assert caught.value.code == "document-invalid"
    assert caught.value.message.startswith(f"claims/a.yaml, line {line}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("text", "key"),
    [("1: a", "1"), ("a:\n  - b\n  - true: x\n", "True"), ("~: x", "None"), ("a: {b: {1.5: 2}}", "1.5")],
)
def test_keys_must_be_text(text: str, key: str) -> None:
    with pytest.raises(DbaasError, match=f"document: the key {key} must be text"):
        documents.load_all(text)


def test_bomb_is_an_error() -> None:
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"] + [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(DbaasError) as caught:
        documents.load_all("\n".join(lines), "bomb")
    assert caught.value.code == "document-invalid"


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_yaml", None)
    with pytest.raises(DbaasError, match="fastyaml-rs") as caught:
        documents.dump({})
    assert caught.value.code == "dependency-missing"
