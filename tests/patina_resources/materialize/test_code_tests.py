"""Which definitions are tests: not by where their file is, but by what the file says of them."""

import pytest

from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME


def told(language: str, source: str) -> tuple[list[str], list[str]]:
    """Return the keys of the functions and types that are tests, and of the others, in order."""
    found = [fact for fact in read_facts(BY_NAME[language], source.encode()).facts if "digest" in fact.fields]
    tests = [fact.key for fact in found if fact.fields.get("is_test")]
    return tests, [fact.key for fact in found if not fact.fields.get("is_test")]


RUST_MARKS = [
    "#[test]",
    "#[ test ]",
    "#[tokio::test]",
    '#[tokio::test(flavor = "multi_thread", worker_threads = 2)]',
    "#[rstest]",
    "#[rstest(input, case(1), case(2))]",
    '#[test_case(1, "a, b" ; "one")]',
    "#[wasm_bindgen_test]",
    "#[quickcheck]",
    "#[bench]",
    "#[cfg(test)]",
    "#[cfg(all(unix, test))]",
    '#[cfg(all(not(miri), feature = "std", test))]',
    "#[cfg_attr(not(miri), test)]",
    '#[test]\n#[should_panic(expected = "no")]\n',
    "#[test] #[ignore] // slow\n/// What it shows.\n",
    "#[should_panic]\n\n#[test]\n",
    "#[allow(dead_code)] #[test]",
]


@pytest.mark.parametrize("mark", RUST_MARKS)
def test_a_function_of_rust_is_a_test_by_its_attributes(mark: str) -> None:
    source = f"fn before() {{}}\n{mark}\nfn checked() {{ helper(1) }}\nfn after() {{}}\n"

    assert told("Rust", source) == (["checked"], ["before", "after"])


@pytest.mark.parametrize(
    "mark",
    [
        "#[cfg(not(test))]",
        '#[cfg(any(test, feature = "testing"))]',
        "#[cfg(all(not(test), unix))]",
        "#[cfg_attr(test, inline(never))]",
        "#[serial_test::serial]",
        '#[doc = "#[test]"]',
        "#[latest]",
        '#[cfg(all(feature = "a,test,b", unix))]',
        '#[cfg_attr(docsrs, doc = "x,test)")]',
        "// #[test]",
        "#[test]\nfn other() {}\n",
    ],
)
def test_what_is_compiled_otherwise_too_is_no_test(mark: str) -> None:
    assert "plain" in told("Rust", f"{mark}\nfn plain() {{}}\n")[1]


def test_all_that_is_in_a_module_of_tests_is_one_whatever_it_is_called() -> None:
    source = (
        "pub struct Tree;\n#[cfg(test)]\nmod checks {\n  struct Fake;\n  impl Fake { fn make() {} }\n"
        "  fn helper() { fn deep() {} }\n  #[test]\n  fn grows() {}\n}\n#[cfg(test)]\nimpl Tree { fn sample() {} }\n"
        "mod inner { #![cfg(test)]\n fn also() {} }\nimpl Tree { fn grow() {} }\n"
    )

    tests, others = told("Rust", source)

    assert tests == [
        "checks::Fake::make", "checks::helper", "checks::helper::deep", "checks::grows", "Tree::sample",
        "inner::also", "checks::Fake",
    ]  # fmt: skip
    assert others == ["Tree::grow", "Tree"]


def test_a_file_may_say_that_all_of_it_is_for_tests() -> None:
    assert told("Rust", "//! Helpers.\n#![cfg(test)]\n#![allow(x)]\nfn sample() {}\n") == (["sample"], [])
    assert told("Rust", "#![cfg(not(test))]\nfn sample() {}\n") == ([], ["sample"])


@pytest.mark.parametrize(
    ("language", "source", "tests", "others"),
    [
        pytest.param(
            "C#",
            "class Cart { void Add() {} }\nclass CartChecks {\n  [Fact] public void Empty() { new Cart(); }\n"
            "  [Theory, InlineData(1)]\n  public void Full(int n) {}\n  void Helper() {}\n}\n",
            ["CartChecks.Empty", "CartChecks.Full", "CartChecks.Helper", "CartChecks"],
            ["Cart.Add", "Cart"],
            id="xunit",
        ),
        pytest.param(
            "C#",
            "[NUnit.Framework.TestFixture]\nclass Checks { [SetUp] public void Begin() {} }\n"
            'class Plain { [Fact2] void Test() {} [Obsolete("Test")] void Factory() {} }\n',
            ["Checks.Begin", "Checks"],
            ["Plain.Test", "Plain.Factory", "Plain"],
            id="nunit",
        ),
        pytest.param(
            "Java",
            "class CartIT {\n  @Test\n  public void empty() {}\n  void helper() {}\n"
            '  @Nested class Deep { @org.junit.jupiter.params.ParameterizedTest(name = "a") void full() {} }\n}\n'
            "class Cart { @VisibleForTesting void test() {} @Testable void add() {} }\n",
            ["CartIT.empty", "CartIT.helper", "CartIT.Deep.full", "CartIT", "CartIT.Deep"],
            ["Cart.test", "Cart.add", "Cart"],
            id="junit",
        ),
        pytest.param(
            "C++",
            'int add(int a) { return a; }\nTEST(Sum, Adds) { add(1); }\nTEST_CASE("adds more") { add(2); }\n',
            ["Sum.Adds", "adds_more"],
            ["add"],
            id="macros",
        ),
        pytest.param(
            "C++",
            "template <class T> TEST(Sum, Adds) { add<T>(); }\ntemplate <class T> READER(read) { add<T>(); }\n",
            ["Sum.Adds"],
            ["read"],
            id="templates",
        ),
        pytest.param("C", "PHP_METHOD(Cart, add) { run(); }\n", [], ["Cart.add"], id="no-test"),
        pytest.param("Python", "def test_connection(): pass\n", [], ["test_connection"], id="by-path-alone"),
    ],
)
def test_a_definition_of_another_language_is_a_test_by_its_marks(
    language: str, source: str, tests: list[str], others: list[str]
) -> None:
    assert told(language, source) == (tests, others)


@pytest.mark.parametrize(
    ("language", "source"),
    [
        ("C#", "class A { public async Task<(Rule, Fact, int)> Explain(){} public void Add(Rule r){} }"),
        ("C#", "class A { public Tuple<Rule, Fact, Score> M(){} }"),
        ("C#", "class A { public Foo<int,Test,int> X {get;set;} void M(){} }"),
        ("C#", "class A { [Env(Mode.Dev, Mode.Test)] void M(){} [Tags(Slow,Test)] void N(){} }"),
        ("C#", 'class A { [Description("a,Test,b")] void M(){} void N(){} }'),
        ("Java", "class A { @Deprecated /* see @Test */ public void a(){} void z(){} }"),
        ("Java", 'class A { @Tag("@Test") void b(){} void z(){} }'),
    ],
)
def test_a_word_that_is_no_attribute_makes_no_test(language: str, source: str) -> None:
    tests, others = told(language, source)

    assert tests == []
    assert others


@pytest.mark.parametrize(
    ("language", "source", "tests"),
    [
        (
            "C#",
            "class A { void Real(){} [TestFixture] class T {[Test] void X(){}} void Real2(){} }",
            ["A.T.X", "A.T"],
        ),
        ("Java", "class A { void real(){} class T { @Test void x(){} } void real2(){} }", ["A.T.x", "A.T"]),
        (
            "C#",
            'class A { [Xunit.Fact, Trait("a", "b")] public void X(){} void Helper(){} }',
            ["A.X", "A.Helper", "A"],
        ),
    ],
)
def test_a_class_of_tests_in_a_class_does_not_make_the_outer_one_a_test(
    language: str, source: str, tests: list[str]
) -> None:
    assert told(language, source)[0] == tests
