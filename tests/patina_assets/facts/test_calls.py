"""Who calls whom: what the names in a file say for certain, and what they do not."""

import pytest
from eventlog_builder import Event, build_eventlog, call, function, removal

from patina_assets.facts.calls import SOURCES, Calls, Definition, calls_of
from patina_resources.eventlog.reader import Eventlog

SIGNER = ("src/signer.py", "Signer.sign")


def imports(file: str, path: str, name: str) -> Event:
    data = {"file": file, "import_path": path, "imported_names": [name], "import_kind": "external", "line_number": 1}
    return Event("code.import", data, source_id=f"{file}::{path}", source_file=file)


IMPORTED = [
    ("./src/signer.py", ".encoding", "want_bytes"),
    ("./src/signer.py", "os", "open"),
    ("./src/timed.py", "src", "encoding"),
    ("./src/main.rs", "crate::walk::Worker", "Worker"),
    ("./src/main.rs", "std::fs", "fs"),
    ("./src/star.py", "src.encoding", "*"),
    ("./cmd/main.go", "example.org/project/store", "store"),
    ("./cmd/main.go", "encoding/json", "json"),
]
DEFINED = {
    "src/other.py": "open filter",
    "src/fs.rs": "read",
    "store/rows.go": "Load",
    "json/own.go": "Marshal",
    "store/keys.go": "hash",
    "lib/a.c": "jv_copy",
    "app/Gson.java": "Gson.toTree Gson.toText",
    "app/Other.java": "Other.run",
    "src/signer.py": "Signer.sign Signer.derive helper",
    "src/timed.py": "TimedSigner.sign stamp",
    "src/encoding.py": "want_bytes",
    "src/a.py": "twice",
    "src/b.py": "twice",
    "src/walk.rs": "Worker::scan Worker::new run",
}
CALLED = {
    (
        "./src/signer.py",
        "Signer.sign",
    ): "open filter self.derive want_bytes helper value.sign self.make().derive twice len",
    ("./src/signer.py", "Signer.derive"): "Signer.sign",
    ("./src/star.py", "all"): "want_bytes",
    ("./src/main.rs", "main"): "Worker::new fs::read",
    ("./cmd/main.go", "main"): "store.Load json.Marshal hash",
    ("./store/rows.go", "Load"): "hash",
    ("./bin/b.c", "run"): "jv_copy",
    ("./app/Gson.java", "Gson.toText"): "toTree",
    ("./app/Other.java", "Other.run"): "toTree",
    ("./src/timed.py", "TimedSigner.sign"): "encoding.want_bytes",
    ("./src/walk.rs", "run"): "Worker::new Self::scan",
    ("./src/walk.rs", "Worker::scan"): "Self::new",
    ("./src/timed.py", "stamp"): "self.sign helper",
}
EVENTS = [
    *(imports(file, path, name) for file, path, name in IMPORTED),
    *(function(file, name) for file, defined in DEFINED.items() for name in defined.split()),
    *(call(file, caller, callee) for (file, caller), callees in CALLED.items() for callee in callees.split()),
]


@pytest.fixture(scope="module")
def eventlog(tmp_path_factory: pytest.TempPathFactory) -> Eventlog:
    # The last call, that of `helper`, is taken back.
    events = [*EVENTS, removal("code", len(EVENTS))]
    return Eventlog(build_eventlog(tmp_path_factory.mktemp("calls") / "patina.db", events))


def names(calls: Calls) -> tuple[set[str], set[str]]:
    return {found.name for found in calls.callees}, {found.name for found in calls.callers}


@pytest.mark.parametrize(
    ("file", "name", "callees", "callers"),
    [
        # Not `value.sign`, whose type is unknown, nor what a call returns, nor `twice`, which two files define.
        (*SIGNER, {"Signer.derive", "want_bytes", "helper"}, {"Signer.derive"}),
        ("src/timed.py", "TimedSigner.sign", {"want_bytes"}, set()),
        ("src/encoding.py", "want_bytes", set(), {"Signer.sign", "TimedSigner.sign", "all"}),
        ("src/signer.py", "helper", set(), {"Signer.sign"}),
        ("src/walk.rs", "Worker::new", set(), {"Worker::scan", "run", "main"}),
        ("src/walk.rs", "run", {"Worker::new"}, set()),
        ("src/a.py", "twice", set(), set()),
        # What is imported from a library, or not at all, is not what the project happens to call so.
        ("src/other.py", "open", set(), set()),
        ("src/other.py", "filter", set(), set()),
        ("src/fs.rs", "read", set(), set()),
        ("json/own.go", "Marshal", set(), set()),
        ("cmd/main.go", "main", {"Load"}, set()),
        ("store/keys.go", "hash", set(), {"Load"}),
        ("lib/a.c", "jv_copy", set(), {"run"}),
        ("app/Gson.java", "Gson.toTree", set(), {"Gson.toText"}),
        ("src/none.py", "none", set(), set()),
    ],
)
def test_calls_are_told_where_nothing_else_can_be_meant(
    eventlog: Eventlog, file: str, name: str, callees: set[str], callers: set[str]
) -> None:
    assert names(calls_of(eventlog.rows(SOURCES), Definition(file, name))) == (callees, callers)
