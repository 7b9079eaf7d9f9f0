"""Syntax that is seldom seen: operators, old C, records, generics, and macros that hold definitions."""
# ruff: noqa: E501 - a source to parse stands on one line

import pytest
from code_keys import Keys, calls, functions, keys

from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME

# language, source, functions, types, calls
ODD: dict[str, tuple[str, str, Keys, Keys, Keys]] = {
    "an inline namespace in a path": (
        "C++",
        "namespace a::inline b { void f() {} }\nnamespace c::d::inline e::g { struct S { void m(); }; }",
        ["a::b::f", "c::d::e::g::S::m"],
        ["c::d::e::g::S"],
        [],
    ),
    "macros beside a namespace's name": (
        "C++",
        "namespace std _GLIBCXX_VISIBILITY(default) { void f() {} }\nnamespace lib LIB_VIS {\nnamespace detail { void g() {} } }\n"
        "namespace API h { void k() {} }\nnamespace ATTR(x) l::m { void n() {} }\nnamespace LIB { void o() {} }",
        ["std::f", "lib::detail::g", "h::k", "l::m::n", "LIB::o"],
        [],
        [],
    ),
    "calls with template arguments": (
        "C++",
        "void f() { a.template b<int>(1); p->template c<T>(); T::template d<U>(); this->template e(); }",
        ["f"],
        [],
        ["f→a.b", "f→p->c", "f→T::d", "f→this->e"],
    ),
    "calls of operators": (
        "C++",
        "void f() { a.operator+(b); p->operator[](1); A::operator()(1); std::operator<<(a, b); operator ==(a, b); a->~A(); "
        "x.operator bool(); }\nint after() { return operator-(g()); }",
        ["f", "after"],
        [],
        ["f→a.operator+", "f→p->operator[]", "f→A::operator()", "f→std::operator<<", "f→operator==", "f→a->~A",
         "f→x.operator bool", "after→operator-", "after→g"],
    ),
    "a conversion to a type of several words": (
        "C++",
        "int f(int a) { if (unsigned(a) < unsigned(g())) b = c[a]; return long (h()); }\nvoid after() { k(); }",
        ["f", "after"],
        [],
        ["f→g", "f→h", "after→k"],
    ),
    "what asks for a template": (
        "C++",
        "extern template API auto f<char>(int) -> int;\ntemplate class Bag<int>;\ntemplate <class T> auto after(T a) -> T { return g(a); }",
        ["after"],
        [],
        ["after→g"],
    ),
    "macros behind specifiers and a template's head": (
        "C++",
        "template <class T, ENABLE_IF(is_int(T))> LIB_CONSTEXPR void f(T) { a(); }\n"
        "template <class T>\nLIB_VISIBILITY(\"hidden\")\nLIB_CONSTEXPR auto g(T x) -> int { return b(); }\n"
        "struct S { static LIB_INLINE void h() { c(); } constexpr LIB_INLINE S() : d(e()) {} static HANDLE k(int a); };",
        ["f", "g", "S::h", "S::S", "S::k"],
        ["S"],
        ["f→a", "g→b", "S::h→c", "S::S→e"],
    ),
    "macros with types": (
        "C++",
        'LIB_FLAG(int, port, 80, "p");\nvoid f() { a(); }\nLIB_AS(const char*, 1);\nint g() { return b(); }\nLIB_REGISTER(c());',
        ["f", "g"],
        [],
        ["<module>→LIB_FLAG", "f→a", "<module>→LIB_AS", "g→b", "<module>→LIB_REGISTER", "<module>→c"],
    ),
    "tests that are called by a keyword": (
        "C++",
        "TEST(Parse, bool) { a(); }\nTEST(Parse, int) { b(); }",
        ["Parse._bool", "Parse._int"],
        [],
        ["Parse._bool→a", "Parse._int→b"],
    ),
    "functions of old C": (
        "C",
        "main()\n{ a(); }\nfoo(x, y)\nchar *x;\n{ b(); }\nstatic bar() { c(); }\nint kr(x, y) int x; char *y; { return d(x); }\n"
        "while (x) { e(); }\nint proto();\nint after(void) { return h(); }",
        ["main", "foo", "bar", "kr", "after"],
        [],
        ["main→a", "foo→b", "bar→c", "kr→d", "<module>→e", "after→h"],
    ),
    "assertions of the compiler": (
        "C",
        '_Static_assert(sizeof(int) == 4, "x");\nvoid f(void) { static_assert(1); int y = _Alignof(int); g(); }',
        ["f"],
        [],
        ["f→g"],
    ),
    "operators and records": (
        "C#",
        "public readonly record struct M(int A) { public static implicit operator int(M m) => f(m); public static bool operator true(M m) => g();\n"
        "public static M operator checked +(M a, M b) => h(); }\nrecord class R;\nrecord P(int X) { public int L() => k(); }",
        ["M.operator int", "M.operator true", "M.operator+", "P.L"],
        ["M", "R", "P"],
        ["M.operator int→f", "M.operator true→g", "M.operator+→h", "P.L→k"],
    ),
    "classes that are called into being": (
        "Ruby",
        "Point = Struct.new(:x) do\n  def len; f(1); end\nend\nmodule A\n  Err = Class.new(StandardError)\n  Help = Module.new { def h; g(1); end }\n"
        "  B::C = Data.define(:d)\nend\nx = Class.new\nfoo.(3)\n",
        ["Point.len", "A.Help.h"],
        ["Point", "A", "A.Err", "A.Help", "A.B::C"],
        ["<module>→Struct.new", "Point.len→f", "A→Class.new", "A→Module.new", "A.Help.h→g", "A→Data.define",
         "<module>→Class.new", "<module>→foo"],
    ),
    "names in quotation marks, and defaults": (
        "JavaScript",
        "A.prototype['m'] = function () { a(); };\nns.f = ns.f || function () { b(); };\nvar g = g || { h() { c(); } };\n"
        "k ??= () => d();\nx.l = y && function () { e(); };\nimport.meta.resolve('x');",
        ["A.m", "ns.f", "g.h", "k"],
        [],
        ["A.m→a", "ns.f→b", "g.h→c", "k→d", "<module>→e", "<module>→import.meta.resolve"],
    ),
    "generic functions of a package, and elements": (
        "Go",
        "package p\nvar x = pkg.Gen[K](1)\nvar y = s.m[b.T](2)\nfunc f() { c.hs[c.i](c); g[k](1) }",
        ["f"],
        [],
        ["<module>→pkg.Gen", "<module>→s.m", "f→c.hs[c.i]", "f→g[k]"],
    ),
    "items in macros": (
        "Rust",
        "cfg_rt! {\n  pub fn spawn<T>(f: T) -> J { inner(f) }\n  impl X { cfg_time! { fn t(&self) { self.z() } } }\n}\n"
        "impl Y { cfg_a!{ pub fn q(&self) {} } fn r() {} }\npin! { struct P { #[pin] a: T } }\nthread_local! { static W: u8 = mk(); }",
        ["spawn", "X::t", "Y::q", "Y::r"],
        ["P", "W"],
        ["<module>→cfg_rt!", "spawn→inner", "<module>→cfg_time!", "X::t→self.z", "<module>→pin!", "<module>→thread_local!", "W→mk"],
    ),
    "items by condition": (
        "Rust",
        "cfg_if! { if #[cfg(unix)] { fn a() { f() } } else if #[cfg(x)] { fn b() {} } else { mod m { fn c() { g() } } } }",
        ["a", "b", "m::c"],
        [],
        ["<module>→cfg_if!", "a→f", "m::c→g"],
    ),
    "what is no item in a macro": (
        "Rust",
        "prop! { fn p(x in y()) { z(); } }\nm! { fn }\nn! { a: fn() -> b }\nmacro_rules! k { () => { fn no() {} } }\n"
        "o!(fn paren() {});\nfn last() { w! { fn inner() { v(); } } }",
        ["last"],
        [],
        ["<module>→prop!", "<module>→z", "<module>→y", "<module>→m!", "<module>→n!", "<module>→o!", "last→w!", "last→v"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_odd_syntax_is_read(case: str) -> None:
    language, source, found_functions, types, found_calls = ODD[case]
    assert functions(language, source) == found_functions
    assert sorted(keys(language, source, "code.type")) == sorted(types)
    assert calls(language, source) == found_calls


def test_a_record_that_is_a_struct_is_one() -> None:
    assert keys("C#", "record struct M(int A);\nrecord R;", "code.struct") == ["M"]
    assert keys("C#", "record struct M(int A);\nrecord R;", "code.class") == ["R"]


def test_macros_in_macros_are_read_to_a_depth() -> None:
    source = "a! { " * 200 + "fn f() {}" + " }" * 200
    assert functions("Rust", source) == []
    assert functions("Rust", "a! { b! { c! { fn f() {} } } }") == ["f"]


@pytest.mark.parametrize("language", ["C", "C++"])
@pytest.mark.parametrize(
    "source",
    [
        "static DEFINE_MUTEX(lock);",
        "static FOO;",
        "static inline API\n{ int x; }",
        "struct A { static FOO\n};",
        "inline FOO(a) { }",
    ],
)
def test_a_macro_behind_a_specifier_may_be_all_there_is(language: str, source: str) -> None:
    facts = read_facts(BY_NAME[language], f"{source}\nint after() {{ return g(); }}\n".encode()).facts
    assert "after" in [fact.key for fact in facts if fact.event_type == "code.function"]


def test_a_type_of_several_words_before_parentheses_is_a_whole_one() -> None:
    source = b"unsigned (f)(int a) { return a; }\nunsigned long (g)(int a) { return a; }\nshort (*h(void))(int) { return k; }\n"
    facts = [fact for fact in read_facts(BY_NAME["C"], source).facts if fact.event_type == "code.function"]
    assert [(fact.key, fact.fields["return_type"]) for fact in facts] == [
        ("f", "unsigned"), ("g", "unsigned long"), ("h", "short"),
    ]  # fmt: skip


@pytest.mark.parametrize("literal", ['"abcd"', "'abcd'", "1234", "== !="])
def test_what_stands_before_parentheses_and_a_brace_is_a_function_only_where_it_is_a_word(literal: str) -> None:
    found = read_facts(BY_NAME["C"], f"{literal} (x) {{ g(); }}\nint after() {{ return 1; }}\n".encode()).facts
    assert [fact.key for fact in found if fact.event_type == "code.function"] == ["after"]


def test_a_type_of_ruby_is_bound_to_a_constant_and_not_to_a_member() -> None:
    source = b"A.b = Struct.new(:x)\nA::B = Struct.new(:x)\nC = Data.define(:x)\n"
    facts = read_facts(BY_NAME["Ruby"], source).facts
    assert [fact.key for fact in facts if fact.event_type == "code.type"] == ["A::B", "C"]


def test_characters_that_are_no_token_are_unread_beside_words_that_are() -> None:
    clean, odd = (read_facts(BY_NAME["JavaScript"], source).unread_bytes for source in (b"a b", b"a \x01 b \x01\x02"))
    assert odd >= clean + len(b"\x01" * 3)
