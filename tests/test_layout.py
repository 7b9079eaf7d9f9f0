"""The rules of the house, held by reading the source: who may import what, who may write files, what is explained."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("patina_resources", "patina_assets")

MAY_IMPORT_DAGSTER = {
    "patina_resources.resources",
    "patina_assets.assets",
    "patina_assets.badges",
    "patina_assets.checks",
    "patina_assets.definitions",
    "patina_assets.failures",
    "patina_assets.jobs",
    "patina_assets.metadata",
    "patina_assets.orphans",
    "patina_assets.records",
    "patina_assets.run",
    "patina_assets.sensors",
    "patina_assets.serving.processes",
    "patina_assets.serving.server",
    "patina_assets.serving.web",
    "patina_assets.ticks",
}
# What knows of runs and of the terminal; everything that computes must do without.
OUTER = {
    f"patina_assets.{name}"
    for name in (
        "assets",
        "badges",
        "checks",
        "cli",
        "definitions",
        "failures",
        "jobs",
        "oxidize",
        "records",
        "run",
        "sensors",
        "serving.guard",
        "serving.processes",
        "serving.server",
        "serving.web",
        "ticks",
    )
}
INNER = (
    "recipe", "recipe_reader", "pairs", "stages", "staleness", "formats", "lock", "build", "models", "corpus",
    "workspace", "pipeline", "search", "lexical", "fusion",
)  # fmt: skip
STARTS_QUICKLY = ("patina_assets.search", "patina_assets.cli")
SLOW_TO_IMPORT = {"dagster", "pydantic", "sqlalchemy", "onnx", "huggingface_hub"}

NETWORK = {
    "socket", "ssl", "urllib", "http", "httpx", "httpx2", "requests", "aiohttp", "ftplib", "huggingface_hub",
    "uvicorn", "starlette",
}  # fmt: skip
MAY_USE_NETWORK = {
    "patina_resources.hub",
    "patina_resources.http_post",
    # What listens: on this machine only.
    "patina_assets.serving.checks",
    "patina_assets.serving.guard",
    "patina_assets.serving.server",
    "patina_assets.serving.web",
}

MAY_USE_SQLITE = {
    "patina_resources.eventlog",
    "patina_resources.embedding_cache",
    "patina_resources.embedding_recovery",
    "patina_resources.materialize.eventlog_writer",
    "patina_resources.materialize.known_schema",
    "patina_resources.store.database",
    "patina_assets.formats",
}
MAY_WRITE_FILES = {
    "patina_resources.artifacts",
    "patina_resources.store.files",
    "patina_resources.store.own_folder",
    "patina_resources.embedding_recovery",
    "patina_resources.store.runtime_folder",
    "patina_resources.export_folder",
    # The mothership's files.
    "patina_resources.bert_onnx",
    "patina_resources.hub",
    "patina_resources.model_add",
    "patina_resources.model_cache",
    "patina_resources.model_sources",
    "patina_resources.onnx_graph",
    "patina_resources.package_mirror",
    # The eventlog's.
    "patina_resources.materialize.eventlog_writer",
    "patina_resources.materialize.repository",
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


def below(*packages: str) -> list[str]:
    """Return the modules of `patina_assets` of these names, and those in packages of these names."""
    return [name for name in modules() if name.startswith("patina_assets.") and name.split(".")[1] in packages]


# Who may import what


def test_the_reader_of_imports_sees_what_there_is() -> None:
    assert "dagster" in imports("patina_assets.assets", lazy=False)
    assert "patina_assets.pairs.relations" in reached("patina_assets.search", lazy=False)
    assert "patina_assets" in reached("patina_assets.search", lazy=False)
    assert "patina_assets.recipe" in imports("patina_assets.models")
    assert "patina_assets.recipe" not in imports("patina_assets.models", typing=False)
    assert len(below("pairs")) > 5


def test_the_outside_world_knows_nothing_of_the_pipeline() -> None:
    resources = [name for name in modules() if name.startswith("patina_resources")]
    assert {name: "patina_assets" for name in resources if "patina_assets" in roots(imports(name))} == {}


def test_dagster_is_imported_where_assets_and_resources_are_made() -> None:
    found = {name for name in modules() if any(root.startswith("dagster") for root in roots(imports(name, lazy=False)))}
    assert found <= MAY_IMPORT_DAGSTER


@pytest.mark.parametrize("name", below(*INNER))
def test_what_computes_knows_nothing_of_runs_and_commands(name: str) -> None:
    assert reached(name, lazy=True) & OUTER == set()


@pytest.mark.parametrize("name", STARTS_QUICKLY)
def test_search_starts_without_what_is_slow_to_import(name: str) -> None:
    assert roots(reached(name, lazy=False)) & SLOW_TO_IMPORT == set()


@pytest.mark.parametrize("name", STARTS_QUICKLY)
def test_search_really_starts_without_what_is_slow_to_import(name: str) -> None:
    script = f"import sys, {name}, patina_resources.embedder; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    loaded = roots(done.stdout.split())
    assert "patina_assets" in loaded
    assert loaded & SLOW_TO_IMPORT == set()


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
    assert "patina_resources.artifacts" in writers


def test_sqlite_is_opened_in_few_places() -> None:
    assert {name for name in modules() if "sqlite3" in roots(imports(name))} <= MAY_USE_SQLITE


def test_formats_open_databases_in_memory_only() -> None:
    calls = [node for node in ast.walk(modules()["patina_assets.formats"]) if isinstance(node, ast.Call)]
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
