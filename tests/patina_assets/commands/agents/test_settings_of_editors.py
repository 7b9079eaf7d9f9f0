"""The entry in an editor's settings: added beside all that is there, or not at all."""

import sys
import tomllib
from pathlib import Path

import pytest
from processor_time import at_most
from small_project import patina

from patina_assets.commands.agents.settings import NAME, PROGRAMS
from patina_resources.documents.jsonc import read_jsonc, with_entry


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "my repository"
    (root / ".patina").mkdir(parents=True)
    monkeypatch.chdir(root)
    return root


def servers(root: Path, name: str) -> dict[str, object]:
    program = PROGRAMS[name]
    text = (root / program.file).read_text()
    found = (tomllib.loads(text) if program.is_toml else read_jsonc(text))[program.key]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_printed_is_what_is_written_and_again_is_no_change(root: Path, name: str) -> None:
    printed = patina("mcp", "--print-config", name)
    assert printed.code == 0
    assert PROGRAMS[name].file in printed.err
    assert list(root.iterdir()) == [root / ".patina"]
    assert patina("mcp", "--print-config", name, "--write").code == 0
    path = root / PROGRAMS[name].file
    assert path.read_text() == printed.out
    entry = servers(root, name)[NAME]
    assert isinstance(entry, dict)
    assert entry["args"][-3:] == ["mcp", "--project", str(root)]
    assert Path(entry["command"]).is_absolute()
    assert entry["command"].startswith(str(Path(sys.executable).parent))
    assert "PATINA_HOME" in entry["env"]
    assert "has it already" in patina("mcp", "--print-config", name, "--write").out
    assert path.read_text() == printed.out


@pytest.mark.usefixtures("root")
def test_a_server_that_cannot_start_yet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patina_assets.commands.agents.settings.find_spec", lambda _: None)
    printed = patina("mcp", "--print-config", "claude")
    assert printed.code == 0
    assert "needs an extra: run `pip install 'patina-assets[mcp]'`" in printed.err
    assert "extra" not in printed.out


COMMENTED = """// mine
{
  /* "servers": {"no": 1} */
  "inputs": [{"servers": {}}, "a // no comment",],
  "servers": { // all of them
    "other": {"command": "x", "args": ["}"]}, // kept
  },
}
"""


def test_comments_keys_and_layout_stay(root: Path) -> None:
    (root / ".vscode").mkdir()
    path = root / ".vscode" / "mcp.json"
    path.write_text(COMMENTED)
    assert patina("mcp", "--print-config", "vscode", "--write").code == 0
    text = path.read_text()
    assert [line for line in COMMENTED.splitlines() if line not in text.splitlines()] == [
        '  "servers": { // all of them'
    ]
    assert servers(root, "vscode").keys() == {"other", NAME}
    toml = root / ".codex" / "config.toml"
    toml.parent.mkdir()
    toml.write_text('model = "m" # mine\n[mcp_servers.other]\ncommand = "x"')
    assert patina("mcp", "--print-config", "codex", "--write").code == 0
    assert toml.read_text().startswith('model = "m" # mine\n[mcp_servers.other]\ncommand = "x"\n')
    assert servers(root, "codex").keys() == {"other", NAME}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("claude", '{"mcpServers": {"patina": {"command": "mine"}}}'),
        ("claude", '{"mcpServers": []}'),
        ("claude", "[]"),
        ("claude", '{"mcpServers": {}'),
        ("claude", '{"mcpServers": {}} x'),
        ("claude", '{"mcpServers": {}, "mcpServers": {"a": 1}}'),
        ("claude", "{" * 100_000),
        ("cursor", "\ud800"),
        ("codex", "mcp_servers = {a = {command = 'x'}}\n"),
        ("codex", "mcp_servers = 1\n"),
        ("codex", "[mcp_servers.patina]\ncommand = 'mine'\n"),
        ("codex", "[a\n"),
    ],
)
def test_what_cannot_be_added_to_is_left_as_it_is(root: Path, name: str, content: str) -> None:
    path = root / PROGRAMS[name].file
    path.parent.mkdir(exist_ok=True)
    before = content.encode("utf-8", "surrogatepass")
    path.write_bytes(before)
    done = patina("mcp", "--print-config", name, "--write")
    assert done.code == 2, done
    assert len(done.err.splitlines()) == 1
    assert str(path) in done.err
    assert path.read_bytes() == before


def test_settings_that_nobody_else_reads_stay_so(root: Path) -> None:
    path = root / ".mcp.json"
    path.write_text('{"mcpServers": {"other": {"env": {"KEY": "secret"}}}}')
    path.chmod(0o600)
    assert patina("mcp", "--print-config", "claude", "--write").code == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_link_is_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / ".vscode").symlink_to(outside)
    (outside / "file").write_text("{}")
    (root / ".mcp.json").symlink_to(outside / "file")
    (root / ".cursor").symlink_to(root / ".cursor")
    for name in ("vscode", "claude", "cursor"):
        done = patina("mcp", "--print-config", name, "--write")
        assert done.code == 2
        assert "leads out of the project" in done.err
    assert {path.name: path.read_text() for path in outside.iterdir()} == {"file": "{}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"a": {"b": 1}}),
        ("{}", {"a": {"b": 1}}),
        ('{"x": "\\"{//"}', {"x": '"{//', "a": {"b": 1}}),
        ('{"a": {}}', {"a": {"b": 1}}),
        ('{"y": {"a": {"z": 1}}, "a": {"c": 2,},}', {"y": {"a": {"z": 1}}, "a": {"c": 2, "b": 1}}),
        ('[1, {"a": {}}]', None),
        ('{"a": 1}', None),
        ('{"a": {"b": 2}}', None),
    ],
)
def test_an_entry_is_added_where_it_belongs(text: str, expected: object) -> None:
    if expected is None:
        with pytest.raises(ValueError, match=r"expected an object|is there already"):
            with_entry(text, ["a", "b"], 1)
    else:
        assert read_jsonc(with_entry(text, ["a", "b"], 1)) == expected


@pytest.mark.parametrize("piece", ['"', "/*", "//", "{", '{"a":', "\\", "/", '"\\', "/* *", ","])
def test_whatever_a_file_holds_is_read_in_linear_time(piece: str) -> None:
    with pytest.raises(ValueError, match=r"."), at_most(10.0):
        read_jsonc(piece * 300_000)
