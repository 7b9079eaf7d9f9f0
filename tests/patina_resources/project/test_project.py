"""Where a project is found, what its config.toml may say, and where its eventlog is."""

from pathlib import Path

import pytest
from refusals import refusal

from patina_resources.project.config import AutomationConfig, ProjectConfig, read_config
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import Mothership, mothership
from patina_resources.store.paths import ProjectionPaths


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a `.patina` folder."""
    (tmp_path / "repository" / ".patina" / "data").mkdir(parents=True)
    return tmp_path / "repository"


def configured(root: Path, text: str) -> Project:
    (root / ".patina" / "config.toml").write_text(text)
    return find_project(root)


# Finding the project


def test_a_project_is_found_from_any_folder_or_file_in_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = root / "src" / "deep"
    deep.mkdir(parents=True)
    (deep / "file.py").touch()
    for start in (root, deep, deep / "file.py"):
        assert find_project(start).root == root
    monkeypatch.chdir(deep)
    assert find_project().root == root
    assert find_project(Path("..")).root.resolve() == root


def test_the_nearest_project_wins(root: Path) -> None:
    inner = root / "vendored"
    (inner / ".patina").mkdir(parents=True)
    (inner / "src").mkdir()
    assert find_project(inner / "src").root == inner


def test_the_variable_names_the_project(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATINA_PROJECT", str(root))
    assert find_project().root == root
    monkeypatch.setenv("PATINA_PROJECT", "")
    assert f"no .patina folder in {tmp_path} or above it" in refusal(find_project)


def test_a_file_called_patina_is_no_project(tmp_path: Path) -> None:
    (tmp_path / ".patina").touch()
    sentence = refusal(lambda: find_project(tmp_path))
    assert sentence == f"no .patina folder in {tmp_path} or above it: run `patina init` in your repository"


def test_the_mothership_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATINA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".patina").mkdir()
    assert mothership() == Mothership(tmp_path / ".patina")
    refusal(lambda: find_project(tmp_path / "somewhere"))


def test_the_mothership_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATINA_HOME", "~/models here")
    assert mothership().home == tmp_path / "models here"
    assert mothership().model_folder("minilm") == tmp_path / "models here" / "cache" / "models" / "minilm"


@pytest.mark.parametrize("variable", ["PATINA_HOME", "PATINA_PROJECT"])
def test_a_variable_that_names_an_unknown_user_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "~no-such-user/folder")
    assert "~no-such-user/folder" in refusal(find_project)


# config.toml


def test_settings_are_read(root: Path) -> None:
    project = configured(
        root,
        '[project]\nname = "demo"\n[embeddings]\nmodel = "all-minilm-l6-v2"\n[eventlog]\npath = "log.db"\n'
        '[sessions]\nglobs = ["notes/*.md"]\n[code]\ninclude = ["vendor/ours"]\n'
        "[models.mine]\ndims = 4\n",
    )
    assert project.config == ProjectConfig(
        "demo", "all-minilm-l6-v2", "log.db", None, ("notes/*.md",), ("vendor/ours",), {"mine": {"dims": 4}}
    )


OF_AN_OLDER_PATINA = """\
[project]
name = "demo"
created = "2025-12-05T16:52:27.714136+00:00"
[upstream]
repo = "someone/demo"
include_patina = true
[dev]
type = "docker"
[adapters]
allowed = ["claude"]
[embeddings]
model = "e5-base-v2"
dimension = 768
[search]
scry_threshold = 0.0
[retrieval]
rrf_k = 60
[environment]
detected_tools = ["cargo", "git"]
[ci]
checks = ["cargo test"]
"""


def test_settings_of_patina_itself_are_left_alone(root: Path) -> None:
    assert configured(root, OF_AN_OLDER_PATINA).config == ProjectConfig("demo", "e5-base-v2")
    for foreign in (
        'search = "anything"\n[[ci]]\nx = 1\n',
        'upstream.repo = "x"\ndev.docker.image = "y"\n',
        "[project]\ncreated = 2025-12-05T16:52:27Z\n[environment]\nseen = 2025-12-05\n",
        "[mcp]\nport = 50051\n[retrieval.rrf]\nk = 60\n",
    ):
        assert configured(root, foreign).config == ProjectConfig(), foreign


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[eventlgo]", "unknown section [eventlgo] (did you mean 'eventlog'?)"),
        ("[session]", "unknown section [session] (did you mean 'sessions'?)"),
        ('[project]\nnmae = "x"', "[project] unknown key 'nmae' (did you mean 'name'?)"),
        ("[automation]\ncreated = 1", "[automation] unknown key 'created'"),
    ],
)
def test_what_looks_like_ours_misspelt_is_refused_among_foreign_settings(root: Path, text: str, expected: str) -> None:
    assert expected in refusal(lambda: configured(root, f'[upstream]\nrepo = "x"\n{text}\n'))


def test_automation_is_on_unless_it_is_switched_off(root: Path) -> None:
    assert find_project(root).config.automation.sensor
    read = configured(root, '[automation]\nsensor = false\ncron = "5 4 * * *"\nsettle_seconds = 2\n').config.automation
    assert read == AutomationConfig(sensor=False, cron="5 4 * * *", settle_seconds=2)


def test_no_file_and_an_empty_file_give_defaults(root: Path) -> None:
    assert find_project(root).config == ProjectConfig()
    assert configured(root, "").config == ProjectConfig()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '[embedings]\nmodel = "x"',
            "1: unknown section [embedings] (did you mean 'embeddings'?): expected project, embeddings, eventlog, "
            "sessions, code, automation, cache, models",
        ),
        (
            '[embeddings]\nmodle = "x"',
            "2: [embeddings] unknown key 'modle' (did you mean 'model'?): expected model, reranker, device",
        ),
        ('[embeddings]\ndevice = "rocm"', "2: [embeddings] device: expected cpu or cuda, got 'rocm'"),
        ('[eventlog]\nfile = "x"', "2: [eventlog] unknown key 'file': expected path, url"),
        ('\n[sessions]\nglobs = "x"', "3: [sessions] globs: expected a list of at most 100 strings, got 'x'"),
        (
            "[sessions]\nglobs = [1]",
            "2: [sessions] globs: expected a non-empty string of at most 500 characters, got 1",
        ),
        ("[project]\nname = 5", "2: [project] name: expected a non-empty string, got 5"),
        ('[project]\nname = " "', "2: [project] name: expected a non-empty string, got ' '"),
        ("[automation]\nsensor = 1", "2: [automation] sensor: expected true or false, got 1"),
        (
            "[automation]\ninterval_seconds = 0",
            "2: [automation] interval_seconds: expected a whole number >= 1 and <= 86400, got 0",
        ),
        (
            "[automation]\ncron = 3",
            "2: [automation] cron: expected a non-empty string of at most 500 characters, got 3",
        ),
        (
            "[automation]\nwebhook = ['secret']",
            "2: [automation] webhook: expected a non-empty string, got something else",
        ),
        ('project = "demo"', "1: [project] expected a table with name, got 'demo'"),
        ("models = 3", "1: [models] expected tables such as [models.my-model], got 3"),
        (
            '[eventlog]\npath = "a"\nurl = "sqlite:///b"',
            "1: [eventlog] has both path and url: keep one of them",
        ),
        (
            'automation = { sensor = true,\tcron = " " }\n[sessions]\nglobs = []\n[project]\nname = 1',
            "1: [automation] cron: expected a non-empty string of at most 500 characters, got ' '",
        ),
    ],
)
def test_wrong_settings_are_refused(root: Path, text: str, expected: str) -> None:
    assert refusal(lambda: configured(root, text)) == f"{root / '.patina' / 'config.toml'}:{expected}"


@pytest.mark.parametrize(
    "content",
    [b"[project\n", b"name = 'a'\nname = 'b'", b"\xff\xfe", b"x = " + b"[" * 100_000],
    ids=["syntax", "duplicate", "not UTF-8", "too deep"],
)
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    assert refusal(lambda: read_config(path)).startswith(f"{path}:")


def test_a_folder_instead_of_the_settings_is_refused(root: Path) -> None:
    (root / ".patina" / "config.toml").mkdir()
    assert "config.toml: is a folder: expected a plain file" in refusal(lambda: find_project(root))


# The eventlog


def test_the_eventlog_is_in_the_data_folder(root: Path) -> None:
    assert find_project(root).eventlog() == root / ".patina" / "data" / "patina.db"


def test_the_older_place_counts_where_only_it_has_an_eventlog(root: Path) -> None:
    older = root / ".patina" / "local" / "data" / "patina.db"
    older.parent.mkdir(parents=True)
    older.touch()
    project = find_project(root)
    assert project.eventlog() == older
    project.default_eventlog.touch()
    assert project.eventlog() == project.default_eventlog


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ('path = "logs/patina.db"', "logs/patina.db"),
        ('path = "{root}/logs/patina.db"', "logs/patina.db"),
        ('url = "sqlite:///logs/patina.db"', "logs/patina.db"),
        ('url = "sqlite:///{root}/logs/patina.db"', "logs/patina.db"),
    ],
)
def test_settings_say_where_the_eventlog_is(root: Path, setting: str, expected: str) -> None:
    project = configured(root, f"[eventlog]\n{setting.format(root=root)}\n")
    project.default_eventlog.touch()
    assert project.eventlog() == root / expected


@pytest.mark.parametrize(
    "setting",
    [
        'path = "/srv/patina.db"',
        'path = "~/patina.db"',
        'path = "../patina.db"',
        'path = "logs/../../patina.db"',
        'path = "link/patina.db"',
        'path = "circle/patina.db"',
        'url = "sqlite:////srv/patina.db"',
        'url = "sqlite:///../patina.db"',
    ],
)
def test_settings_do_not_lead_out_of_the_project(
    root: Path, tmp_path: Path, setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "link").symlink_to(tmp_path)
    (root / "circle").symlink_to(root / "circle")
    project = configured(root, f"[eventlog]\n{setting}\n")
    assert f"{project.config_file}: [eventlog]" in refusal(project.eventlog)
    monkeypatch.setenv("PATINA_EVENTLOG", "/srv/patina.db")
    assert find_project(root).eventlog() == Path("/srv/patina.db")


def test_the_user_says_where_data_and_eventlog_are(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f'[projects."{root}"]\ndata = "/big/data"\neventlog = "/srv/patina.db"\n[projects."/other"]\ndata = "/x"\n'
    mothership().settings.write_text(text)
    project = find_project(root)
    assert (project.data, project.eventlog()) == (Path("/big/data"), Path("/srv/patina.db"))
    monkeypatch.setenv("PATINA_DATA", str(tmp_path / "elsewhere"))
    assert find_project(root).data == tmp_path / "elsewhere" / mothership().project_folder(root).name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[project]", "1: unknown section [project] (did you mean 'projects'?)"),
        ('[projects."/a"]\ndatta = "/x"', "2: [projects.\"/a\"] unknown key 'datta' (did you mean 'data'?)"),
        ('[projects."/a"]\ndata = 3', '2: [projects."/a"] data: expected an absolute path, got 3'),
        ('[projects."/a"]\ndata = "data"', "2: [projects.\"/a\"] data: expected an absolute path, got 'data'"),
        (
            '[projects]\n"/a" = "/x"',
            "2: [projects] \"/a\": expected a table with data, eventlog, webhook, push, got '/x'",
        ),
        ("projects = 3", "1: [projects] expected tables such as"),
        ("[projects", "1: not valid TOML: Expected ']' at the end of a table declaration"),
        ("x = 1\ny = [", "2: not valid TOML: "),
        ('x = 1\ny = """', "2: not valid TOML: "),
    ],
)
def test_wrong_settings_of_the_user_are_refused(root: Path, text: str, expected: str) -> None:
    mothership().settings.write_text(text)
    assert refusal(lambda: find_project(root)).startswith(f"{mothership().settings}:{expected}")


@pytest.mark.parametrize("url", ["postgresql://host/db", "sqlite://", "sqlite:///", "logs/patina.db"])
def test_a_url_of_something_else_is_refused(root: Path, url: str) -> None:
    project = configured(root, f'[eventlog]\nurl = "{url}"\n')
    assert refusal(project.eventlog) == (
        f"{project.config_file}: [eventlog] url: expected sqlite:///relative/path.db or "
        f"sqlite:////absolute/path.db, got {url!r}"
    )


def test_an_eventlog_of_an_unknown_user_is_refused(root: Path) -> None:
    project = configured(root, '[eventlog]\npath = "~no-such-user/patina.db"\n')
    assert f"{project.config_file}: [eventlog] path" in refusal(project.eventlog)


# Paths


def test_every_derived_file_has_a_place_of_its_own(root: Path) -> None:
    project = find_project(root)
    files = ["pairs", "items", "relations", "embeddings", "weights", "onnx", "index", "search", "manifest"]
    places: list[Path] = [project.lock, project.mutex, project.source_digests, project.older_dagster_home]
    places.append(project.file_digests)
    places += [project.default_eventlog, project.corpus_model_folder()]
    for model in ("first", "second"):
        places.append(project.embedding_cache(model))
        for paths in (
            project.base_paths(model),
            project.projection_paths(model, "a"),
            project.projection_paths(model, "b"),
        ):
            places += [getattr(paths, file) for file in files]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to(project.data) for place in places)
    assert project.dagster_home.is_relative_to(mothership().own)


def test_a_projections_files_carry_its_name() -> None:
    paths = ProjectionPaths(Path("folder"), "temporal")
    assert paths.pairs == Path("folder/temporal.pairs.jsonl")
    assert paths.weights == Path("folder/temporal.safetensors")
    assert paths.index == Path("folder/temporal.usearch")
    assert paths.manifest == Path("folder/temporal.manifest.json")
