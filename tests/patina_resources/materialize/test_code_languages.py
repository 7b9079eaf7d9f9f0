"""Each language: functions, signatures, types, imports and calls, and what is written about definitions."""

import hashlib
import re
from collections import Counter
from dataclasses import replace

import pytest
from code_facts import facts
from tree_sitter import Node

from patina_resources.materialize.code.documentation import MAXIMUM_DOC, MOST_ASIDES
from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.language import FunctionHead
from patina_resources.materialize.code.languages.languages import BY_NAME, LANGUAGES, language_of

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
    "Scala": (
        "package p\nimport a.B, c.{D => E, F}\nimport g._\nimport h.I as J\n@Ann(x = 1)\n"
        "case class K[T](v: Int) extends Base(v) {\n  private def m[U](x: T, y: Int*)(implicit z: Z): Option[U] = {\n"
        '    this.q.r[U](1).s(); new L[T](1) { def inner() = deep() }; list.map(f(_)); s"${go()}"\n  }\n}\n'
        "object K { val p = start(); def +(o: K): Try[K] = o }\ntrait I { def i(): Unit; type X = Int }\n"
        "enum E:\n  case A\n  def e() = 1\ndef top =\n  call(1)\n",
        ["K.m", "K.m.inner", "K.+", "I.i", "E.e", "top"],
        ["code.enum E", "code.class K", "code.class K", "code.trait I", "code.type X"],
        ["a.B", "c.D", "c.F", "g._", "h.I"],
        [
            "K.m→this.q.r().s",
            "K.m→this.q.r",
            "K.m→new L",
            "K.m.inner→deep",
            "K.m→list.map",
            "K.m→f",
            "K.m→go",
            "K→start",
            "top→call",
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
    assert fields("Python", "class T:\n    async def fit(self, x: int, *, k=3) -> int | None: ...\n") == {
        "name": "fit",
        "parameters": ["self", "x: int", "k=3"],
        "parameter_count": 3,
        "return_type": "int | None",
        "returns_option": True,
        "is_public": True,
        "is_async": True,
    }
    assert fields("Go", SAMPLES["Go"][0])["parameters"] == ["a int", "b int"]
    curried = "class A { protected def f[T, U](x: T, y: U*)(implicit z: Z): Try[Option[U]] = ??? }"
    assert fields("Scala", curried) == {
        "name": "f",
        "parameters": ["x: T", "y: U*", "z: Z"],
        "parameter_count": 3,
        "generic_count": 2,
        "return_type": "Try[Option[U]]",
        "returns_result": True,
        "returns_option": True,
    }
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
    "Scala": (
        "/** A is.\n  *\n  * More.\n  */\n@X(1)\nfinal case class A(x: Int) {\n  // Of m.\n  @Y\n"
        "  override def m = x\n}",
        {"A.m": "Of m.", "A": "A is.\n\nMore."},
    ),
}


@pytest.mark.parametrize("language", sorted({language.name for language in LANGUAGES}))
def test_what_is_written_about_a_definition(language: str) -> None:
    source, docs = DOCUMENTED[language]
    found = read_facts(BY_NAME[language], source.encode()).facts
    kinds = ("code.function", "code.type")
    assert {fact.key: fact.fields["doc"] for fact in found if fact.event_type in kinds} == docs


def test_a_language_says_what_is_a_name_a_comment_mark_and_a_head() -> None:
    def head(node: Node, _holder: Node | None) -> FunctionHead:
        parameters = node.child_by_field_name("parameters")
        return FunctionHead(parameters.named_children[1:] if parameters else (), None, None, None)

    odd = replace(
        BY_NAME["Python"],
        names=re.compile(r"[a-z]+"),
        comment_begins=re.compile(r"^#--"),
        comment_ends=re.compile(r"--$"),
        constructs=frozenset({"g"}),
        calls={"call": "constructor"},
        declarations=frozenset({"function_definition"}),
        read_head=head,
    )
    source = b"#-- Of f. --\ndef f(self, x) -> int:\n    g(); h()\ndef F(): ...\n"
    found = read_facts(odd, source).facts
    (function,) = [fact for fact in found if fact.event_type == "code.function"]
    assert (function.key, function.fields["doc"], function.fields["parameters"]) == ("f", "Of f.", ["x"])
    assert (function.fields["return_type"], function.fields["is_declaration"]) == (None, True)
    assert [fact.fields["callee"] for fact in found if fact.event_type == "code.call"] == ["new h"]
    assert not replace(odd, without_new=frozenset({"call"})).creates("call")


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
