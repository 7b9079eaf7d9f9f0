"""The rules of the house, held by reading the source: who may import what, who may write files, what is explained."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache

import pytest
from root import ROOT

PACKAGES = ("patina_resources", "patina_assets")

# Each line of rooms may import the lines above it. Rooms of one line do not know each other.
ROOMS = {
    "patina_resources": (
        ("arrays", "devices", "errors", "installed", "interrupts"),
        ("documents", "plugins"),
        ("store", "onnx", "resources"),
        ("eventlog", "project"),
        ("materialize", "models", "cache", "postgres"),
        ("embedding", "fleet", "hooks"),
        ("corpus", "onnx.write"),
        ("models.add",),
    ),
    "patina_assets": (
        ("recipe", "pairs", "results"),
        ("pairs.types", "passages", "learning", "pictures"),
        ("search",),
        ("facts", "pipeline"),
        ("api", "export", "orchestration", "terminal", "upkeep"),
        ("definitions", "fleet", "serving"),
        ("commands",),
        ("command_line",),
        ("cli", "entry"),
    ),
}
MOST_FLOORS = 9
MOST_MODULES = 14  # of a folder, with its `__init__`
MAY_IMPORT_DAGSTER = ("patina_resources.resources", "patina_assets.definitions", "patina_assets.commands.run")
MAY_IMPORT_DAGSTER_ROOMS = ("patina_assets.fleet.", "patina_assets.orchestration.", "patina_assets.serving.")
STARTS_QUICKLY = ("patina_assets.search.searcher", "patina_assets.facts.likeness", "patina_assets.cli")
SLOW_TO_IMPORT = {"dagster", "pydantic", "sqlalchemy", "onnx", "huggingface_hub"}

NETWORK = {
    "socket", "ssl", "urllib", "http", "httpx", "httpx2", "requests", "aiohttp", "ftplib", "huggingface_hub",
    "uvicorn", "starlette", "obstore", "psycopg", "psycopg_pool",
}  # fmt: skip
MAY_USE_NETWORK = {
    "patina_resources.models.add.hub",
    "patina_resources.models.add.network",
    "patina_assets.orchestration.automation.http_post",
    # A team's cache; `settings` only takes addresses apart.
    "patina_resources.cache.https",
    "patina_resources.cache.object_store",
    "patina_resources.cache.settings",
    # What takes an address apart, and sends nothing.
    "patina_resources.fleet.address",
    # The Postgres of a fleet; those of `published` import its types alone.
    "patina_resources.postgres.connection",
    "patina_assets.search.published.answers",
    "patina_assets.search.published.own_indexes",
    "patina_assets.search.published.passages",
    "patina_assets.search.published.publication",
    "patina_assets.search.published.publishing",
    "patina_assets.search.published.session",
    "patina_assets.search.published.store",
    # What listens: on this machine only.
    "patina_assets.serving.api",
    "patina_assets.serving.checks",
    "patina_assets.serving.fleet.answers",
    "patina_assets.serving.fleet.application",
    "patina_assets.serving.fleet.gate",
    "patina_assets.serving.fleet.server",
    "patina_assets.serving.guard",
    "patina_assets.serving.mcp.http",
    "patina_assets.serving.routes",
    "patina_assets.serving.server",
    "patina_assets.serving.turns",
    "patina_assets.serving.web",
    # What quotes a path in a link, and sends nothing.
    "patina_assets.serving.answers.editor",
}

MAY_USE_SQLITE = {
    "patina_resources.eventlog.connection",
    "patina_resources.eventlog.creation",
    "patina_resources.eventlog.looks.counts",
    "patina_resources.eventlog.looks.since",
    "patina_resources.eventlog.news",
    "patina_resources.eventlog.pending",
    "patina_resources.eventlog.reader",
    "patina_resources.eventlog.looks.unreadable",
    "patina_resources.embedding.cache",
    "patina_resources.embedding.recovery",
    "patina_resources.eventlog.writer",
    "patina_resources.eventlog.known_schema",
    "patina_resources.store.database",
    "patina_assets.search.files.passage_file",
    "patina_assets.search.files.passage_tables",
    "patina_assets.search.files.search_file",
    "patina_assets.search.files.word_file",
}
MAY_WRITE_FILES = {
    # /dev/null, in the place of an output that takes nothing.
    "patina_assets.pipeline.plain_text",
    "patina_resources.store.artifacts",
    "patina_resources.store.files",
    "patina_resources.store.folders.own",
    "patina_resources.embedding.recovery",
    "patina_resources.store.folders.runtime",
    "patina_resources.store.folders.export",
    "patina_resources.store.folders.removal",
    # The store that a team shares, where it is a folder.
    "patina_resources.cache.folder",
    # The mothership's files.
    "patina_resources.onnx.write.bert",
    "patina_resources.models.add.hub",
    "patina_resources.models.add.add",
    "patina_resources.models.cache",
    "patina_resources.models.add.sources",
    "patina_resources.onnx.graph",
    "patina_resources.models.add.package_mirror",
    # The eventlog's.
    "patina_resources.eventlog.writer",
    # Renames keys of an index, and no files.
    "patina_assets.search.index",
}
WRITING_METHODS = {
    "chmod", "hardlink_to", "link_to", "makedirs", "mkdir", "mkdtemp", "mkstemp", "rename", "rmdir", "rmtree",
    "save_file", "symlink_to", "touch", "truncate", "unlink", "write_bytes", "write_text", "TemporaryDirectory",
    "NamedTemporaryFile", "copyfile", "copytree", "copy2",
}  # fmt: skip


@cache
def modules() -> dict[str, ast.Module]:
    """Return the syntax trees of all modules by dotted name."""
    trees = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            trees[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = ast.parse(path.read_bytes())
    return trees


def statements(body: Iterable[ast.AST], *, lazy: bool, typing: bool) -> Iterator[ast.AST]:
    """Yield all nodes; without `lazy` not those inside functions, without `typing` not those under TYPE_CHECKING."""
    for node in body:
        yield node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not lazy:
            continue
        if isinstance(node, ast.If) and not typing and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements(node.orelse, lazy=lazy, typing=typing)
            continue
        yield from statements(ast.iter_child_nodes(node), lazy=lazy, typing=typing)


def imports(module: str, *, lazy: bool = True, typing: bool = True) -> set[str]:
    """Return the dotted names that a module imports."""
    found = set()
    for node in statements(modules()[module].body, lazy=lazy, typing=typing):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            name = node.module or ""
            found |= {name, *(f"{name}.{alias.name}" for alias in node.names if f"{name}.{alias.name}" in modules())}
    return found


def roots(names: Iterable[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def reached(start: str, *, lazy: bool) -> set[str]:
    """Return everything that importing `start` imports in turn; with `lazy`, also what its functions may import."""
    found: set[str] = set()
    waiting = {start}
    while waiting:
        name = waiting.pop()
        found.add(name)
        if name in modules():
            packages = {name.rsplit(".", depth)[0] for depth in range(1, name.count(".") + 1)}
            waiting |= (imports(name, lazy=lazy, typing=False) | packages) - found
    return found


def room(module: str) -> tuple[int, str]:
    """Return the line of a module's room, and the room: of two that fit, the inner one."""
    package, _, rest = module.partition(".")
    found = [
        (line, name)
        for line, names in enumerate(ROOMS[package])
        for name in names
        if rest == name or rest.startswith(f"{name}.")
    ]
    assert found, f"{module} is in no room: add it to ROOMS"
    return max(found, key=lambda entry: len(entry[1]))


def wrong_imports(module: str) -> set[str]:
    """Return what a module imports of its package from its own line of rooms or from one below."""
    package = module.partition(".")[0]
    line, own = room(module)
    others = {name for name in imports(module) if name in modules() and name.startswith(f"{package}.")}
    return {name for name in others if room(name)[1] != own and room(name)[0] >= line}


def crowd(names: Iterable[str]) -> Counter[str]:
    """Return how many modules each folder holds, its `__init__` counted."""
    return Counter(name if (ROOT / name.replace(".", "/")).is_dir() else name.rsplit(".", 1)[0] for name in names)


# Who may import what


def test_the_reader_of_imports_sees_what_there_is() -> None:
    assert "dagster" in imports("patina_assets.orchestration.assets", lazy=False)
    assert "patina_assets.pairs.items" in reached("patina_assets.search.searcher", lazy=False)
    assert "patina_assets" in reached("patina_assets.search.searcher", lazy=False)
    assert "patina_assets.recipe.model" in imports("patina_assets.search.base_model")
    assert "patina_assets.recipe.model" not in imports("patina_assets.search.base_model", typing=False)
    assert room("patina_assets.pairs.types.co_changed") == (1, "pairs.types")
    assert room("patina_assets.pairs.relations") == (0, "pairs")


@pytest.mark.parametrize("module", sorted(name for name in modules() if "." in name))
def test_a_room_imports_only_rooms_above_it(module: str) -> None:
    assert wrong_imports(module) == set()


def test_a_wrong_import_is_noticed() -> None:
    assert not wrong_imports("patina_assets.cli")
    modules()["patina_assets.recipe.wrong"] = ast.parse("from patina_assets.pipeline import staleness")
    try:
        assert "patina_assets.pipeline.staleness" in wrong_imports("patina_assets.recipe.wrong")
    finally:
        del modules()["patina_assets.recipe.wrong"]


def test_the_rooms_stand_on_few_floors() -> None:
    assert max(len(floors) for floors in ROOMS.values()) <= MOST_FLOORS


def test_no_room_is_crowded() -> None:
    folders = crowd(modules())
    assert max(folders.values()) <= MOST_MODULES, folders.most_common(3)


def test_a_crowded_room_is_noticed() -> None:
    fullest, there = crowd(modules()).most_common(1)[0]
    added = [f"{fullest}.another_{number}" for number in range(MOST_MODULES + 1 - there)]
    assert crowd([*modules(), *added])[fullest] == MOST_MODULES + 1


def test_the_outside_world_knows_nothing_of_the_pipeline() -> None:
    resources = [name for name in modules() if name.startswith("patina_resources")]
    assert {name: "patina_assets" for name in resources if "patina_assets" in roots(imports(name))} == {}


def test_dagster_is_imported_where_assets_and_resources_are_made() -> None:
    found = {name for name in modules() if any(root.startswith("dagster") for root in roots(imports(name, lazy=False)))}
    assert {name for name in found if not name.startswith(MAY_IMPORT_DAGSTER_ROOMS)} <= set(MAY_IMPORT_DAGSTER)


@pytest.mark.parametrize("name", STARTS_QUICKLY)
def test_search_starts_without_what_is_slow_to_import(name: str) -> None:
    assert roots(reached(name, lazy=False)) & SLOW_TO_IMPORT == set()


@pytest.mark.parametrize("name", STARTS_QUICKLY)
def test_search_really_starts_without_what_is_slow_to_import(name: str) -> None:
    script = f"import sys, {name}, patina_resources.embedding.embedder; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    loaded = roots(done.stdout.split())
    assert "patina_assets" in loaded
    assert loaded & SLOW_TO_IMPORT == set()


def test_a_build_with_nothing_to_do_starts_without_what_only_building_needs() -> None:
    loaded = roots(reached("patina_assets.commands.oxidize", lazy=False))
    assert "numpy" in loaded
    unneeded = {"dagster", "sqlalchemy", "onnx", "onnxruntime", "usearch", "tokenizers", "huggingface_hub"}
    assert loaded & unneeded == set()


def test_the_network_is_used_in_few_places() -> None:
    assert {name for name in modules() if roots(imports(name)) & NETWORK} <= MAY_USE_NETWORK


def test_modules_with_dagster_definitions_do_not_postpone_annotations() -> None:
    with_dagster = [name for name in modules() if "dagster" in roots(imports(name))]
    assert [name for name in with_dagster if "__future__" in imports(name)] == []


# Who may write files


def _writes(node: ast.AST) -> bool:
    """Tell whether a call may change the file system."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "open":
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        modes = [str(value.value) for value in values if isinstance(value, ast.Constant)]
        flags = set(re.findall(r"O_CREAT|O_WRONLY|O_RDWR", ast.unparse(node)))
        return bool(flags) or any(re.fullmatch(r"[rwaxbt+]*[wax+][rwaxbt+]*", mode) for mode in modes)
    # `a.replace(b)` renames a file; text and dates are replaced with two arguments, or with names.
    renames = name == "replace" and len(node.args) == 1 and not node.keywords and isinstance(node.func, ast.Attribute)
    return name in WRITING_METHODS or renames


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("path.open('wb')", True),
        ("path.open('rb')", False),
        ("path.open()", False),
        ("path.open(mode='a')", True),
        ("open(path, 'r+')", True),
        ("open(path, encoding='utf-8')", False),
        ("os.open(path, os.O_RDONLY)", False),
        ("os.open(path, os.O_RDWR | os.O_CREAT)", True),
        ("path.write_text(text)", True),
        ("path.replace(other)", True),
        ("text.replace('a', 'b')", False),
        ("replace(value, name=1)", False),
        ("path.mkdir()", True),
        ("path.read_bytes()", False),
    ],
)
def test_a_writing_call_is_known(code: str, expected: bool) -> None:
    assert _writes(ast.parse(code, mode="eval").body) == expected


def test_files_are_written_where_files_may_be_written() -> None:
    writers = {name for name, tree in modules().items() if any(_writes(node) for node in ast.walk(tree))}
    assert writers <= MAY_WRITE_FILES
    assert "patina_resources.store.artifacts" in writers


def test_sqlite_is_opened_in_few_places() -> None:
    assert {name for name in modules() if "sqlite3" in roots(imports(name))} <= MAY_USE_SQLITE


def test_search_files_are_opened_in_memory_only() -> None:
    tree = modules()["patina_assets.search.files.search_file"]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    opened = [call for call in calls if ast.unparse(call.func) == "sqlite3.connect"]
    assert opened
    assert {ast.unparse(call.args[0]) for call in opened} == {"':memory:'"}


# What is explained


def _public(body: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.ClassDef]]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield f"{prefix}.{node.name}", node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body, f"{prefix}.{node.name}")


def test_everything_public_is_explained() -> None:
    named = [(name, tree) for name, tree in modules().items()]
    public = [pair for name, tree in named for pair in _public(tree.body, name)]
    assert len(public) > 100
    assert [name for name, node in [*named, *public] if not ast.get_docstring(node)] == []


def test_no_two_test_files_have_one_name() -> None:
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []  # pytest imports them by their names alone


def _type_names(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            named = (target.id for target in node.targets if isinstance(target, ast.Name))
            yield from (name for name in named if name[0].isupper() and not name.isupper())


def test_one_name_means_one_type() -> None:
    names = Counter(name for tree in modules().values() for name in _type_names(tree))
    assert names["Project"] == names["Vectors"] == 1
    assert [name for name, count in names.items() if count > 1] == []
