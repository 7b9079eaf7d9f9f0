"""What the program may never do, held by reading the source, by a real hub with a token, and by asking the kernel."""

import ast
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hub_server import Hub
from refusals import refusal
from root import ROOT
from small_project import RECIPE, make_project, patina
from test_layout import modules
from tiny_hub import PLACE, tiny_hub
from ui_server import running_ui
from webhook import choose_webhook

from patina_assets.definitions import project_definitions
from patina_assets.orchestration.automation.failures import unused_webhook
from patina_assets.orchestration.automation.http_post import post_json
from patina_assets.pipeline.plain_text import harmless
from patina_resources.project.config import read_config
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

# Code that reads data as code, or hands text to a shell.
FORBIDDEN_IMPORTS = {"pickle", "cPickle", "cloudpickle", "dill", "joblib", "marshal", "shelve", "jsonpickle", "pty"}
FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput",
    "subprocess.getstatusoutput", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "torch.load",
}  # fmt: skip
SAFE_LOADERS = {"yaml.BaseLoader", "yaml.SafeLoader"}
SQL_WORD = re.compile(r"\b(SELECT|INSERT|DELETE|UPDATE|CREATE|DROP|PRAGMA|ATTACH|REPLACE INTO)\b")
# What may stand in the braces of an SQL text beside names of constants: each is made of constants only.
SQL_PARTS = {
    ("patina_resources.embedding.cache", "marks"),  # "?,?,?"
    ("patina_resources.eventlog.writer", "int(WAIT_SECONDS * 1000)"),
    *(("patina_resources.eventlog.reader", part) for part in ("table.name", "table.sql")),  # constants beside sources
    ("patina_resources.eventlog.writer", "table"),  # names of this program's tables
    ("patina_resources.store.database", "table"),
    ("patina_assets.search.files.passage_file", "listed(keys)"),  # whole numbers
    *(("patina_assets.search.files.word_file", part) for part in ("rows", "sign")),  # whole numbers, and a plus or not
    # A whole number, a constant, and a name that holds both.
    *(
        ("patina_assets.search.published.own_indexes", part)
        for part in ("name", "name.partition('.')[2]", "INDEXES[column]", "int(number)")
    ),
    ("patina_assets.passages.files", "event_type"),  # one of two constants
    ("patina_assets.search.published.store", "version"),  # of pgvector, in a sentence
    *(
        ("patina_resources.eventlog.derived_views", name)
        for name in ("table", "names", "values", "rows", "_field('name')")
    ),
}
COLUMN = r"['\"](?:[a-z_.]*|json_extract\(data, '\$\.file'\))['\"]"
CONSTANT = re.compile(
    rf"[A-Z][A-Z_0-9]*|(?:readable|normal_path_sql|text_key_sql|_qualified_name_sql)\((?:{COLUMN})?\)"
)
SECRET = "s3cr3t-t0ken"


def violations(tree: ast.AST) -> list[str]:
    """Return what in a module reads data as code, runs a shell, or loads pickles."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
            found += [name for name in names if name.split(".")[0] in FORBIDDEN_IMPORTS]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if called in FORBIDDEN_CALLS or keywords.get("shell", "False") != "False":
            found.append(ast.unparse(node))
        if keywords.get("allow_pickle", "False") != "False":
            found.append(ast.unparse(node))
        if called in {"yaml.load", "yaml.parse"} and keywords.get("Loader") not in SAFE_LOADERS:
            found.append(ast.unparse(node))
    return found


def sql_parts(tree: ast.AST) -> set[str]:
    """Return what is put into SQL texts by braces, `%`, `+` or `format`, where it is no constant."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
            parts = [ast.unparse(part.value) for part in node.values if isinstance(part, ast.FormattedValue)]
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            text, parts = _texts(node), [ast.unparse(node)]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            text, parts = _texts(node.func.value), [ast.unparse(node)]
        else:
            continue
        if SQL_WORD.search(text):
            found |= {part for part in parts if not CONSTANT.fullmatch(part)}
    return found


def _texts(tree: ast.AST) -> str:
    return " ".join(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from marshal import loads",
        "eval(text)",
        "exec(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "numpy.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.UnsafeLoader)",
        "yaml.unsafe_load(text)",
    ],
)
def test_what_is_forbidden_is_known(code: str) -> None:
    assert violations(ast.parse(code))


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("f'SELECT {name} FROM x'", {"name"}),
        ("f'SELECT {COLUMNS} FROM x'", set()),
        ("'DELETE FROM ' + table", {"'DELETE FROM ' + table"}),
        ("'DELETE FROM %s' % table", {"'DELETE FROM %s' % table"}),
        ("'DROP TABLE {}'.format(table)", {"'DROP TABLE {}'.format(table)"}),
        ("f'no row in {table}'", set()),
    ],
)
def test_parts_of_sql_are_known(code: str, expected: set[str]) -> None:
    assert sql_parts(ast.parse(code)) == expected


def test_nothing_reads_data_as_code_or_runs_a_shell() -> None:
    assert {name: found for name, tree in modules().items() if (found := violations(tree))} == {}


def test_sql_is_put_together_from_constants_only() -> None:
    found = {(name, part) for name, tree in modules().items() for part in sql_parts(tree)}
    assert found == SQL_PARTS


def test_the_web_ui_is_asked_to_listen_on_this_machine_only() -> None:
    source = ast.unparse(modules()["patina_assets.serving.server"])
    assert "ADDRESS = '127.0.0.1'" in source
    assert re.findall(r"create_server\(.*\)", source) == ["create_server((ADDRESS, port))"]
    assert "0.0.0.0" not in "".join(ast.unparse(tree) for tree in modules().values())


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="listening sockets are read from /proc")
def test_nothing_listens_beyond_this_machine(tmp_path: Path) -> None:
    project = make_project(tmp_path / "repository", RECIPE)
    with running_ui(project.root, log=tmp_path / "ui.log") as ui:
        listening = set(listening_addresses(ui.process.pid))
    assert ("127.0.0.1", ui.port) in listening
    assert {address for address, _ in listening} <= {"127.0.0.1", "::1"}


def listening_addresses(group: int) -> Iterator[tuple[str, int]]:
    """Yield address and port of each TCP socket on which a process of a group listens."""
    inodes = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if int((process / "stat").read_text().rsplit(")", 1)[1].split()[2]) == group:
                for handle in (process / "fd").iterdir():
                    with suppress(OSError):  # it has been closed meanwhile, and the others are there
                        inodes.add(str(handle.readlink()))
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            (
                _,
                local,
                _,
                state,
                *_,
            ) = line.split()
            if state == "0A" and f"socket:[{line.split()[9]}]" in inodes:
                address, port = local.split(":")
                yield _address(address), int(port, 16)


def _address(text: str) -> str:
    if len(text) == 8:
        return ".".join(str(byte) for byte in reversed(bytes.fromhex(text)))
    return {"0" * 24 + "01000000": "::1", "0000000000000000FFFF00000100007F": "127.0.0.1"}.get(text, text)


def test_every_direct_dependency_is_reviewed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *(name for extra in project["optional-dependencies"].values() for name in extra),
    ]
    names = {re.match(r"[\w-]+", requirement)[0] for requirement in wanted}
    assert len(names) > 25
    assert names - set(re.findall(r"`([\w-]+)`", (ROOT / "docs" / "dependencies.md").read_text())) == set()


# Secrets


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with tiny_hub(tmp_path / "published", monkeypatch) as running:
        running.token = SECRET
        yield running


def files_with(folder: Path, secret: str) -> list[str]:
    """Return the files below a folder that hold a secret, in their bytes or their name."""
    return [
        str(path)
        for path in folder.rglob("*")
        if secret in path.name or (path.is_file() and secret.encode() in path.read_bytes())
    ]


def test_a_token_is_in_no_output_and_no_file(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "work" / "repository"
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / "work" / "mothership"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "work" / "hub-home"))
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:{SECRET}@127.0.0.1:9")
    project = make_project(root, RECIPE.replace("version: 2", "version: 2\nembedding_model: tiny"))
    place = ", ".join(f'{key} = "{value}"' for key, value in PLACE.items())
    tiny = f'[models.tiny]\ndims = 16\nmax_tokens = 32\npooling = "mean"\nhub = {{ {place} }}\n'
    project.config_file.write_text(f'{tiny}[automation]\nwebhook = "http://127.0.0.1:9/{SECRET}?key={SECRET}"\n')
    choose_webhook(f"http://127.0.0.1:9/{SECRET}?key={SECRET}")
    monkeypatch.chdir(root)
    outputs = []
    login = hub.url.replace("http://", f"http://user:{SECRET}@")
    # Without a token, with a wrong one, with a login in the address, while the hub is in trouble, and as it should be.
    for token, endpoint, statuses in (
        ("", hub.url, []),
        (f"wrong-{SECRET}", hub.url, []),
        (SECRET, login, []),
        (SECRET, hub.url, [403]),
        (SECRET, login, [500] * 5),
        (SECRET, hub.url, []),
    ):
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        hub.statuses.extend(statuses)
        outputs.append(patina("--debug", "model", "add", "tiny", "--yes"))
        hub.statuses.clear()
    assert [ran.code for ran in outputs] == [2, 2, 2, 2, 2, 0]
    assert any(request.authorization == f"Bearer {SECRET}" for request in hub.requests)
    outputs += [patina("model", "list"), patina("model", "list", "--json"), patina("model", "status")]
    outputs += [patina("oxidize", "--only", "semantic"), patina("model", "verify"), patina("oxidize", "--dry-run")]
    assert [ran.code for ran in outputs[6:]] == [0] * 6, outputs[6:]
    assert [ran for ran in outputs if SECRET in ran.out + ran.err] == []
    written = files_with(tmp_path / "work", SECRET)
    assert sorted(written) == sorted(map(str, (project.config_file, mothership().settings)))  # which its user wrote
    assert "tiny" in (tmp_path / "work" / "mothership" / "models.lock").read_text()


@pytest.mark.parametrize("status", [None, 302, 404, 500])
def test_the_address_of_a_webhook_is_not_told(status: int | None) -> None:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(status or 200, SECRET)
            self.send_header("Location", f"ftp://127.0.0.1/{SECRET}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/services/{SECRET}?key={SECRET}"
    try:
        if status is None:
            server.shutdown()
            server.server_close()
        sentence = refusal(lambda: post_json(url, {"text": "x"}, 5))
    finally:
        server.shutdown()
        server.server_close()
    assert f"http://127.0.0.1:{server.server_port}: does not answer (" in sentence
    assert SECRET not in sentence


@pytest.mark.parametrize(
    "url",
    [f"ftp://x/{SECRET}", SECRET, f"http://[{SECRET}", f"http://user:{SECRET}@127.0.0.1:9/", f"https://x:{SECRET}/"],
)
def test_a_wrong_address_of_a_webhook_is_not_told(url: str) -> None:
    assert SECRET not in refusal(lambda: post_json(url, {}, 1)).replace(f"x:{SECRET}", "")


def test_a_wrong_value_for_a_webhook_and_the_notice_do_not_tell_it(tmp_path: Path) -> None:
    project = make_project(tmp_path / "repository", RECIPE)
    project.config_file.write_text(f'[automation]\nwebhook = ["https://example.org/{SECRET}"]\n')
    assert SECRET not in refusal(lambda: read_config(project.config_file))
    project.config_file.write_text(f'[automation]\nwebhook = "https://example.org/{SECRET}"\n')
    assert SECRET not in unused_webhook(find_project(project.root))
    mothership().settings.write_text(f'[automation]\nwebhook = "example.org/{SECRET}"\n')
    assert SECRET not in refusal(lambda: find_project(project.root))
    choose_webhook(f"https://example.org/{SECRET}")
    notice = project_definitions(project.root).resolve_sensor_def("failure_notice")
    assert "https://example.org" in (notice.description or "")
    assert SECRET not in (notice.description or "")


# The terminal


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert harmless("\x1b]0;title\x07\x9b2J\u202egnirts\r\nplain\ttext é") == (
        "\ufffd]0;title\ufffd\ufffd2J\ufffdgnirts\r\nplain\ttext é"
    )


def test_a_terminal_that_cannot_show_a_character_ends_no_command(tmp_path: Path) -> None:
    root = tmp_path / "caf\u00e9 \u2192"
    root.mkdir()
    command = [sys.executable, "-m", "patina_assets.cli", "init", str(root), "--model", "corpus-static", "--no-build"]
    environment = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9 \\u2192" in done.stdout
