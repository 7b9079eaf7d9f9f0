"""Declared methods, functions of values, and calls that stand in no function."""
# ruff: noqa: E501 - a source to parse stands on one line

import pytest
from code_keys import Keys, calls, functions, keys

from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME
from patina_resources.materialize.code.names import default_name


@pytest.mark.parametrize(
    ("language", "source", "names"),
    [
        ("JavaScript", "export default function () { go(); }", ["page"]),
        ("TypeScript", "export default (async () => { go(); }) as F;", ["page"]),
        ("JavaScript", "module.exports = function () { go(); };", ["page"]),
        ("TypeScript", "export = function () { go(); };", ["page"]),
        ("JavaScript", "export default class { m() { go(); } }", ["page.m"]),
        ("JavaScript", "app.use = function use() {};\nFoo.prototype.bar = function () {};", ["app.use", "Foo.bar"]),
        ("JavaScript", "Foo.prototype = { a() {}, b: () => 1 };\nexports.c = function d() {};", ["Foo.a", "Foo.b", "c"]),
        ("TypeScript", "const api = { get() {}, users: { list: async () => 1 } } as const;", ["api.get", "api.users.list"]),
        ("JavaScript", "export default { data() {}, methods: { go() {} } };", ["data", "methods.go"]),
        ("JavaScript", "function F() { this.run = () => 1; }\nconst A = class { m() {} };", ["F", "F.run", "A.m"]),
        ("TypeScript", "(request as any).write = () => {};\n(a.b! as B).c = function () {};", ["request.write", "a.b.c"]),
        ("JavaScript", "list.map(function () { go(); }); x[0] = () => 1; const {a} = () => 1;", []),
    ],
)  # fmt: skip
def test_functions_are_named_by_what_holds_them(language: str, source: str, names: Keys) -> None:
    found = read_facts(BY_NAME[language], source.encode(), default_name("src/page.test.js")).facts
    assert [fact.key for fact in found if fact.event_type == "code.function"] == names


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("./src/router.js", "router"),
        ("./src/user-list.spec.ts", "user_list"),
        ("./src/cart/index.js", "cart"),
        ("index.mjs", "index"),
        ("./2fa.js", "_2fa"),
        ("./-.js", "default"),
    ],
)
def test_what_is_exported_without_a_name_is_called_after_its_file(path: str, name: str) -> None:
    assert default_name(path) == name


DECLARED = {
    "TypeScript": (
        "abstract class A { abstract m(a: number): void; m(x: string): string; n() {} }\ninterface I { q?(): void; new (): I }\n"
        "function f(a: number): void;\nfunction f(a: any) {}\ndeclare function g(): void;",
        ["A.m", "A.m", "I.q", "f", "g"],
        ["A.n", "f"],
    ),
    "Go": ("package p\ntype I interface { Read(p []byte) (int, error); Other }\nfunc f() {}", ["I.Read"], ["f"]),
    "Java": (
        "interface I { int m(int a); default void n() {} }\nabstract class A { abstract void q(); }\n"
        '@interface N { String value() default ""; }',
        ["I.m", "A.q", "N.value"],
        ["I.n"],
    ),
    "C#": ("interface I { void N(); }\nabstract class A { abstract void M(); int P() => 1; }", ["I.N", "A.M"], ["A.P"]),
    "PHP": (
        "<?php interface I { function m(); } abstract class A { abstract function q(); function r() {} }",
        ["I::m", "A::q"],
        ["A::r"],
    ),
    "Scala": (
        "trait T { def q(x: Int): Int; def r: Int = 1 }\nabstract class A { def s(): Unit }",
        ["T.q", "A.s"],
        ["T.r"],
    ),
    "Rust": ("trait T { fn q(&self); fn r(&self) {} }", ["T.q".replace(".", "::")], ["T::r"]),
    "C++": (
        "int proto(int);\nclass A { A(); virtual void v() = 0; static int *s(int a); void (*hook)(int); int x; A y(); "
        "friend void fr(A); template <class T> void t(T); void d() {} };\nvoid A::v() { int z(1); A a(); }",
        ["A::A", "A::v", "A::s", "A::y", "A::t"],
        ["A::d", "A::v"],
    ),
}


@pytest.mark.parametrize("language", DECLARED)
def test_declared_methods_and_overloads_are_told_from_bodies(language: str) -> None:
    source, declared, defined = DECLARED[language]
    found = read_facts(BY_NAME[language], source.encode()).facts
    told = [(fact.key, "is_declaration" in fact.fields) for fact in found if fact.event_type == "code.function"]
    assert [key for key, is_declaration in told if is_declaration] == declared
    assert [key for key, is_declaration in told if not is_declaration] == defined


BOUND = {
    "Python": ("f = lambda x: g(x)\nclass A:\n    k: T = lambda self: h()\ndef m():\n    n = lambda: i()\nmap(lambda: j(), x)",
               ["f", "A.k", "m"], ["f→g", "A.k→h", "m→i", "<module>→map", "<module>→j"]),
    "Go": ("package p\nvar h = func(a int) { g() }\nvar (\n a, b = 1, func() { k() }\n)\nfunc f() { x := func() { y() } }",
           ["h", "b", "f"], ["h→g", "b→k", "f→y"]),
    "C++": ("auto l = [](int a) { g(); };\nnamespace n { static const F q = [&] { return h(); }; }\nvoid f() { auto x = [] { y(); }; }",
            ["l", "n::q", "f"], ["l→g", "n::q→h", "f→y"]),
    "Java": ("class A { static final F<X> f = x -> g(x); F h = (a, b) -> { k(); }; void m() { F x = () -> y(); } }",
             ["A.f", "A.h", "A.m"], ["A.f→g", "A.h→k", "A.m→y"]),
    "C#": ("class A { Func<int, int> f = x => g(x); Action h = delegate { k(); }; void M() { Action x = () => y(); } }",
           ["A.f", "A.h", "A.M"], ["A.f→g", "A.h→k", "A.M→y"]),
    "Ruby": ("F = ->(x) { g(x) }\nG = lambda { |x| h(x) }\nmodule M\n  H = proc do k(1) end\nend\ndef m\n  x = -> { y(1) }\nend",
             ["F", "G", "M.H", "m"], ["F→g", "<module>→lambda", "G→h", "M→proc", "M.H→k", "m→y"]),
    "JavaScript": ("var f = function g() { h(); };\nlet k = () => l();\nclass A { m = async () => n(); static o = function () { p(); } }",
                   ["f", "k", "A.m", "A.o"], ["f→h", "k→l", "A.m→n", "A.o→p"]),
    "Rust": ("static F: fn(u8) -> u8 = |x| g(x);\nimpl A { const G: fn() = || { h(); }; }\nconst T: L = L::new(|| k());\n"
             "fn m() { let c = |x| i(x); }",
             ["F", "A::G", "m"], ["F→g", "A::G→h", "T→L::new", "T→k", "m→i"]),
    "Scala": ("object A { val f = (x: Int) => g(x)\n lazy val h: F = { case _ => k() }\n var (a, b) = (() => t(), 1)\n val z = l.map(x => u(x))\n"
              " def m() = { val x = () => y() } }\nval i = x => j(x)",
              ["A.f", "A.m", "i"], ["A.f→g", "A→k", "A→t", "A→l.map", "A→u", "A.m→y", "i→j"]),
    "PHP": ("<?php $f = fn($x) => g($x);\n$h = static function () use ($f) { i(); };\nfunction m() { $n = fn() => j(); }\nuse_it(fn() => k());",
            ["$f", "$h", "m"], ["$f→g", "$h→i", "m→j", "<module>→use_it", "<module>→k"]),
}  # fmt: skip


# Several on a line, in an expression, in a class: the same rule.
BOUND_ELSEWHERE = [
    ("Python", "d, e = lambda: t(), 1\nif (w := lambda: y()): pass\na.b = lambda: z()", ["d→t", "w→y", "a.b→z"]),
    ("C++", "struct S { static constexpr auto p = [] { k(); }; int q = 1; };", ["S::p→k"]),
    ("Go", "package p\nvar i, j = func() { k() }, func() { l() }", ["i→k", "j→l"]),
    (
        "Ruby",
        "F = Proc.new { |x| g(x) }\nH = Other.new { i }",
        ["<module>→Proc.new", "F→g", "<module>→Other.new", "<module>→i"],
    ),
    (
        "C#",
        "class A { Action B { get; } = () => C(); static Func<int> D { get; set; } = delegate { return E(); }; int F => G(); }",
        ["A.B→C", "A.D→E", "A→G"],
    ),
]


@pytest.mark.parametrize(("language", "source", "found"), BOUND_ELSEWHERE)
def test_a_lambda_has_the_name_in_its_place(language: str, source: str, found: Keys) -> None:
    assert calls(language, source) == found
    outside = {"<module>", "A"}
    assert functions(language, source) == [
        caller for call in found if (caller := call.partition("→")[0]) not in outside
    ]


@pytest.mark.parametrize("language", BOUND)
def test_a_lambda_that_is_bound_to_a_name_is_a_function(language: str) -> None:
    source, names, found = BOUND[language]
    assert functions(language, source) == names
    assert calls(language, source) == found


@pytest.mark.parametrize(
    ("language", "source", "found", "types"),
    [
        ("Python", "class A:\n    x = f()\n    @g()\n    def m(self): ...", ["A→f", "A→g"], ["A"]),
        ("Rust", "const C: X = f(); mod m { static S: X = g(); } impl T { const K: u8 = h(); }",
         ["C→f", "m::S→g", "T::K→h"], ["C", "m::S", "T::K"]),
        ("C++", "namespace n { int x = f(); struct S { int y = g(); }; }", ["<module>→f", "n::S→g"], ["n::S"]),
        ("JavaScript", "const api = { x: f(), y: { z: g() } }; class A { x = h(); }", ["<module>→f", "<module>→g", "A→h"], ["A"]),
        ("TypeScript", "namespace N { const x = f(); } enum E { A = g() }", ["<module>→f", "E→g"], ["E"]),
        ("Java", "class A { int x = f(); enum E { B(g()); } }", ["A→f", "A.E→g"], ["A.E", "A"]),
        ("C#", "namespace N { class A { int x = f(); int P => g(); } }", ["A→f", "A→g"], ["A"]),
        ("Ruby", "class A\n  x f(1)\nend\nB = g(2)", ["A→x", "A→f", "<module>→g"], ["A"]),
    ],
)  # fmt: skip
def test_what_calls_outside_of_functions_is_a_type_or_the_module(
    language: str, source: str, found: Keys, types: Keys
) -> None:
    assert calls(language, source) == found
    assert sorted(keys(language, source, "code.type")) == sorted(types)
