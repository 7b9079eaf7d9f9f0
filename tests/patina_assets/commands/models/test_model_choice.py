"""The base model of `patina init`: what is offered, what it costs on this repository, and what is taken."""

import os
from pathlib import Path

import pytest
from eventlog_builder import build_eventlog, commit, function
from materialize_helpers import GitFolder
from refusals import refusal
from terminals import on_a_terminal

from patina_assets.commands.models.model_choice import OFFERS, RECOMMENDED, choose_model, offer_lines, settled_model
from patina_resources.models.registry import CORPUS_STATIC, EMBEDDED
from patina_resources.project.project import Project, project_at

CONFIG = Path(".patina") / "config.toml"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_at(GitFolder(tmp_path / "project").path)


def test_each_offer_says_what_it_costs_here_and_what_it_gained(project: Project) -> None:
    commits = [commit(f"{number:040x}", "src/a.py", hour=number) for number in range(12_000)]
    build_eventlog(project.eventlog(), [*commits, function("src/a.py", "read", [], None)])
    lines = offer_lines(project, list(OFFERS))
    assert "for about 12,001 passages" in lines[0]
    assert [line.split()[1] for line in lines[1:]] == [offer.name for offer in OFFERS]
    assert "no download, under a minute of processor time: " in lines[1]
    assert "23 MB to download, about 1 min of processor time: " in lines[2]
    assert [line.endswith("(recommended)") for line in lines] == [False, False, False, True]
    assert OFFERS[-1].name == RECOMMENDED


def test_before_anything_is_read_no_time_is_told(project: Project) -> None:
    assert all("passages" not in line and "processor" not in line for line in offer_lines(project, list(OFFERS)))


def test_what_is_asked_for_or_configured_is_taken(project: Project) -> None:
    assert settled_model(project, None) is None
    assert settled_model(project, RECOMMENDED) == RECOMMENDED
    (project.root / CONFIG).parent.mkdir()
    (project.root / CONFIG).write_text('[embeddings]\nmodel = "bge-small"\n')
    configured = project_at(project.root)
    assert settled_model(configured, None) == settled_model(configured, "bge-small") == "bge-small"
    assert "is 'bge-small': change it there" in refusal(lambda: settled_model(configured, CORPUS_STATIC))
    assert "did you mean" in refusal(lambda: settled_model(project, "all-minilm-l6-v3"))
    assert choose_model(project) == EMBEDDED  # nobody is at a terminal


@pytest.mark.parametrize(
    ("answer", "variables", "model", "said"),
    [
        ("1", {}, EMBEDDED, "2 all-minilm-l6-v2 23 MB to download: "),
        ("9\n1", {}, EMBEDDED, "expected a number from 1 to 3, or a name"),
        ("all-minilm-l6-v3\n1", {}, EMBEDDED, "did you mean"),
        (CORPUS_STATIC, {}, CORPUS_STATIC, "(recommended)"),
        ("bge-small", {}, "bge-small", "bge-small is not in the cache: add it now?"),
        ("", {"HF_HUB_OFFLINE": "1"}, EMBEDDED, "HF_HUB_OFFLINE is set: a model that would be downloaded is not"),
        (
            "2",
            {"PIP_NO_INDEX": "1"},
            EMBEDDED,
            "could not be added: corpus-static+english-static is used, which",
        ),
    ],
)
def test_a_person_chooses_by_number_or_name(
    tmp_path: Path, answer: str, variables: dict[str, str], model: str, said: str
) -> None:
    root = GitFolder(tmp_path / "project").path
    closed = {"HF_ENDPOINT": "http://127.0.0.1:9", "PATH": os.environ["PATH"]}
    shown = on_a_terminal(root, ["init", "--no-build"], f"{answer}\nn", **closed, **variables)
    assert said in " ".join(shown.split()), shown
    assert f'model = "{model}"' in (root / CONFIG).read_text()
