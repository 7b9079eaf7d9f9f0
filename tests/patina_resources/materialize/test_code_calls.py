"""Who is called, and what is written like a call and is none."""
# ruff: noqa: E501 - a source to parse stands on one line

import pytest
from code_keys import Keys, calls, functions


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('println!("{}", banner(1)); let v = vec![helper(2)];', ["println!", "banner", "vec!", "helper"]),
        ("assert_eq!(self.a.b(x).c::<u8>(), S::<u8>::new(1));", ["assert_eq!", "self.a.b", "self.a.b().c", "S::new"]),
        ("select! { x = f(g(1)) => h!(k(2)), _ = r#async() => {} }", ["select!", "f", "g", "h!", "k", "async"]),
        ("m!(if (a) { return (b) } else { match (c) {} }); n![(x)(y), \"f(1)\", 'c'];", ["m!", "n!"]),
        ("assert_eq!(Mode::default(), a.union(b), x.raw());", ["assert_eq!", "Mode::default", "a.union", "x.raw"]),
        ("assert!(T::new::<Vec<_>, &'static str>(f()).g::<A<B<C>>>());", ["assert!", "T::new", "f", "T::new().g"]),
        ("cfg_if! { if #[cfg(unix)] { fn inner() { run(); } } }", ["cfg_if!", "run"]),
    ],
)
def test_calls_in_the_arguments_of_rust_macros(source: str, found: Keys) -> None:
    assert sorted(calls("Rust", f"fn show() {{ {source} }}")) == sorted(f"show→{callee}" for callee in found)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("C++", "static_cast<T>(x), reinterpret_cast<T*>(x), const_cast<T&>(x), dynamic_cast<T*>(x);"),
        ("C++", "int(3.5), size_t(x), double(y), noexcept(x);"),
        ("C++", "new char[9], new int(4), new unsigned int[3];"),
        ("C++", '__attribute__((section(".x"), aligned(16))) int x;'),
        ("C", "static __attribute__((aligned(16))) int x;"),
    ],
)
def test_casts_plain_types_and_attributes_call_nothing(language: str, source: str) -> None:
    assert calls(language, f"void f() {{ {source} g(h()); }}") == ["f→g", "f→h"]


@pytest.mark.parametrize(
    "source", ["new T(1)", "new std::string(x)", "T(x)", "std::move(x)", "this->f()", "static_cast<T>(f())"]
)
def test_what_is_beside_casts_is_called(source: str) -> None:
    (called,) = calls("C++", f"void f() {{ {source}; }}")
    assert called.removeprefix("f→") == source.removeprefix("static_cast<T>(").rsplit("(")[0]


@pytest.mark.parametrize(
    "source",
    [
        "interface I {\n#if A\n  [X]\n#endif\n  void F(int a)\n#if A\n  { G(a); }\n#else\n  ;\n#endif\n  void H() { K(); }\n}",
        "interface I {\n  I F(int a)\n#if A\n  => new B().C()\n    .G(a)\n#endif\n  ;\n  void H() { K(); }\n}",
        "class I {\n#if A\n  void F(int a)\n#else\n  void F()\n#endif\n  { G(); }\n  void H() { K(); }\n}",
        "#if A\nclass I : B\n#else\nclass I\n#endif\n{ void F() { G(); } void H() { K(); } }",
        "class I { void F() { if (a)\n#if A\n G();\n#else\n L();\n#endif\n } void H() { K(); } }",
    ],
)
def test_a_directive_in_a_declaration_of_c_sharp_hides_nothing(source: str) -> None:
    assert sorted(functions("C#", source)) == ["I.F", "I.H"]
    found = calls("C#", source)
    assert "I.H→K" in found
    assert any(call.startswith("I.F→") and call.endswith("G") for call in found)


def test_what_follows_an_attribute_is_read() -> None:
    source = "void log(const char*, ...) __attribute__((format(printf, 1, 2)));\n__attribute__((hot)) void f() { g(); }"
    assert calls("C++", source) == ["f→g"]


@pytest.mark.parametrize(
    ("language", "source", "callee"),
    [
        ("Rust", "S::<u8>::new();", "S::new"),
        ("Rust", "a::<T>::b::<U>::c::<V>();", "a::b::c"),
        ("Rust", "x.r#match(1);", "x.match"),
        ("Rust", "r#type();", "type"),
        ("Rust", "r#mod::r#fn::<u8>(1);", "mod::fn"),
        ("Rust", "<T as Trait<u8>>::make(1);", "T::make"),
        ("Rust", "<Vec<u8>>::len(&x);", "Vec::len"),
        ("C#", "class A { int x = @b.@new(1); }", "b.new"),
        ("C#", "class A { int x = a[0][i + 1]?.b?[c].d(); }", "a[0][()]?.b?[c].d"),
        ("C++", "int x = a[0].b[i + 1]->c();", "a[0].b[()]->c"),
        ("JavaScript", "a?.b?.(1)", "a?.b"),
        ("JavaScript", "a?.[0]?.c?.()", "a?.[0]?.c"),
        ("TypeScript", "a!.b?.<T>(1)", "a.b"),
        ("JavaScript", "<Header size={1} />", "Header"),
        ("TypeScript (JSX)", "<Menu.Item<T>>x</Menu.Item>", "Menu.Item"),
        ("TypeScript", "a.f!(1)", "a.f"),
        ("TypeScript", "const x = await a.f<T>(b)", "a.f"),
        ("TypeScript", "async () => { await import('x') }", "import"),
        ("Go", "package p\nvar x = f[bool](1)", "f"),
        ("Go", "package p\nvar x = f[*T](1, 2)", "f"),
        ("Go", "package p\nvar x = a.f[b.T](1)", "a.f"),
        ("Go", "package p\nvar x = f[Token](1, 2)", "f"),
        ("Go", "package p\nvar x = f[i](1)", "f[i]"),
        ("Go", "package p\nvar x = f[i](1, 2)", "f[i]"),
        ("PHP", "<?php \\count($x);", "count"),
        ("PHP", "<?php new \\Foo\\Bar(1);", "new Foo\\Bar"),
        ("PHP", "<?php $x->isset(1);", "$x->isset"),
    ],
)
def test_what_a_call_is_of(language: str, source: str, callee: str) -> None:
    assert [key.partition("→")[2] for key in calls(language, source)] == [callee]


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("Go", "package p\nvar a, b, c = []byte(x), map[string]int(y), func()(z)"),
        ("PHP", "<?php isset($a); empty($b); exit(1); list($c) = $d; unset($e);"),
        ("C#", "class A { string F(int x) => nameof(x) + typeof(A) + sizeof(int) + default(int); }"),
    ],
)
def test_what_is_written_as_a_call_and_is_none(language: str, source: str) -> None:
    assert calls(language, source) == []


def test_elements_of_a_page_are_no_calls() -> None:
    source = "const P = () => <div><my-tag/><A b={c()}/><></></div>;"
    assert calls("JavaScript", source) == ["P→A", "P→c"]


# A word alone, by Ruby's own reader (Ripper): a call, or a variable.
WORDS_OF_RUBY = [
    ("render", ["render"]),
    ("private\nraise", ["private", "raise"]),
    ("a.b(c)", ["a.b", "a", "c"]),
    ("a; a = 1; a", ["a"]),
    ("a = a", []),
    ("a ||= b", ["b"]),
    ("a, (b, *c), *d = e\na; b; c; d", ["e"]),
    ("for a in b do a end", ["b"]),
    ("begin; rescue => a; a; end", []),
    ("def m(a, b = z, *c, d:, e: y, **f, &g) = [a, b, c, d, e, f, g, h]", ["z", "y", "h"]),
    ("x = 1; def m; x; end; class A; x; end", ["x", "x"]),
    ("f { |a, (b, c); d| a; b; c; d; e }; a", ["f", "e", "a"]),
    ("f do a = 1 end; a", ["f", "a"]),
    ("a = 1; f { a; b = 2; g { b } }; b", ["f", "g", "b"]),
    ("->(a, b = c) { a; b }", ["c"]),
    ("case x\nin [a, *b] if a then b\nin {c:, d: Integer => e, **f} then c; e; f\nin g then g\nend", ["x"]),
    ("x => {a:}; a; y in [b]; b", ["x", "y"]),
    ("/(?<a>.)(?<b>.)/ =~ x; a; b", ["x"]),
    ('"#{a} #{b = 1} #{b}"', ["a"]),
    ("f(<<~T, a)\n  #{b}\nT\n", ["f", "a", "b"]),
    ("f { |a| g <<~T }\n  #{a}\nT\n", ["f", "g"]),
    ("alias a b\nundef c\nalias_method :d, :e", ["alias_method"]),
    ("a = 1; class << a; end; def a.m; end", []),
    ("b = 1; class A < b; end", []),
    ("p __FILE__, __LINE__, __method__", ["p", "__method__"]),
    ("f { _1 + it }", ["f"]),
    ("{a: b, c => d}", ["b", "c", "d"]),
    ("self.a = b; @c = d; E", ["self.a", "b", "d"]),
]


@pytest.mark.parametrize(("source", "found"), WORDS_OF_RUBY)
def test_a_word_of_ruby_is_a_call_where_it_is_no_variable(source: str, found: Keys) -> None:
    assert sorted(call.partition("→")[2] for call in calls("Ruby", source)) == sorted(found)


def test_a_word_of_ruby_is_called_by_the_method_that_it_is_in() -> None:
    source = "class A\n  def save\n    check\n    items.each { store }\n  end\n  private\nend\n"
    assert calls("Ruby", source) == ["A.save→check", "A.save→items.each", "A.save→items", "A.save→store", "A→private"]


def test_where_ruby_cannot_be_read_no_word_alone_is_a_call() -> None:
    assert calls("Ruby", "def f(a, b\n  g(c)\n  d\nend\n") == ["f→g"]
