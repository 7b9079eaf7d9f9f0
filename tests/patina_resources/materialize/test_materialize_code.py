"""Source code -> eventlog: every function, call, type and import of eleven languages, and only what changed."""

import argparse
import ast
import hashlib
import json
import os
import re
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows

import patina_resources
from patina_resources.materialize.code.documentation import MAXIMUM_DOC, MOST_ASIDES
from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME, LANGUAGES, language_of
from patina_resources.materialize.code.lines import LINE_KEYS
from patina_resources.materialize.code.source_files import Unread, read_source
from patina_resources.materialize.code.worker import CodeWorker, UnreadableSourceError
from patina_resources.materialize.report import ScraperReport
from patina_resources.materialize.run import materialize

READ_IT = ": to read it, name it in [code] include of .patina/config.toml"
PYTHON = """import os.path as path, sys
from ..pkg import (a, b as c)
from __future__ import annotations


@decorate(1)
class Trainer(Base):
    rate = compute()

    async def fit(self, x: int, *, k=3) -> int | None:
        self.model.fit(x)(1)
        return ", ".join(sorted(x))


def _helper():
    def inner():
        run()
    return [item[0].go() for item in y]
"""


def facts(language: str, source: str, kind: str) -> list[str]:
    return [fact.key for fact in read_facts(BY_NAME[language], source.encode()).facts if fact.event_type == kind]


def test_python_in_full() -> None:
    assert facts("Python", PYTHON, "code.function") == ["Trainer.fit", "_helper", "_helper.inner"]
    assert facts("Python", PYTHON, "code.class") == ["Trainer"]
    assert facts("Python", PYTHON, "code.import") == ["os.path", "sys", "..pkg", "__future__"]
    assert facts("Python", PYTHON, "code.call") == [
        "<module>→decorate",
        "Trainer→compute",
        "Trainer.fit→self.model.fit()",
        "Trainer.fit→self.model.fit",
        'Trainer.fit→"".join',
        "Trainer.fit→sorted",
        "_helper.inner→run",
        "_helper→item[0].go",
    ]


# language: source, functions, types, imports, calls
SAMPLES = {
    "Rust": (
        "use a::{b, c as d};\nmod m { impl<T> Foo<T> { pub async unsafe fn f(&mut self, x: &mut U) -> Result<(), E> "
        "{ self.g::<A>(x).h()?; B::new(); vec![1]; Ok(()) } } }\npub trait Tr { fn q(&self); }\nenum E { X }\n"
        "const C: i32 = 1;",
        ["m::Foo::f", "Tr::q"],
        ["code.enum E", "code.trait Tr", "code.type C"],
        ["a::{b, c as d}"],
        ["m::Foo::f→self.g().h", "m::Foo::f→self.g", "m::Foo::f→B::new", "m::Foo::f→vec!", "m::Foo::f→Ok"],
    ),
    "JavaScript": (
        "import d, {a as b} from './x';\nconst r = require('fs');\nexport async function f() { new Foo(1); x?.y(); }\n"
        "const g = (x) => h(x);\nclass A { static m() { super.m(); } #p = () => 1; }\nlist.map(x => x.go());",
        ["f", "g", "A.m", "A.#p"],
        ["code.class A"],
        ["./x", "fs"],
        ["<module>→require", "f→new Foo", "f→x?.y", "g→h", "A.m→super.m", "<module>→list.map", "<module>→x.go"],
    ),
    "TypeScript": (
        "import type {A} from './a';\nexport interface I<T> { m(): void }\nabstract class C { private async "
        "m<U>(x?: U): Promise<void> { f<U>(x); } }\ntype T = string; enum E {A}\n"
        "namespace N { export function z() {} }",
        ["I.m", "C.m", "N.z"],
        ["code.enum E", "code.class C", "code.interface I", "code.type T"],
        ["./a"],
        ["C.m→f"],
    ),
    "TypeScript (JSX)": (
        "export const Page = () => <Box onClick={() => go(1)} />;",
        ["Page"],
        [],
        [],
        ["Page→Box", "Page→go"],
    ),
    "Go": (
        'package p\nimport (\n "fmt"\n m "x/y"\n)\ntype S struct{}\ntype I interface{}\ntype F func()\n'
        "func (s *S[T]) M(a, b int) (int, error) { fmt.Println(a); go func() { g() }() }\nfunc top() {}",
        ["S.M", "top"],
        ["code.struct S", "code.interface I", "code.type F"],
        ["fmt", "x/y"],
        ["S.M→fmt.Println", "S.M→()", "S.M→g"],
    ),
    "Java": (
        "import java.util.*;\nimport static a.B.c;\npublic class A extends B { A() { super(); } <U> List<U> m(int a) "
        "{ foo(a); this.x.bar(); return new Foo<>(1); } interface I {} enum E { X } record R(int a) {} }",
        ["A.A", "A.m"],
        ["code.enum E", "code.class A", "code.class R", "code.interface I"],
        ["java.util.*", "a.B.c"],
        ["A.A→super", "A.m→foo", "A.m→this.x.bar", "A.m→new Foo"],
    ),
    "C": (
        '#include <a.h>\n#include "b.h"\nstatic int *f(int a, char *b[]) { g(a); p->q(1); return 0; }\n'
        "int proto(int);\nstruct S { int a; }; struct S x; typedef struct { int a; } T; "
        "enum E {A}; union U { int a; };",
        ["f"],
        ["code.struct S", "code.struct U", "code.enum E", "code.type T"],
        ["a.h", "b.h"],
        ["f→g", "f→p->q"],
    ),
    "C++": (
        "#include <x>\nnamespace a { template<class T> class C { int m() { return this->n<T>(1); } }; }\n"
        "int a::C<int>::k(int x) { std::move(x); new Foo(1); return 0; }\nusing A = int;",
        ["a::C::m", "a::C::k"],
        ["code.class C", "code.type A"],
        ["x"],
        ["a::C::m→this->n", "a::C::k→std::move", "a::C::k→new Foo"],
    ),
    "Ruby": (
        "require 'a'\nmodule M\n class A < B\n  def m(a, *c)\n   foo(a).bar\n   Foo.new(1)\n  end\n"
        "  def self.s; end\n end\nend",
        ["M.A.m", "M.A.s"],
        ["code.class A", "code.trait M"],
        ["a"],
        ["<module>→require", "M.A.m→foo().bar", "M.A.m→foo", "M.A.m→Foo.new"],
    ),
    "C#": (
        "using System; using X = Y.Z;\nnamespace N { public class A { A(int x) {} public async Task<int> F(int a) "
        "{ await G(a); this.x?.H(); new Foo(1); } } interface I {} struct S {} enum E {X} delegate void D(int x); }",
        ["A.A", "A.F"],
        ["code.struct S", "code.enum E", "code.class A", "code.interface I", "code.type D"],
        ["System", "Y.Z"],
        ["A.F→G", "A.F→this.x?.H", "A.F→new Foo"],
    ),
    "PHP": (
        "<?php\nnamespace N;\nuse A\\B;\nuse C\\{D, E as F};\nrequire __DIR__ . '/g.php';\ninclude 'h.php';\n"
        'class K { private function m(?int $a): ?string { $this->x?->n($a); self::s("$a"); new B($a);\n'
        "  \\strlen('x'); C\\go()[0]->p(); new class { function inner() { deep(); } }; } }\n"
        "interface I { function i(); } trait T {} enum E {}\nfunction f(int ...$r) {}",
        ["K::m", "K::m::inner", "I::i", "f"],
        ["code.enum E", "code.class K", "code.trait T", "code.interface I"],
        ["A\\B", "C\\D", "C\\E", "./g.php", "h.php"],
        [
            "K::m→$this->x?->n",
            "K::m→self::s",
            "K::m→new B",
            "K::m→strlen",
            "K::m→C\\go()[0]->p",
            "K::m→C\\go",
            "K::m::inner→deep",
        ],
    ),
}


def test_every_language_has_a_sample() -> None:
    assert {language.name for language in LANGUAGES} == {"Python", *SAMPLES}


@pytest.mark.parametrize("language", SAMPLES)
def test_language(language: str) -> None:
    source, functions, types, imports, calls = SAMPLES[language]
    found = read_facts(BY_NAME[language], source.encode())
    assert not found.unread_bytes
    assert facts(language, source, "code.function") == functions
    others = ("code.function", "code.import", "code.call", "code.type")
    named = [f"{fact.event_type} {fact.key}" for fact in found.facts if fact.event_type not in others]
    assert named == [name for name in types if not name.startswith("code.type ")]
    assert Counter(fact.fields["name"] for fact in found.facts if fact.event_type == "code.type") == Counter(
        name.split(" ")[1] for name in types
    )
    assert facts(language, source, "code.import") == imports
    assert facts(language, source, "code.call") == calls


def test_signatures() -> None:
    def fields(language: str, source: str) -> dict[str, object]:
        fact = next(
            fact for fact in read_facts(BY_NAME[language], source.encode()).facts if fact.event_type == "code.function"
        )
        place = ("start_line", "end_line", "doc", "digest")
        told = {key: value for key, value in fact.fields.items() if key not in place}
        return {key: value for key, value in told.items() if value not in (False, None, 0, [])}

    assert fields("Rust", SAMPLES["Rust"][0]) == {
        "name": "f",
        "parameters": ["&mut self", "x: &mut U"],
        "parameter_count": 2,
        "return_type": "Result<(), E>",
        "returns_result": True,
        "is_public": True,
        "is_async": True,
        "is_unsafe": True,
        "takes_mut_self": True,
        "takes_mut_params": True,
    }
    assert fields("Python", PYTHON) == {
        "name": "fit",
        "parameters": ["self", "x: int", "k=3"],
        "parameter_count": 3,
        "return_type": "int | None",
        "returns_option": True,
        "is_public": True,
        "is_async": True,
    }
    assert fields("Go", SAMPLES["Go"][0])["parameters"] == ["a int", "b int"]
    assert fields("C", "int f(void) { return 1; }") == {"name": "f", "return_type": "int", "is_public": True}


# language: source, and what is written about its functions and types, by source_id
DOCUMENTED = {
    "Python": (
        'class A:\n    """A is.\n\n    More.\n    """\n    # Of f.\n    @x(1)\n    def f(self): ...\n\n'
        "# Of nothing.\n\ndef g(): ...\n\nx = 1  # Of x.\ndef h():\n    r'''H is.'''\n",
        {"A": "A is.\n\nMore.", "A.f": "Of f.", "g": "", "h": "H is."},
    ),
    "Rust": (
        "/// S is.\n///\n/// More.\n#[derive(Debug)]\n#[a]\npub struct S;\n/** Of f. */\nfn f() {}\n\n//! Of all.\n\n"
        "fn g() {}",
        {"f": "Of f.", "g": "", "S": "S is.\n\nMore."},
    ),
    "JavaScript": (
        "/**\n * Of f.\n * @returns 1\n */\nexport default async function f() {}\n// Of g,\n// of two lines.\n"
        "const g = () => 1;\nclass A {\n  // Of m.\n  m() {}\n\n  /* Of p. */ p = () => 1;\n}",
        {"f": "Of f.\n@returns 1", "g": "Of g,\nof two lines.", "A.m": "Of m.", "A.p": "Of p.", "A": ""},
    ),
    "TypeScript": (
        "/** I is. */\nexport interface I {}\n// C is.\n@Injectable()\nexport class C {\n  /** Of m. */\n  @log()\n"
        "  m() {}\n}\n/** Of T. */\ntype T = 1;",
        {"C.m": "Of m.", "I": "I is.", "C": "C is.", "T": "Of T."},
    ),
    "TypeScript (JSX)": ("/** The page. */\nexport const Page = () => <A />;", {"Page": "The page."}),
    "Go": (
        "package p\n\n// T is.\ntype T struct{}\n\n// M does.\n//\n// More.\nfunc (t T) M() {}\n\ntype (\n\t// U is.\n"
        "\tU int\n)",
        {"T.M": "M does.\n\nMore.", "T": "T is.", "U": "U is."},
    ),
    "Java": (
        "/** A is. */\n@B\npublic class A {\n  /**\n   * Of m.\n   */\n  @Override\n  public void m() {}\n}",
        {"A.m": "Of m.", "A": "A is."},
    ),
    "C": (
        "/* Of f. */\nstatic int f(void) { return 1; }\n/**\n * S is.\n */\ntypedef struct S { int a; } T;\n// E is.\n"
        "enum E {A};",
        {"f": "Of f.", "S": "S is.", "T": "S is.", "E": "E is."},
    ),
    "C++": (
        "/// Of f.\ntemplate <class T>\nT f(T x) { return x; }\n/*! B is. */\ntemplate <class T> class B {\n"
        "  //! Of m.\n  void m() {}\n};",
        {"f": "Of f.", "B::m": "Of m.", "B": "B is."},
    ),
    "Ruby": ("# A is.\n# More.\nclass A\n  # Of m.\n  def m; end\nend", {"A.m": "Of m.", "A": "A is.\nMore."}),
    "C#": (
        "/// <summary>A is.</summary>\npublic class A {\n  // Of m.\n  [X]\n  public void M() {}\n}",
        {"A.M": "Of m.", "A": "<summary>A is.</summary>"},
    ),
    "PHP": (
        "<?php\n/**\n * A is.\n */\n#[X]\nfinal class A {\n  # Of m.\n  #[Y]\n  public static function m() {}\n}",
        {"A::m": "Of m.", "A": "A is."},
    ),
}


@pytest.mark.parametrize("language", sorted({language.name for language in LANGUAGES}))
def test_what_is_written_about_a_definition(language: str) -> None:
    source, docs = DOCUMENTED[language]
    found = read_facts(BY_NAME[language], source.encode()).facts
    kinds = ("code.function", "code.type")
    assert {fact.key: fact.fields["doc"] for fact in found if fact.event_type in kinds} == docs


def test_lines_and_digest_are_those_of_the_definition() -> None:
    source = "# Of f.\r\n@x\r\ndef f(a,\r\n      b):\r\n    return 1\r\n\r\nx = 1\r\n"
    (fact,) = read_facts(BY_NAME["Python"], source.encode()).facts
    assert (fact.fields["start_line"], fact.fields["end_line"]) == (3, 5)
    text = "def f(a,\r\n      b):\r\n    return 1"
    assert fact.fields["digest"] == hashlib.sha256(text.encode()).hexdigest()


def test_a_long_text_about_a_definition_is_cut() -> None:
    source = "def f():\n    '''" + "word " * 10_000 + "'''\n\n" + "# word\n" * 300 + "def g(): ...\n"
    f, g = read_facts(BY_NAME["Python"], source.encode()).facts
    assert (len(f.fields["doc"]), len(g.fields["doc"])) == (MAXIMUM_DOC - 1, 5 * MOST_ASIDES - 1)


def test_headers_are_c_or_cpp() -> None:
    assert language_of("a.h", b"struct S { int a; };").name == "C"
    assert language_of("a.h", b"#pragma once\nclass S {\npublic:\n};").name == "C++"


@pytest.mark.parametrize(
    "path",
    [
        *sorted(Path(patina_resources.__file__).parent.rglob("*.py")),
        *(Path(module.__file__) for module in (argparse, ast, json, os)),
        Path(__file__),
    ],
    ids=lambda path: path.name,
)
def test_python_agrees_with_ast_to_the_last_call(path: Path) -> None:
    """The one known difference: the grammar takes `type(x).name = value` for a type alias, so this call is missing."""
    source = path.read_bytes()
    expected: Counter[tuple[str, object, int]] = Counter()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            expected["function", node.name, 0] += 1
        elif isinstance(node, ast.Call):
            expected["call", None, node.lineno] += 1
        elif isinstance(node, ast.ClassDef):
            expected["class", node.name, 0] += 1
    found: Counter[tuple[str, object, int]] = Counter()
    for fact in read_facts(BY_NAME["Python"], source).facts:
        kind = fact.event_type.removeprefix("code.")
        if kind in ("function", "call", "class"):
            found[kind, fact.fields.get("name"), fact.fields["line_number"] if kind == "call" else 0] += 1
    assert found == expected


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    return GitFolder(tmp_path / "project")


def scrape(folder: GitFolder, *, full: bool = False) -> ScraperReport:
    (report,) = materialize(folder.path, folder.eventlog, only=["code"], full=full)
    return report


def test_events_have_the_shared_keys(folder: GitFolder) -> None:
    folder.write("src/a.py", "import os\n\n\nclass A:\n    def f(self):\n        g()\n")
    folder.commit("one")
    kinds = ("code.function", "code.class", "code.type", "code.import", "code.call", "code.file")
    assert scrape(folder).new == dict.fromkeys(kinds, 1)
    function, kind, shared_kind, imported, call, file = rows(folder.eventlog)
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"2023-11-15T00:14:20+02:00"}
    assert (function["source_id"], function["source_file"]) == ("./src/a.py::A.f", "./src/a.py")
    assert function["data"] == {
        "file": "./src/a.py",
        "name": "f",
        "is_public": True,
        "is_async": False,
        "is_unsafe": False,
        "parameter_count": 1,
        "generic_count": 0,
        "parameters": ["self"],
        "return_type": None,
        "returns_result": False,
        "returns_option": False,
        "takes_mut_self": False,
        "takes_mut_params": False,
        "start_line": 5,
        "end_line": 6,
        "doc": "",
        "digest": hashlib.sha256(b"def f(self):\n        g()").hexdigest(),
    }
    assert (kind["source_id"], kind["data"]) == (
        "./src/a.py::A",
        {
            "file": "./src/a.py",
            "name": "A",
            "kind": "class",
            "definition": "class A:",
            "visibility": "pub",
            "usage_count": 0,
        },
    )
    digest = hashlib.sha256(b"class A:\n    def f(self):\n        g()").hexdigest()
    assert (shared_kind["source_id"], shared_kind["data"]) == (
        "./src/a.py::A",
        {**kind["data"], "start_line": 4, "end_line": 6, "doc": "", "digest": digest},
    )
    assert (imported["source_id"], imported["data"]) == (
        "./src/a.py::os",
        {
            "file": "./src/a.py",
            "import_path": "os",
            "imported_names": ["os"],
            "import_kind": "external",
            "line_number": 1,
        },
    )
    assert (call["source_id"], call["data"]) == (
        "./src/a.py::A.f→g",
        {"file": "./src/a.py", "caller": "A.f", "callee": "g", "call_type": "direct", "line_number": 6},
    )
    assert (file["source_id"], file["source_file"], file["data"]) == (
        "./src/a.py",
        "./src/a.py",
        {
            "file": "./src/a.py",
            "language": "Python",
            "digest": hashlib.sha256((folder.path / "src/a.py").read_bytes()).hexdigest(),
            "lines": {
                "code.function": {"A.f": [[5, 6, function["data"]["digest"][:12]]]},
                "code.type": {"A": [[4, 6, digest[:12]]]},
                "code.import": {"os": [1]},
                "code.call": {"A.f→g": [6]},
            },
        },
    )


def without_lines(eventlog: Path) -> Counter[str]:
    """Return the live facts without when and where they are."""
    facts: Counter[str] = Counter()
    for row in live(eventlog):
        kept = {key: value for key, value in row["data"].items() if key not in LINE_KEYS}
        facts[json.dumps([row["event_type"], row["source_id"], kept], sort_keys=True)] += 1
    return facts


MOVABLE = {
    "a.py": ("import os\n\n\nclass A:\n    def f(self):\n        g()\n        os.x()\n", "# first\n\n"),
    "b.rs": ("use a::b;\nstruct S;\nfn f() { g(); }\n", "// first\n\n"),
    "c.cpp": ("#include <a>\nnamespace n { class C { int f() { return g(); } }; }\n", "\n/* first\n*/\n\n\n"),
}


@pytest.mark.parametrize("name", MOVABLE)
def test_what_moves_down_keeps_its_events(folder: GitFolder, name: str) -> None:
    source, above = MOVABLE[name]
    path = folder.write(name, source)
    folder.commit("one")
    scrape(folder)
    before, seq = without_lines(folder.eventlog), last_seq(folder.eventlog)
    (old,) = live(folder.eventlog, "code.file")
    path.write_text(above + source)
    report = scrape(folder)
    assert (report.new, report.retracted) == ({"code.file": 1}, {"code.file": 1})
    (new,) = live(folder.eventlog, "code.file")
    down = above.count("\n")
    for kind, places in old["data"]["lines"].items():
        for key, (place,) in places.items():
            moved = place + down if isinstance(place, int) else [place[0] + down, place[1] + down, place[2]]
            assert new["data"]["lines"][kind][key] == [moved]
    path.write_text(source)
    scrape(folder)
    assert without_lines(folder.eventlog) == before
    assert after(folder.eventlog, seq) == {"code.removed": 2, "code.file": 2}
    assert scrape(folder, full=True).new == {}


def test_an_older_eventlog_gets_what_is_new_once(folder: GitFolder) -> None:
    folder.write("a.py", "class A:\n    def f(self):\n        g()\n")
    folder.commit("one")
    scrape(folder)
    with closing(sqlite3.connect(folder.eventlog)) as connection, connection:
        connection.execute("DELETE FROM eventlog WHERE event_type IN ('code.file', 'code.type')")
        connection.execute(
            "UPDATE eventlog SET data = json_remove(data, '$.start_line', '$.end_line', '$.doc', '$.digest')"
        )
        connection.execute("UPDATE scraped_files SET digest = '1' || substr(digest, instr(digest, ':'))")
    report = scrape(folder)
    assert report.new == {"code.function": 1, "code.type": 1, "code.file": 1}
    assert report.retracted == {"code.function": 1}
    again = scrape(folder, full=True)
    assert (again.new, again.retracted) == ({}, {})


def test_only_what_changed_is_appended_and_taken_back(folder: GitFolder) -> None:
    path = folder.write("a.py", "def f(x):\n    g()\n    g()\n\n\ndef h():\n    pass\n")
    folder.write("b.py", "def b():\n    pass\n")
    folder.commit("one")
    scrape(folder)
    again = scrape(folder)
    assert (again.new, again.known) == ({}, {"code.call": 2, "code.file": 2, "code.function": 3})
    seq = last_seq(folder.eventlog)
    path.write_text("def f(x, y):\n    g()\n    g()\n    k()\n\n\ndef h():\n    pass\n")
    report = scrape(folder)
    assert report.new == {"code.function": 1, "code.call": 1, "code.file": 1}
    assert report.retracted == {"code.function": 1, "code.file": 1}
    assert after(folder.eventlog, seq) == {"code.removed": 1, "code.function": 1, "code.call": 1, "code.file": 1}
    (removed,) = rows(folder.eventlog, "code.removed")
    assert (removed["source_id"], removed["data"]) == ("./a.py", {"file": "./a.py", "seqs": [1, 5]})
    (folder.path / "b.py").unlink()
    assert scrape(folder).retracted == {"code.function": 1, "code.file": 1}
    assert scrape(folder, full=True).new == {}
    assert {row["source_file"] for row in live(folder.eventlog)} == {"./a.py"}


def test_events_of_another_tool_are_kept_where_they_hold(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    pass\n")
    folder.write("token.sol", "contract Token {}\n")
    folder.commit("one")
    scrape(folder)
    connection = sqlite3.connect(folder.eventlog)
    connection.execute("DELETE FROM scraped_files")
    for kind, file in (
        ("code.symbol", "./a.py"),
        ("code.function", "./token.sol"),
        ("code.function", "./gone.sol"),
        ("code.function", "a.py"),
    ):
        connection.execute(
            "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, '', 'x', ?, '{}')",
            (kind, file),
        )
    connection.commit()
    connection.close()
    report = scrape(folder)
    assert (report.new, report.retracted) == ({}, {"code.function": 2})
    assert [(row["event_type"], row["source_file"]) for row in live(folder.eventlog)] == [
        ("code.function", "./a.py"),
        ("code.file", "./a.py"),
        ("code.symbol", "./a.py"),
        ("code.function", "./token.sol"),
    ]


def test_what_is_not_read_is_reported(folder: GitFolder) -> None:
    source = "def f():\n    pass\n"
    folder.write(".gitignore", "ignored.py\nbuild/\n")
    for name in ("ignored.py", "build/x.py", "kept.py", "untracked.py", "notes.txt"):
        folder.write(name, source)
    folder.write("vendor/lib/a.py", source)
    folder.write("vendor/lib/b.py", source)
    folder.write("web/node_modules/x/index.js", "f()")
    folder.write("api_pb2.py", source)
    folder.write("gen.go", "// Code generated by protoc. DO NOT EDIT.\npackage p\n")
    folder.write("lock.rs", "//! Automatically generated by a build script\nfn f() {}\n")
    folder.write("writer.py", "TEXT = '# Generated. Do not edit.'\n")
    folder.write("min.js", "a=1;" * 1000)
    folder.write("binary.c", b"int\0x;")
    folder.write("huge.rs", "//\n" * 400_000)
    folder.write("broken.py", "def ok():\n    pass\n\n\ndef (((:\n")
    folder.commit("one")
    report = scrape(folder)
    # How much of `def (((:` is an error is the parser's matter: 7 or 8 of 101 characters.
    assert sorted(re.sub(r"\b[67]\.9[23]%", "7%", reason) for reason in report.skipped) == [
        "api_pb2.py: generated (by its name)",
        "binary.c: binary",
        "code: Python: parts of 1 file(s), 7% of the text of its files, could not be parsed and are left out: "
        "broken.py",
        "gen.go: generated (Code generated ... DO NOT EDIT)",
        "huge.rs: larger than 1 MiB",
        "min.js: minified",
        f"vendor/: vendored (2 file(s)){READ_IT}",
        f"web/node_modules/: vendored (1 file(s)){READ_IT}",
    ]
    files = {row["source_file"] for row in rows(folder.eventlog, "code.function")}
    assert files == {"./kept.py", "./untracked.py", "./broken.py", "./lock.rs"}


@pytest.mark.parametrize(
    ("name", "head", "reason"),
    [
        ("a.py", "# @generated by tool\n", "@generated"),
        ("a.rs", "// This file is @generated by prost-build.\n", "@generated"),
        ("a.java", "/**\n * @generated SignedSource<<1>>\n */\n", "@generated"),
        ("a.go", "// Code generated by stringer. DO NOT EDIT.\n\npackage p\n", "Code generated ... DO NOT EDIT"),
        ("a.cs", "//------\n// <auto-generated>\n// By a tool.\n", "<auto-generated>"),
        ("a.py", "# -*- utf-8 -*-\n# Generated by the protocol buffer compiler.  DO NOT EDIT!\n",
         "Generated by ... DO NOT EDIT"),
        ("a.rs", "/// `__eq__` is auto-generated by the macro.\n", ""),
        ("conf.py", "# This file is execfile()d.\n#\n# Note that not all possible configuration values are present in "
         "this\n# autogenerated file.\n", ""),
        ("a.go", "// Generated files say `@generated`, or `Code generated ... DO NOT EDIT.`\npackage p\n", ""),
        ("a.rs", "//! Automatically generated by a build script. Please do not edit.\n", ""),
        ("a.js", "x = '// @generated'\n", ""),
    ],
)  # fmt: skip
def test_only_what_generators_write_makes_a_file_generated(tmp_path: Path, name: str, head: str, reason: str) -> None:
    (tmp_path / name).write_text(head)
    read = read_source(tmp_path, name.encode())
    assert read == (Unread(f"generated ({reason})") if reason else head.encode())
    assert read_source(tmp_path, name.encode(), included=True) == head.encode()


def test_vendored_folders_are_told_by_name_licence_and_attributes(folder: GitFolder) -> None:
    source = "def f():\n    pass\n"
    folder.write("LICENSE", "ours")
    for path, licence in (("deps/lib/", "theirs"), ("tools/extern/", "theirs too"), ("external/", "ours")):
        folder.write(f"{path}x.py", source)
        folder.write(f"{path}LICENSE.txt", licence)
    folder.write("deps/build.py", source)
    folder.write("src/deps/own.py", source)
    folder.write("third_party/y.py", source)
    folder.write("vendor/mine/z.py", source)
    folder.write("vendor/other/z.py", source)
    folder.write("copied/a.py", source)
    folder.write("made/b.py", source)
    folder.write("made/zz_generated.go", "package p\n")
    folder.write(
        ".gitattributes",
        "copied/* linguist-vendored\nmade/*.py linguist-generated=true\nthird_party/* -linguist-vendored\n"
        "made/*.go linguist-generated=false\n",
    )
    folder.commit("one")
    (report,) = materialize(folder.path, folder.eventlog, only=["code"], code_include=["./vendor/mine/"])
    assert sorted(report.skipped) == [
        f"deps/: vendored (2 file(s)){READ_IT}",
        f"linguist-vendored in .gitattributes: vendored (1 file(s)){READ_IT}",
        "made/b.py: generated (linguist-generated in .gitattributes)",
        f"tools/extern/: vendored (1 file(s)){READ_IT}",
        f"vendor/: vendored (1 file(s)){READ_IT}",
    ]
    files = {row["source_file"] for row in rows(folder.eventlog, "code.file")}
    kept = {"external/x.py", "src/deps/own.py", "third_party/y.py", "vendor/mine/z.py", "made/zz_generated.go"}
    assert files == {f"./{path}" for path in kept}


def test_what_a_sparse_checkout_leaves_out_is_not_gone(folder: GitFolder) -> None:
    for name in ("a/x.py", "b/y.py", "b/z.py"):
        folder.write(name, "def f():\n    g()\n")
    folder.commit("one")
    scrape(folder)
    before, seq = without_lines(folder.eventlog), last_seq(folder.eventlog)
    folder.git("sparse-checkout", "set", "a")
    assert not (folder.path / "b").exists()
    for full in (False, True):
        report = scrape(folder, full=full)
        assert report.skipped == ("code: 2 file(s) are not checked out: what is known of them stays",)
    assert (without_lines(folder.eventlog), last_seq(folder.eventlog)) == (before, seq)
    (folder.path / "a/x.py").unlink()
    assert scrape(folder).retracted == {"code.function": 1, "code.call": 1, "code.file": 1}
    folder.git("sparse-checkout", "disable")
    folder.git("rm", "-q", "b/y.py")
    assert scrape(folder).retracted == {"code.function": 1, "code.call": 1, "code.file": 1}


def test_hostile_repository(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("one_line.py", "x=" + "(" * 10_000_000)
    folder.write("deep.py", "[" * 40_000 + "\n" * 100)
    folder.write("latin.py", b"def caf\xe9():\n    '\xff'\n")
    folder.write('new\nline "quoted".py', "def odd():\n    pass\n")
    folder.write("-rf", "x")
    folder.write("-rf.py", "def dash():\n    pass\n")
    Path(os.fsdecode(os.fsencode(folder.path) + b"/raw\xff.py")).write_text("def raw():\n    pass\n")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.py").write_text("def secret():\n    pass\n")
    folder.write("swapped/secret.py", "def mine():\n    pass\n")
    folder.commit("one")
    (folder.path / "loop").symlink_to("loop")
    (folder.path / "up").symlink_to("..")
    (folder.path / "link.py").symlink_to(tmp_path / "outside/secret.py")
    (folder.path / "loop.py").symlink_to("loop.py")
    (folder.path / "swapped/secret.py").unlink()
    (folder.path / "swapped").rmdir()
    (folder.path / "swapped").symlink_to(tmp_path / "outside")
    os.mkfifo(folder.path / "pipe.py")
    nested = GitFolder(folder.path / "nested")
    nested.write("inner.py", "def inner():\n    pass\n")
    nested.commit("inner")
    report = scrape(folder)
    functions = {(row["source_file"], row["data"]["name"]) for row in rows(folder.eventlog, "code.function")}
    assert functions == {
        ("./latin.py", "caf"),
        ('./new\nline "quoted".py', "odd"),
        ("./-rf.py", "dash"),
        ("./raw\\xff.py", "raw"),
    }
    skipped = set(report.skipped)
    assert {
        "one_line.py: larger than 1 MiB",
        "swapped/secret.py: is behind a symbolic link",
        "link.py: is a symbolic link",
        "loop.py: is a symbolic link",
    } <= skipped


def test_a_submodule_is_not_entered(folder: GitFolder, tmp_path: Path) -> None:
    other = GitFolder(tmp_path / "other")
    other.write("inner.py", "def inner():\n    pass\n")
    other.commit("inner")
    folder.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.path), "lib.py")
    folder.write("mine.py", "def mine():\n    pass\n")
    folder.commit("with a submodule")
    report = scrape(folder)
    assert report.skipped == ("lib.py: is not a regular file",)
    assert [row["data"]["name"] for row in rows(folder.eventlog, "code.function")] == ["mine"]


def test_a_file_that_the_parser_does_not_survive(folder: GitFolder) -> None:
    folder.write("a.java", "class A { void m() { x(); } }\n")
    folder.write("b.java", "\n".join(["a<" * 100] * 1000))
    folder.write("c.java", "class C { void m() { x(); } }\n")
    folder.commit("one")
    for _ in range(2):
        report = scrape(folder)
        assert report.skipped == ("b.java: the parser failed or needed more than 1024 MiB",)
    assert {row["source_file"] for row in rows(folder.eventlog)} == {"./a.java", "./c.java"}


def test_a_file_that_takes_too_long_is_left_out_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "patina_resources.materialize.code.worker.START",
        "import json, sys; sys.path[:] = json.loads(sys.argv[1]); import {module} as worker\n"
        "read = worker.read_facts\n"
        "def slow(language, content, default_name):\n"
        "    while content == b'slow': pass\n"
        "    return read(language, content, default_name)\n"
        "worker.read_facts = slow; worker.serve()",
    )
    with CodeWorker() as worker:
        for _ in range(2):
            with pytest.raises(UnreadableSourceError, match="the parser needed more time than"):
                worker.read("Python", b"slow")
            assert len(worker.read("Python", b"f()")[0]) == 1


def test_worker_takes_nothing_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "struct", "tree_sitter", "patina_resources"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    with CodeWorker() as worker:
        assert len(worker.read("Python", b"f()")[0]) == 1


def test_bare_and_empty_repositories_say_so(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("a.py", "def f(): pass\n")
    assert scrape(folder).skipped == ("code: there are no commits yet",)
    folder.commit("one")
    folder.git("clone", "-q", "--bare", str(folder.path), str(tmp_path / "bare.git"))
    (report,) = materialize(tmp_path / "bare.git", tmp_path / "bare.db", only=["code"])
    assert report.skipped == ("code: a bare repository has no files",)
