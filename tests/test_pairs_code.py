"""Pair types that learn from functions: signatures, modules, and calls that are not the project's own."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest
from deriver import Derived, Deriver
from eventlog_builder import call, function, project_history

from patina_assets.pairs.functions import GROUP, Function, contexts_across_files
from patina_assets.pairs.relations import Item
from patina_assets.pairs.splits import Split, split_by_hash
from patina_assets.pairs.types.ast_similar import signature_shape
from patina_assets.pairs.types.caller_callee import MOST_FILES_OF_A_GUESS
from patina_assets.pairs.types.same_module import top_level_modules


@pytest.fixture
def derive(tmp_path: Path) -> Deriver:
    return Deriver(tmp_path)


def negatives_of(derived: Derived) -> Iterator[tuple[Item, Item]]:
    """Yield the items of anchor and negative of each triplet."""
    item_of = {item.text: item for item in derived.data.items}
    for anchor, _, negative in derived.triplets().tolist():
        yield item_of[derived.texts[anchor]], item_of[derived.texts[negative]]


def items(**counts: int) -> list[Item]:
    """Return so many functions of each file."""
    return [
        Item("function", f"Function: {file}_{number}()", file=f"src/{file}.py")
        for file, count in counts.items()
        for number in range(count)
    ]


# Contexts across files


def test_functions_of_one_file_are_never_related() -> None:
    members = items(a=7, b=3, c=1)
    contexts = contexts_across_files(members)
    for context in contexts:
        files = [item.file for item in context.members]
        assert len(files) == len(set(files)) >= 2
    assert {item for context in contexts for item in context.members} == set(members)
    assert contexts_across_files(items(a=50)) == []
    assert contexts_across_files([]) == []
    assert contexts_across_files(members[::-1]) == contexts


def test_members_stay_linear_in_the_number_of_functions() -> None:
    many_files = contexts_across_files(items(**{f"file{number}": 1 for number in range(1000)}))
    one_large_file = contexts_across_files(items(large=1000, small=2))
    for contexts in (many_files, one_large_file):
        assert max(len(context.members) for context in contexts) <= GROUP
        assert sum(len(context.members) for context in contexts) <= 1002 * 2 * len(Split)


@pytest.mark.parametrize("count", [2, GROUP, GROUP + 1, 2 * GROUP + 1])
def test_no_function_is_left_alone_at_the_end(count: int) -> None:
    members = items(**{f"file{number}": 1 for number in range(count)})
    assert {item for context in contexts_across_files(members) for item in context.members} == set(members)


def test_a_tested_pair_touches_a_file_that_training_never_saw() -> None:
    contexts = contexts_across_files(items(**{f"file{number}": 5 for number in range(60)}))
    assert {context.split for context in contexts} == set(Split)
    for context in contexts:
        parts = [split_by_hash(item.file or "") for item in context.members]
        assert max(parts) == context.split
        assert len(context.members) > 1


# ast_similar


@pytest.mark.parametrize(
    ("file", "parameters", "returned", "shape"),
    [
        ("a.rs", ["&mut self", "path: &Path"], "Result<()>", (("Path", "self"), "Result < ( ) >")),
        ("a.rs", ["p: &'a std::path::Path", "self"], "&'static str", (("self", "std::path::Path"), "str")),
        ("a.py", ["self", "path: Path = Path()"], "int", (("Path", "self"), "int")),
        ("a.py", ["path", "key=None"], "", (("key", "path"), "")),
        ("a.go", ["ctx context.Context", "n int"], "error", (("context Context", "int"), "error")),
        ("a.java", ["final String name", "int size"], "void", (("String", "int"), "void")),
        ("a.c", ["const char *name"], "int", (("char",), "int")),
        ("a.ts", ["names: string[]", "f: () => void = g"], "", (("( ) > void", "string [ ]"), "")),
    ],
)
def test_names_references_and_order_are_looked_through(
    file: str, parameters: list[str], returned: str, shape: tuple[tuple[str, ...], str]
) -> None:
    assert signature_shape(Function(1, file, "f", tuple(parameters), returned)) == shape


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
    load, fetch, again, *_ = [item.text for item in derived.data.items]
    assert derived.related() == {(load, fetch), (fetch, load), (load, again), (again, load)}


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


# same_module


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["a.py", "b.py"], [".", "."]),
        (["x/a.py", "y/b.py"], ["x", "y"]),
        (["src/x/a.py", "src/y/b.py", "src/c.py", "d.py"], ["src/x", "src/y", "src", "."]),
        (["src/x/a.py", "src/y/b.py", "src/z/c.py", "tests/d.py"], ["src/x", "src/y", "src/z", "tests"]),
        (["a/b/c/x/1.java", "a/b/c/y/2.java"], ["a/b/c/x", "a/b/c/y"]),
        ([], []),
    ],
)
def test_a_folder_with_most_files_is_a_root_and_no_module(files: list[str], modules: list[str]) -> None:
    assert top_level_modules(files) == dict(zip(files, modules, strict=True))


def test_functions_of_a_folder_belong_together_and_negatives_are_of_another_module(derive: Deriver) -> None:
    events = [
        function(f"src/{module}/{folder}/{file}.py", f"{verb}_{module}_{folder}_{file}")
        for module in "abcd"
        for folder in ("in", "out")
        for file in ("one", "two")
        for verb in ("read", "write")
    ]
    derived = derive("same_module", events)
    file_of = {item.text: PurePosixPath(item.file or "") for item in derived.data.items}
    assert derived.related()
    for first, second in derived.related():
        assert file_of[first].parent == file_of[second].parent
        assert file_of[first] != file_of[second]
    pairs = list(negatives_of(derived))
    assert len(pairs) == 500
    modules = {((anchor.file or "").split("/")[1], (negative.file or "").split("/")[1]) for anchor, negative in pairs}
    assert all(first != second for first, second in modules)


def test_the_text_does_not_tell_the_folder(derive: Deriver) -> None:
    (item,) = derive("same_module", [function("src/deep/a.py", "read", ["path"], "Row")]).data.items
    assert item == Item("function", "Function: read(path) -> Row in a.py", file="src/deep/a.py", seq=1)


# caller_callee


@pytest.mark.parametrize(
    ("callee", "files", "kept"),
    [
        ("rows.len", MOST_FILES_OF_A_GUESS, True),
        ("rows.len", MOST_FILES_OF_A_GUESS + 1, False),
        ("String::len", MOST_FILES_OF_A_GUESS + 1, False),
        ("len", MOST_FILES_OF_A_GUESS + 1, True),
        ("own::len", MOST_FILES_OF_A_GUESS + 1, True),
    ],
)
def test_a_method_name_that_every_file_calls_is_a_librarys(
    derive: Deriver, callee: str, files: int, kept: bool
) -> None:
    events = [function("own.rs", "len"), *(call(f"{number}.rs", "main", callee) for number in range(files))]
    contexts = derive("caller_callee", [*events, call("own.rs", "main", "rows.len")]).data.contexts
    counts = Counter(context.members[0].file for context in contexts)
    assert len(counts) == (files + 1 if kept else 1)
    assert counts["own.rs"] == 1
