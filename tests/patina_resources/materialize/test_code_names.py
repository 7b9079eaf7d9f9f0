"""Names of functions and types."""
# ruff: noqa: E501 - a source to parse stands on one line

import re

import pytest
from code_keys import Keys, calls, functions, keys

from patina_resources.materialize.code.c_macros.blank import without_macros
from patina_resources.materialize.code.languages.languages import BY_NAME

NAME = re.compile(r"[#~]?[\w$]+[?!=]?((::|\.)[#~]?[\w$]+[?!=]?)*|operator.+|\W{1,3}")


# language, source, functions, types, calls; one line of `cases.md` for each block
MACROS: dict[str, tuple[str, str, Keys, Keys, Keys]] = {
    "a macro in a class head": (
        "C++",
        "class API_EXPORT Pipe { public: Pipe(int fd); void close(); };",
        ["Pipe::Pipe", "Pipe::close"],
        ["Pipe"],
        [],
    ),
    "several, one with arguments": (
        "C++",
        'struct A_API B_DEPRECATED("x") Bag final : public Base { int n() { return f(); } };\nint g() { return h(); }',
        ["Bag::n", "g"],
        ["Bag"],
        ["Bag::n→f", "g→h"],
    ),
    "macros before and after a class's name": (
        "C++",
        "class Q_DECL_EXPORT Foo Q_DECL_FINAL : public QObject { public: explicit Foo(int a); };\n"
        "class Impl CV_FINAL : public Base { void f() CV_OVERRIDE { g(); } };\nstruct API_A Pair API_B API_C { int h(); };",
        ["Foo::Foo", "Impl::f", "Pair::h"],
        ["Foo", "Impl", "Pair"],
        ["Impl::f→g"],
    ),
    "an attribute and a macro before a class's name": (
        "C++",
        "class [[nodiscard]] API Result { bool ok() const; };\nstruct alignas(16) [[maybe_unused]] API_B Row final { int f(); };\n"
        "struct Row *API_MAKE(int a) { return g(a); }\nstruct Row make(int a) { return h(a); }",
        ["Result::ok", "Row::f", "API_MAKE", "make"],
        ["Result", "Row"],
        ["API_MAKE→g", "make→h"],
    ),
    "a macro in a template's class head": (
        "C++",
        "template <class T> class API Box { T get() const; };\nenum class API Kind : int { A };",
        ["Box::get"],
        ["Box", "Kind"],
        [],
    ),
    "a namespace macro": (
        "C++",
        "BEGIN_NS\nnamespace detail { int count(int n) { return slow(n); } }\nEND_NS",
        ["detail::count"],
        [],
        ["detail::count→slow"],
    ),
    "a namespace macro with arguments, in a namespace": (
        "C++",
        "namespace a {\nNS_OPEN(b)\nstatic int f() { return g(); }\nNS_CLOSE\n}",
        ["a::f"],
        [],
        ["a::f→g"],
    ),
    "a namespace macro before a struct": (
        "C",
        "HEADER_BEGIN\nstruct S { int a; };\nint f(void) { return 1; }\nHEADER_END\n",
        ["f"],
        ["S"],
        [],
    ),
    "a macro before a template": (
        "C++",
        "MACRO template <class C> class Bag { void f() { g(); } };\nvoid after() { h(); }",
        ["Bag::f", "after"],
        ["Bag"],
        ["Bag::f→g", "after→h"],
    ),
    "a macro before a type": (
        "C++",
        "LIB_API void f() { g(); }\nLIB_API ns::Type<int> *h(int a) { return k(a); }\n"
        "BOOL WINAPI m(int a) { return n(a); }",
        ["f", "h", "m"],
        [],
        ["f→g", "h→k", "m→n"],
    ),
    "a macro after the type, the parameters or a field": (
        "C++",
        "struct S { int count GUARDED_BY(lock); int f() NOEXCEPT_IF(true) { return g(); } };\n"
        "static int __init start(void) { return h(); }",
        ["S::f", "start"],
        ["S"],
        ["S::f→g", "start→h"],
    ),
    "a comment in the midst of a macro": (
        "C",
        '#define FIELDS \\\n  X(a) /* of "a" */ \\\n  X(b) \\\n  Y("/*")\nint f() { return g(); }',
        ["f"],
        [],
        ["f→g"],
    ),
    "the name of a typedef that looks like a macro's": (
        "C",
        "typedef struct {\n  QUEUE(head, a) q;\n} LIST_HEAD;\nint f() { return g(); }",
        ["f"],
        ["LIST_HEAD"],
        ["f→g"],
    ),
    "a declaring macro without a semicolon": (
        "C++",
        "DECLARE(x)\nint f(int a) { return g(a); }",
        ["f"],
        [],
        ["f→g"],
    ),
    "the same in C, before a type of several words": (
        "C",
        'MODULE_LICENSE("GPL")\nstatic unsigned long f(int a) { return g(a); }\nDECLARE(y)\nstruct s *h(void) { return k(); }',
        ["f", "h"],
        [],
        ["f→g", "h→k"],
    ),
    "the same in a class": (
        "C++",
        "class W { Q_OBJECT\n Q_PROPERTY(int x READ x)\npublic:\n int x() { return y(); } };",
        ["W::x"],
        ["W"],
        ["W::x→y"],
    ),
    "a macro before a statement": (
        "C",
        "void m(void) { READ(v)\nif (v) { k(); } }",
        ["m"],
        [],
        ["m→READ", "m→k"],
    ),
    "macros before loops and blocks": (
        "C",
        "void m(void) { CHECK(a)\nwhile (a) { b(); }\nFOREACH(x, list) { c(x); }\nBEGIN_THREADS\nd();\nEND_THREADS\n}",
        ["m"],
        [],
        ["m→CHECK", "m→b", "m→FOREACH", "m→c", "m→d"],
    ),
    "a statement outside of a function": (
        "C",
        "READ(v)\nif (v) { k(); }\nfor (;;) { l(); }",
        [],
        [],
        ["<module>→k", "<module>→l"],
    ),
    "tests": (
        "C++",
        "TEST(Parser, Empty) { run(); }\nTEST(Parser, Deep) { dig(); }",
        ["Parser.Empty", "Parser.Deep"],
        [],
        ["Parser.Empty→run", "Parser.Deep→dig"],
    ),
    "tests with fixtures, values and types": (
        "C++",
        "TEST_F(Fix, One) { a(); }\nTEST_P(Fix, Two)\n{ b(); }\nTYPED_TEST(Fix, Three) { c(); }\n"
        "namespace n { TEST_F(F, G) { d(); } }",
        ["Fix.One", "Fix.Two", "Fix.Three", "n::F.G"],
        [],
        ["Fix.One→a", "Fix.Two→b", "Fix.Three→c", "n::F.G→d"],
    ),
    "tests with titles": (
        "C++",
        'TEST_CASE("reads: nothing, at all", "[io]") { a(); SECTION("x") { b(); } }\n'
        'TEST_CASE_METHOD(Fix, "2 rows") { c(); }\nSCENARIO("it\'s empty") { d(); }',
        ["reads_nothing_at_all", "_2_rows", "it_s_empty"],
        [],
        [
            "reads_nothing_at_all→a",
            "reads_nothing_at_all→SECTION",
            "reads_nothing_at_all→b",
            "_2_rows→c",
            "it_s_empty→d",
        ],
    ),
    "tests and functions that are templates": (
        "C++",
        "template <typename T> TEST_CASE(sums) { a<T>(); }\ntemplate <>\nTEST(Fix, One)\n{ b(); }\n"
        "template <template <class> class T, class U = Bag<int>> requires Some<T> TEST_F(Fix, Two) { c(); }\n"
        "template <class T> template <class U> DEFINE_READER(read) { d(); }\n"
        "template <class T> void plain(T a) { e(); }\nclass FOO { template <class T> FOO(T a) { f(); } };",
        ["sums", "Fix.One", "Fix.Two", "read", "plain", "FOO::FOO"],
        ["FOO"],
        ["sums→a", "Fix.One→b", "Fix.Two→c", "read→d", "plain→e", "FOO::FOO→f"],
    ),
    "tests of other frameworks": (
        "C++",
        "BOOST_AUTO_TEST_CASE(first)\n{ a(); }\nBOOST_FIXTURE_TEST_CASE(second, Fix) { b(); }\n"
        "BENCHMARK_DEFINE_F(Fix, Third)(benchmark::State& s) { c(); }",
        ["first", "second", "Fix.Third"],
        [],
        ["first→a", "second→b", "Fix.Third→c"],
    ),
    "tests in a suite, with a prefix": (
        "C++",
        'TEST_SUITE("s") { TEST_CASE("in") { c(); } static int help(int a) { return d(a); } }\n'
        'CATCH_TEST_CASE("out", "[b]") { e(); }\nint after() { return f(); }',
        ["in", "help", "out", "after"],
        [],
        ["in→c", "help→d", "out→e", "after→f"],
    ),
    "tests in a class that a macro begins": (
        "C++",
        "TEST_CLASS(Parser)\n{\npublic:\n  TEST_METHOD(Empty)\n  { run(); }\n  void help() { dig(); }\n};\n"
        "TEST_GROUP(Tree) { void setup() { grow(); } };\nTEST(Tree, Falls) { fell(); }\nint after() { return f(); }",
        ["Parser.Empty".replace(".", "::"), "Parser::help", "Tree::setup", "Tree.Falls", "after"],
        ["Parser", "Tree"],
        ["Parser::Empty→run", "Parser::help→dig", "Tree::setup→grow", "Tree.Falls→fell", "after→f"],
    ),
    "tests and entry points in C": (
        "C",
        "START_TEST(empty)\n{ a(); }\nEND_TEST\nTest(suite, full) { b(); }\n"
        "SYSCALL_DEFINE3(openat, int, dfd) { c(); }\nPHP_METHOD(Foo, bar)\n{ d(); }",
        ["empty", "suite.full", "openat", "Foo.bar"],
        [],
        ["empty→a", "suite.full→b", "openat→c", "Foo.bar→d"],
    ),
}


@pytest.mark.parametrize("case", MACROS)
def test_macros_hide_no_declaration(case: str) -> None:
    language, source, found_functions, types, found_calls = MACROS[case]
    assert functions(language, source) == found_functions
    assert keys(language, source, "code.type") == types
    assert calls(language, source) == found_calls
    assert len(without_macros(source.encode()).content) == len(source.encode())


# language: sources that look as if they defined something called by a keyword, a comment, a brace or nothing
FALSE_NAMES = {
    "Python": ["def if(x): pass", "class while: pass", "def (x): pass", "x.y = lambda: 1\nx[0] = lambda: 2"],
    "Rust": [
        "fn if(x) {}",
        "impl<T> Tr for [T; 3] { fn ok() {} }",
        "impl Tr for (A, B) { fn ok() {} }",
        "fn match() {}",
        "const _: fn() = || { f() };\nstatic _: u8 = g();",
    ],
    "JavaScript": [
        "class A { if (x) { y() } while (z) {} )",
        "({ 'a b'() {}, 1() {}, [x + y]() {} })",
        "x[0] = () => 1;",
    ],
    "TypeScript": ["class A { if (x) { y() } for (z) {} )", "interface I { 'a-b'(): void; [k: string]: any }"],
    "TypeScript (JSX)": ["class A { if (x) { return <a/> } ) }", "const {a, b} = () => <div/>;"],
    "Go": [
        "package p\nfunc if() {}",
        "package p\nvar _, x[0] = func() {}",
        "package p\nfunc (t T) { }",
        "package p\nfunc _() {}\nvar _ = func() {}",
    ],
    "Java": ["class A { if (x) { y(); } else { z(); } }", "class A { void while() {} }", "class { void ok() {} }"],
    "C": ["if (v) {}", "while (x) { y(); }", "int /* a */ (*)(int) {}", "else { f(); }", "switch (x) { case 1: f(); }"],
    "C++": [
        "namespace { if (v) {} }",
        "class { int x; };",
        "void operator() {}",
        "BEGIN namespace { }",
        "try { f(); } catch (x) {}",
    ],
    "Ruby": ["def (x) end", "class << self\nend", "x[0] = -> { y }", "def 1; end"],
    "C#": ["class A { if (x) { y(); } while (z) { } }", "class { void ok() {} }", "class A { int this[int i] => i; }"],
    "PHP": [
        "<?php function () {}; if (x) { y(); }",
        "<?php class { }",
        "<?php $f = fn($x) => g($x);",
        "<p>function f() {}</p>",
    ],
    "Scala": [
        "val f = (x: Int) => g(x)",
        "class A { def this(x: Int) = this(); def `odd name`(): Unit = () }",
        "given Ordering[Int] with { }",
    ],
}


@pytest.mark.parametrize(
    ("language", "source"), [(language, source) for language in FALSE_NAMES for source in FALSE_NAMES[language]]
)
def test_nothing_is_called_by_what_is_no_name(language: str, source: str) -> None:
    reserved = BY_NAME[language].reserved
    for kind in ("code.function", "code.type"):
        for key in keys(language, source, kind):
            assert NAME.fullmatch(key), key
            assert not reserved & set(key.replace("::", ".").split(".")), key


def test_every_language_has_false_names() -> None:
    assert set(FALSE_NAMES) == set(BY_NAME)


@pytest.mark.parametrize(
    ("language", "source", "names"),
    [
        ("Rust", "fn r#async() {} struct r#type; mod r#mod { fn f() {} }", ["async", "mod::f"]),
        ("C#", "class @class { void @if() { } }", ["class.if"]),
        ("JavaScript", "class A { delete() {} catch() {} get if() { return 1 } #p() {} [Symbol.iterator]() {} 'q'() {} }",
         ["A.delete", "A.catch", "A.if", "A.#p", "A.Symbol.iterator", "A.q"]),
        ("Ruby", "def a?; end\ndef b!; end\ndef c=(x); end\ndef ==(o); end\ndef [](i); end\ndef +@; end\ndef self.d; end",
         ["a?", "b!", "c=", "==", "[]", "+@", "d"]),
        ("C++", "struct A { ~A(); bool operator==(A) const; A &operator[](int); operator bool() const; void operator ()(); };\n"
         "A::operator int*() { return 0; }\nlong double operator\"\"_km(long double x) { return x; }\n"
         "template <> void B<int>::f<long>() {}\nvoid *operator new(size_t n) { return 0; }",
         ["A::~A", "A::operator==", "A::operator[]", "A::operator bool", "A::operator()", "A::operator int*",
          'operator""_km', "B::f", "operator new"]),
        ("C++", "struct A { operator B<R(Args...)>() const { return f(); } operator std::function<F(int)>&() { return g; } };",
         ["A::operator B<R(Args...)>", "A::operator std::function<F(int)>&"]),
        ("C", "int (*get(int a))(int) { return 0; }\nint main(argc, argv) int argc; char **argv; { return 0; }", ["get", "main"]),
        ("C#", "class A { public static A operator +(A a, A b) => a; ~A() {} }", ["A.operator+", "A.~A"]),
        ("Ruby", "module ::A\n  def b; end\nend\nclass ::C::D\n  def e; end\nend", ["A.b", "C::D.e"]),
    ],
)  # fmt: skip
def test_odd_names_that_are_names(language: str, source: str, names: Keys) -> None:
    assert functions(language, source) == names
