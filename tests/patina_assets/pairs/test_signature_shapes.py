"""Signatures as `ast_similar` compares them."""

import pytest
from deriver import Deriver
from eventlog_builder import function, project_history
from function_items import negatives_of

from patina_assets.pairs.functions import Function
from patina_assets.pairs.items import Item
from patina_assets.pairs.types.ast_similar import signature_shape


@pytest.mark.parametrize(
    ("file", "parameters", "returned", "shape"),
    [
        ("a.rs", ["&mut self", "path: &Path"], "Result<()>", (("Path", "self"), "Result < ( ) >")),
        ("a.rs", ["p: &'a std::path::Path", "self"], "&'static str", (("self", "std::path::Path"), "str")),
        ("a.py", ["self", "path: Path = Path()"], "int", (("Path", "self"), "int")),
        ("a.py", ["path", "key=None"], "", (("key", "path"), "")),
        ("a.rs", ["n:u8"], "", (("u8",), "")),
        ("a.cpp", ["std::string name", "Object self"], "", (("Object self", "std::string"), "")),
        ("a.go", ["ctx context.Context", "n int"], "error", (("context Context", "int"), "error")),
        ("a.java", ["final String name", "int size"], "void", (("String", "int"), "void")),
        ("a.java", ["Outer this", "this Outer"], "void", (("Outer this", "this"), "void")),
        ("a.c", ["const char *name"], "int", (("char",), "int")),
        ("a.ts", ["names: string[]", "f: () => void = g"], "", (("( ) > void", "string [ ]"), "")),
    ],
)
def test_names_references_and_order_are_looked_through(
    file: str, parameters: list[str], returned: str, shape: tuple[tuple[str, ...], str]
) -> None:
    assert signature_shape(Function(file, "f", tuple(parameters), returned)) == shape


def test_functions_of_one_signature_in_different_files_belong_together(derive: Deriver) -> None:
    events = [
        function("a.rs", "load", ["&self", "path: &Path"], "Result<Row>"),
        function("b.rs", "fetch", ["from: &Path", "&mut self"], "Result<Row>"),
        function("b.rs", "again", ["path: &Path", "&self"], "Result<Row>"),
        function("b.rs", "other", ["path: &Path"], "Result<Row>"),
        function("a.rs", "main"),
        function("b.rs", "main"),
    ]
    derived = derive("ast_similar", events)
    load, _, again, fetch, *_ = [item.text for item in derived.data.items]
    assert derived.related() == {(load, fetch), (fetch, load), (load, again), (again, load)}


def test_a_receiver_alone_is_no_signature_but_a_result_is(derive: Deriver) -> None:
    events = [
        *(function(file, "step", ["&self"]) for file in ("a.rs", "b.rs")),
        *(function(file, "next", ["this"]) for file in ("a.rs", "b.rs")),
        *(function(file, "count", [], "usize") for file in ("a.rs", "b.rs")),
        *(function(file, "put", ["key: u8"]) for file in ("a.rs", "b.rs")),
    ]
    related = derive("ast_similar", events).related()
    assert {text.split("(")[0] for pair in related for text in pair} == {"Function: count", "Function: put"}


def test_an_outline_knows_a_receiver_from_a_parameter(derive: Deriver) -> None:
    events = [
        function("a.rs", "method", ["&self", "x: u8"], "u8"),
        function("b.rs", "plain", ["x: u8"], "u8"),
        function("c.js", "bound", ["this"]),
        function("d.js", "free", []),
    ]
    apart = derive("ast_similar", events).data.apart
    assert {text.split(": ")[1].split("(")[0]: keys for text, keys in apart.items()} == {
        "method": {"True 1 u8"},
        "plain": {"False 1 u8"},
        "bound": {"True 0 "},
        "free": {"False 0 "},
    }


@pytest.mark.parametrize("word", ["mut", "const", "final", "dyn", "impl", "ref", "memory", "calldata", "static"])
def test_what_a_type_may_do_is_left_out(word: str) -> None:
    assert signature_shape(Function("a.rs", "f", (f"row: {word} Row",), f"{word} Row")) == (("Row",), "Row")


@pytest.mark.parametrize("suffix", ["c", "h", "cc", "cpp", "hpp", "cs", "java", "sol"])
def test_where_the_type_stands_first_the_name_is_left_out(suffix: str) -> None:
    assert signature_shape(Function(f"a.{suffix}", "f", ("Row row",), "")) == (("Row",), "")
    assert signature_shape(Function("a.go", "f", ("row Row",), "")) == (("Row",), "")


def test_negatives_are_of_another_outline(derive: Deriver) -> None:
    pairs = list(negatives_of(derive("ast_similar", project_history())))
    assert len(pairs) == 500

    def outline(item: Item) -> tuple[int, str]:
        told = item.text.split("(")[1]
        return told.count(","), told.partition(" -> ")[2].split(" in ")[0]

    assert all(outline(anchor) != outline(negative) for anchor, negative in pairs)


def test_a_text_tells_the_signature(derive: Deriver) -> None:
    derived = derive("ast_similar", [function("./src/a.rs", "read", ["path: &Path", "limit: usize"], "Row")])
    (item,) = derived.data.items
    assert item.text == "Function: read(path: &Path, limit: usize) -> Row in src/a.rs"
