"""A function and what it calls belong together."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import pytest
from deriver import Derived, Deriver
from eventlog_builder import build_eventlog, call, function

from patina_assets.pairs.items import Item
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types.caller_callee import CALL_GRAPH
from patina_resources.eventlog.reader import Eventlog


def test_calls_of_one_name_in_several_files_have_one_order(tmp_path: Path) -> None:
    made = [call(file, "main", "run") for file in ("b.rs", "c.rs", "a.rs")]
    rows = Eventlog(build_eventlog(tmp_path / "events.db", made)).rows([CALL_GRAPH])[CALL_GRAPH.name]
    assert rows == [(file, "main", "run") for file in ("a.rs", "b.rs", "c.rs")]


def calls(derived: Derived) -> set[tuple[str, str]]:
    """Return the related functions as `file:name`, in the order of their names."""
    found = set()
    for context in derived.data.contexts:
        first, second = (f"{item.file}:{item.text.split(': ')[1].split('(')[0]}" for item in context.members)
        found.add((first, second))
    return found


@pytest.mark.parametrize(
    ("functions", "made", "expected"),
    [
        ([("a.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "a.rs:run")),
        ([("a.rs", "run"), ("b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "a.rs:run")),
        ([("b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "b.rs:run")),
        ([("b.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "run"), None),
        ([("src/b.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "b::run"), ("a.rs:main", "src/b.rs:run")),
        ([("b/mod.rs", "run"), ("c.rs", "run")], ("a.rs", "main", "b::run"), ("a.rs:main", "b/mod.rs:run")),
        ([("b.py", "run"), ("c.py", "run")], ("a.py", "main", "b.run"), ("a.py:main", "b.py:run")),
        ([("b/x.rs", "run"), ("b/y.rs", "run")], ("a.rs", "main", "b::run"), None),
        ([("b.rs", "run")], ("a.rs", "main", "Type::run"), ("a.rs:main", "b.rs:run")),
        ([("./b.rs", "run")], ("a.rs", "main", "run"), ("a.rs:main", "b.rs:run")),
        ([("b.rs", "run")], ("a.rs", "main", "to_string"), None),
        ([("b.rs", "run")], ("a.rs", "main", "run::to_string"), None),
        ([("a.rs", "main")], ("a.rs", "main", "main"), None),
        ([("a.rs", "main")], ("./a.rs", "main", "self.main"), None),
        ([("b.rs", "Type::run")], ("a.rs", "main", "Type::run"), ("a.rs:main", "b.rs:Type::run")),
        (
            [("b.rs", "First::run"), ("b.rs", "Second::run")],
            ("a.rs", "main", "Second::run"),
            ("a.rs:main", "b.rs:Second::run"),
        ),
        ([("a.py", "Signer.sign")], ("a.py", "Signer.main", "self.sign"), ("a.py:Signer.main", "a.py:Signer.sign")),
        (
            [("a.py", "First.sign"), ("a.py", "Second.sign")],
            ("a.py", "Second.main", "self.sign"),
            ("a.py:Second.main", "a.py:Second.sign"),
        ),
        ([("a.py", "First.sign"), ("a.py", "Second.sign")], ("a.py", "main", "signer.sign"), None),
        *(
            ([("a.py", "A.f"), ("a.py", "B.f")], ("a.py", "B.main", f"{own}.f"), ("a.py:B.main", "a.py:B.f"))
            for own in ("self", "Self", "this", "cls")
        ),
        ([("a.java", "Signer.sign")], ("a.java", "Signer.main", "sign"), ("a.java:Signer.main", "a.java:Signer.sign")),
        ([("a.cc", "Signer::sign")], ("a.cc", "main", "signer->sign"), ("a.cc:main", "a.cc:Signer::sign")),
        ([("a.py", "Signer.sign")], ("b.py", "main", "signer.sign"), ("b.py:main", "a.py:Signer.sign")),
        ([("a.rs", "Signer::new")], ("a.rs", "main", "Vec::new"), None),
        ([("a.py", "Signer.new")], ("a.py", "main", "Vec.new"), None),
        ([("a.rs", "Signer::new")], ("a.rs", "main", "vec::new"), None),
        ([("a.py", "Url.join")], ("a.py", "main", '"".join'), None),
        ([("a.py", "Url.join")], ("a.py", "main", "f().join"), ("a.py:main", "a.py:Url.join")),
        ([("b.rs", "run")], ("a.rs", "main", ""), None),
        ([("b.rs", "run")], ("a.rs", "main", "::"), None),
    ],
)
def test_a_callee_is_resolved_to_a_function_of_the_project(
    derive: Deriver, functions: list[tuple[str, str]], made: tuple[str, str, str], expected: tuple[str, str] | None
) -> None:
    derived = derive("caller_callee", [*(function(*place) for place in functions), call(*made)])
    assert calls(derived) == ({expected} if expected else set())


@pytest.mark.parametrize(("files", "kept"), [(10, 10), (11, 0)])
def test_a_method_that_is_called_by_its_name_from_many_files_is_that_of_a_library(
    derive: Deriver, files: int, kept: int
) -> None:
    """Also where the file is sure, and which of its types is meant is not."""
    callers = [call(f"{number:02}.py", "main", "a.sign") for number in range(files)]
    assert len(calls(derive("caller_callee", [function("a.py", "Signer.sign"), *callers]))) == kept


def test_items_and_contexts_stand_in_the_order_of_files_and_names(derive: Deriver) -> None:
    made = [call(f"{place}.py", name, "run") for place in "cadb" for name in ("z", "y")]
    data = derive("caller_callee", [*made, function("run.py", "run")]).data
    places = [f"Function: {name}() in {place}.py" for place in "abcd" for name in "yz"]
    assert [item.text for item in data.items] == [*places, "Function: run() in run.py"]
    assert [context.members[0].text for context in data.contexts] == places


def test_a_function_is_an_item_with_its_signature(derive: Deriver) -> None:
    events = [function("./src/a.rs", "read", ["path", "&mut self"], "Result<Row>"), call("src/b.rs", "main", "read")]
    assert derive("caller_callee", events).data.items == [
        Item("function", "Function: read(path, &mut self) -> Result<Row> in src/a.rs", file="src/a.rs"),
        Item("function", "Function: main() in src/b.rs", file="src/b.rs"),
    ]


def test_a_tested_call_touches_a_file_that_training_never_saw(histories: Mapping[str, Derived]) -> None:
    contexts = histories["caller_callee"].data.contexts
    files: dict[Split, list[set[str | None]]] = defaultdict(list)
    for context in contexts:
        files[context.split].append({item.file for item in context.members})
    trained = set().union(*files[Split.TRAIN])
    assert all(files[split] for split in Split)
    assert all(touched - trained for touched in files[Split.VALIDATION] + files[Split.TEST])
    assert all(touched - set().union(*files[Split.VALIDATION]) - trained for touched in files[Split.TEST])
