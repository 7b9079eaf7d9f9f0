"""One question over several projects: one list, what fits best first, and one line for what cannot be searched."""

import json
import shutil
from pathlib import Path

import pytest
from eventlog_builder import commit, project_history
from small_project import build, make_project, patina
from team import SMALL_RECIPE

from patina_assets.search.asking.filters import NO_FILTERS
from patina_assets.search.projects.answers import answer_of_projects
from patina_assets.search.projects.chosen import MOST_PROJECTS, chosen_projects, short_names
from patina_resources.errors import PatinaError
from patina_resources.store.mothership import mothership

SUBJECTS = {
    "alpha": "The bucket of tokens limits requests of one tenant",
    "beta": "The parser recovers from a missing bracket",
    "gamma": "The ledger rounds half a cent to even",
}
QUESTION = "which bracket does the parser recover from"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    for name, subject in SUBJECTS.items():
        events = [*project_history(), commit(f"f{name}", f"src/{name}.py", message=subject, hour=9000)]
        build(make_project(folder / name, SMALL_RECIPE, events), "base")
    return folder


@pytest.fixture
def work(built: Path, tmp_path: Path) -> Path:
    """Return a copy of the projects, to be damaged."""
    shutil.copytree(built, tmp_path / "work")
    return tmp_path / "work"


def settings(text: str) -> None:
    mothership().settings.write_text(text)


def test_what_one_project_knows_comes_first_whatever_its_place(built: Path) -> None:
    for name, subject in SUBJECTS.items():
        answer = answer_of_projects(sorted(built.iterdir()), f"{subject}?", 5, NO_FILTERS)
        assert (answer.hits[0].project, answer.hits[0].root) == (name, built / name)
        assert answer.hits[0].hit.item.text.startswith(subject)
        scores = [found.hit.score for found in answer.hits]
        assert scores == sorted(scores, reverse=True)
        assert len(scores) == 5
        assert answer.searched == sorted(SUBJECTS)


def test_the_command_prints_the_project_of_each_result(built: Path) -> None:
    done = patina("scry", QUESTION, "--projects", f"{built}/*", "-k", "3")
    assert done.code == 0, done
    assert done.out.splitlines()[0].startswith("  1. beta  ")
    documents = json.loads(patina("scry", QUESTION, "--projects", f"{built}/*", "-k", "3", "--json").out)
    assert [documents[0][key] for key in ("project", "root", "rank")] == ["beta", str(built / "beta"), 1]


def test_projects_are_chosen_by_pattern_file_or_name(built: Path, tmp_path: Path) -> None:
    alpha, beta, gamma = (built / name for name in sorted(SUBJECTS))
    assert chosen_projects(f"{built}/*a", mothership()) == [alpha, beta, gamma]
    assert chosen_projects(f"{built}/[ab]*", mothership()) == [alpha, beta]
    assert chosen_projects(str(beta), mothership()) == [beta]
    listed = tmp_path / "list"
    listed.write_text(f"# two\n{gamma}\n\n{alpha}\n{alpha}\nelsewhere\n")
    assert chosen_projects(str(listed), mothership()) == sorted([alpha, gamma, tmp_path / "elsewhere"])
    settings(f'[fleet]\nprojects = ["{built}/[ab]*", "{tmp_path}/gone"]\n')
    assert chosen_projects("all", mothership()) == sorted([alpha, beta, tmp_path / "gone"])
    assert chosen_projects("al*", mothership()) == [alpha]
    settings("")
    mothership().projects.write_text(f"{beta}\n")
    assert chosen_projects("all", mothership()) == [beta]


@pytest.mark.parametrize("which", ["nothing*", "/no/such/*", "x" * 5000, "/", "~nobody/*", "/a/***"])
def test_a_choice_of_nothing_is_one_sentence(which: str) -> None:
    done = patina("scry", "words", "--projects", which)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done


def test_at_most_so_many(tmp_path: Path) -> None:
    for number in range(MOST_PROJECTS + 1):
        (tmp_path / "many" / str(number) / ".patina").mkdir(parents=True)
    with pytest.raises(PatinaError, match=f"{MOST_PROJECTS + 1} projects: expected at most {MOST_PROJECTS}"):
        chosen_projects(f"{tmp_path}/many/*", mothership())
    shutil.rmtree(tmp_path / "many" / "0")
    assert len(chosen_projects(f"{tmp_path}/many/*", mothership())) == MOST_PROJECTS


def test_missing_and_damaged_projects_are_one_line(work: Path) -> None:
    (work / "empty" / ".patina").mkdir(parents=True)
    index = next((work / "alpha").rglob("base.search.db"))
    index.write_bytes(b"damaged" * 1000)
    listed = work / "list"
    listed.write_text("".join(f"{work / name}\n" for name in ("alpha", "beta", "empty", "gone")))
    done = patina("scry", QUESTION, "--projects", str(listed), "-k", "1")
    assert (done.code, done.out.startswith("  1. beta")) == (0, True), done
    (line,) = [line for line in done.err.splitlines() if "not searched" in line]
    for name in ("alpha (", "empty (", "gone (there is no project"):
        assert name in line
    assert "beta (" not in line
    listed.write_text(f"{work / 'gone'}\n")
    done = patina("scry", QUESTION, "--projects", str(listed))
    assert (done.code, "none of 1 projects can be searched" in done.err) == (2, True), done


def test_a_project_that_knows_no_word_is_searched_and_silent(built: Path) -> None:
    answer = answer_of_projects(sorted(built.iterdir()), "zzzzqqqq", 3, NO_FILTERS)
    assert (answer.doubtful, answer.missing) == (True, {})


def test_two_of_one_name_are_told_apart() -> None:
    assert short_names([Path("/a/x"), Path("/b/x"), Path("/c/y")]) == ["/a/x", "/b/x", "y"]


def test_one_project_or_several(built: Path) -> None:
    done = patina("scry", "words", "--projects", f"{built}/*", "--projection", "base")
    assert (done.code, "do not go together" in done.err) == (2, True)
