"""Pair types that learn from functions: signatures, modules, and calls that are not the project's own."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations
from pathlib import Path, PurePosixPath

import pytest
from deriver import Derived, Deriver
from eventlog_builder import Event, build_eventlog, call, function, project_history, removal

from patina_assets.pairs.functions import FUNCTIONS, GROUP, TYPES, Function, contexts_across_files
from patina_assets.pairs.items import Item
from patina_assets.pairs.splits import Split, split_by_hash
from patina_assets.pairs.types.ast_similar import signature_shape
from patina_assets.pairs.types.caller_callee import CALL_GRAPH, CALLER_CALLEE, MOST_FILES_OF_A_GUESS
from patina_assets.pairs.types.same_module import top_level_modules
from patina_resources.eventlog.reader import Eventlog


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


def related_to(functions: list[Item]) -> set[frozenset[str]]:
    """Return the pairs of functions that belong together, by what they are."""
    return {
        frozenset({first.identity or first.text, second.identity or second.text})
        for context in contexts_across_files(functions)
        for first, second in combinations(context.members, 2)
    }


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


@pytest.mark.parametrize("counts", [{f"file{number}": 1 for number in range(400)}, {"a": 200, "b": 150, "c": 50}])
def test_a_function_that_comes_or_goes_changes_few_relations(counts: dict[str, int]) -> None:
    members = items(**counts)
    before = related_to(members)
    changed = [len(before ^ related_to([*members[:place], *members[place + 1 :]])) for place in range(0, 400, 20)]
    # Of its group's relations most are its own; a group that is halved or joined is rare.
    assert sum(changed) / len(changed) < 3 * 2 * len(before) / len(members)
    assert max(changed) <= GROUP * GROUP


def test_a_function_keeps_its_relations_when_its_text_changes() -> None:
    members = [replace(item, identity=item.text) for item in items(a=20, b=20, c=5)]
    changed = [replace(item, text=f"{item.text} -> int") for item in members]
    assert related_to(changed) == related_to(members)


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
        "method": ["True 1 u8"],
        "plain": ["False 1 u8"],
        "bound": ["True 0 "],
        "free": ["False 0 "],
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


# same_module


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["a.py", "b.py"], [".", "."]),
        (["x/a.py", "y/b.py"], ["x", "y"]),
        (["src/x/a.py", "src/y/b.py", "src/c.py", "d.py"], ["src/x", "src/y", "src", "."]),
        (["src/x/a.py", "src/y/b.py", "src/z/c.py", "tests/d.py"], ["src/x", "src/y", "src/z", "tests"]),
        (["src/x/a.py", "src/y/b.py", "src/z/c.py", "docs/deep/d.py"], ["src/x", "src/y", "src/z", "docs"]),
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
    assert item == Item("function", "Function: read(path) -> Row in a.py", file="src/deep/a.py")


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


def test_an_unqualified_call_of_a_name_that_two_files_define_is_nobodys(derive: Deriver) -> None:
    # The file at the top has no folder, as the call has no qualifier: they do not go together for that.
    namesakes = [function("top.py", "read"), function("src/b.py", "read")]
    callers = [function("src/c.py", "main"), call("src/c.py", "main", "read")]
    assert derive("caller_callee", [*namesakes, *callers]).data.contexts == []
    (own,) = derive("caller_callee", [*namesakes, *callers, function("src/c.py", "read")]).data.contexts
    assert {member.file for member in own.members} == {"src/c.py"}


def test_a_call_counts_once(tmp_path: Path) -> None:
    calls = [call("a.py", "main", "two"), call("a.py", "main", "one"), call("a.py", "main", "two", line=9)]
    eventlog = Eventlog(build_eventlog(tmp_path / "patina.db", calls))
    source = CALLER_CALLEE.source
    assert eventlog.read([source])[source.name].rows == [("a.py", "main", "one"), ("a.py", "main", "two")]


# What newer scans tell


def typed(file: str, name: str, kind: str) -> Event:
    data = {"file": file, "name": name.rsplit(".", 1)[-1], "kind": kind, "digest": "0" * 64}
    return Event("code.type", data, source_id=f"{file}::{name}", source_file=file)


def test_what_is_a_function_and_a_type_is_shown_as_the_function(derive: Deriver) -> None:
    events = [function("a.js", "Both"), typed("a.js", "Both", "class"), typed("a.js", "Only", "class")]
    events += [call("a.js", "Both", "g"), call("a.js", "Only", "g"), function("a.js", "g")]
    items = {item.text: item.kind for item in derive("caller_callee", events).data.items}
    assert items == {
        "Function: Both() in a.js": "function",
        "Class: Only in a.js": "type",
        "Function: g() in a.js": "function",
    }


def test_an_edit_that_is_undone_changes_no_row(tmp_path: Path) -> None:
    changed = [function("./a.py", "f", ["x"]), call("./a.py", "f", "g"), typed("./a.py", "C", "class")]
    first = [*changed, function("./a.py", "g")]
    again = [removal("code", 1, 2, 3), *changed]
    sources = (FUNCTIONS, TYPES, CALL_GRAPH)
    before = Eventlog(build_eventlog(tmp_path / "before.db", first)).read(sources)
    after = Eventlog(build_eventlog(tmp_path / "after.db", [*first, *again])).read(sources)
    gone = Eventlog(build_eventlog(tmp_path / "gone.db", [*first, removal("code", 1, 2, 3)])).read(sources)
    assert after == before
    assert [len(gone[source.name].rows) for source in sources] == [1, 0, 0]


def test_what_calls_outside_of_functions_is_an_item_of_its_own_kind(derive: Deriver) -> None:
    events = [
        function("./a.py", "f"),
        function("./a.py", "Trainer.fit"),
        typed("./a.py", "Trainer", "class"),
        typed("./a.py", "LIMIT", "const"),
        typed("./a.py", "Quiet", "class"),
        call("./a.py", "Trainer", "f"),
        call("./a.py", "LIMIT", "f"),
        call("./a.py", "Trainer.fit", "f"),
        call("./a.py", "older_scan", "f"),
    ]
    data = derive("caller_callee", events).data
    assert {(item.kind, item.text) for item in data.items} == {
        ("function", "Function: f() in a.py"),
        ("function", "Function: Trainer.fit() in a.py"),
        ("function", "Function: older_scan() in a.py"),
        ("type", "Class: Trainer in a.py"),
        ("type", "Constant: LIMIT in a.py"),
    }
    assert len(data.contexts) == 4


def test_a_declaration_counts_where_nothing_of_its_name_is_defined(derive: Deriver) -> None:
    declared = [
        function("./a.h", "Pipe::close"),
        function("./a.h", "Pipe::open"),
        function("./b.ts", "f", ["x: number"]),
    ]
    for event in declared:
        event.data["is_declaration"] = True  # type: ignore[index]
    *methods, overload = declared
    events = [*methods, function("./a.cpp", "Pipe::close"), function("./b.ts", "f", ["x: any"]), overload]
    found = [(item.file, item.text) for item in derive("ast_similar", events).data.items]
    assert found == [
        ("a.cpp", "Function: Pipe::close() in a.cpp"),
        ("a.h", "Function: Pipe::open() in a.h"),
        ("b.ts", "Function: f(x: any) in b.ts"),
    ]


# Of several events of one name


def defined(file: str, name: str, parameters: list[str], returned: str | None = None) -> Event:
    """Return a function as a scan finds it that tells definitions apart by the digest of their text."""
    event = function(file, name, parameters, returned)
    return replace(event, data={**event.data, "digest": f"{len(parameters)}{returned}"})  # type: ignore[dict-item]


def test_of_namesakes_in_a_file_the_one_with_the_most_to_tell_counts(derive: Deriver) -> None:
    forms = [
        defined("a.py", "f", ["value"], "int"),
        defined("a.py", "f", ["value", "salt"], "str"),
        defined("a.py", "f", ["value", "salt"], "bytes"),
    ]
    late = [replace(event, timestamp=f"2025-01-0{day}") for event, day in zip(forms, (3, 2, 1), strict=True)]
    for events in (*permutations(forms), *permutations(late)):
        (item,) = derive("ast_similar", events).data.items
        assert item.text == "Function: f(value, salt) -> bytes in a.py"


def test_of_scans_that_take_nothing_back_the_last_one_counts(derive: Deriver) -> None:
    scans = [
        replace(function(file, "read", [name]), timestamp=f"2025-01-0{day}")
        for file, name, day in (("./a.rs", "first", 1), ("a.rs", "second", 2), ("./a.rs", "third", 3))
    ]
    for events in permutations(scans):
        assert derive("caller_callee", events).texts == ["Function: read(third) in a.rs"]
    assert derive("caller_callee", scans[:2]).texts == ["Function: read(second) in a.rs"]
