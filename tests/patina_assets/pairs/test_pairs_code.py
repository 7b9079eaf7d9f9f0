"""Pair types that learn from functions: signatures, modules, and calls that are not the project's own."""

from collections import Counter
from dataclasses import replace
from itertools import permutations
from pathlib import Path, PurePosixPath

import pytest
from deriver import Deriver
from eventlog_builder import Event, build_eventlog, call, function, removal
from function_items import negatives_of

from patina_assets.pairs.functions import FUNCTIONS, TYPES
from patina_assets.pairs.items import Item
from patina_assets.pairs.types.caller_callee import CALL_GRAPH, CALLER_CALLEE
from patina_assets.pairs.types.same_module import top_level_modules
from patina_resources.eventlog.reader import Eventlog

# same_module


@pytest.mark.parametrize(
    ("files", "modules"),
    [
        (["a.py", "b.py"], [".", "."]),
        (["x/a.py", "y/b.py"], ["x", "y"]),
        (["src/x/a.py", "src/y/b.py", "src/c.py", "d.py"], ["src/x", "src/y", "src", "."]),
        (["src/x/a.py", "src/y/b.py", "src/z/c.py", "tests/d.py"], ["src/x", "src/y", "src/z", "tests"]),
        (["src/x/a.py", "src/y/b.py", "src/z/c.py", "docs/deep/d.py"], ["src/x", "src/y", "src/z", "docs"]),
        (["a/x/1.py", "a/y/2.py", "b/3.py", "c/4.py", "d/5.py"], ["a", "a", "b", "c", "d"]),
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
        ("rows.len", 10, True),
        ("rows.len", 11, False),
        ("String::len", 11, False),
        ("len", 11, True),
        ("own::len", 11, True),
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
