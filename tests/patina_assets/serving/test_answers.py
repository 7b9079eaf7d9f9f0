"""What every door answers, over a really built project."""

import json
import os
import weakref
from pathlib import Path
from typing import Any

import pytest
from eventlog_builder import commit
from refusals import refusal
from small_project import add_events, build

from patina_assets.search.asking.chosen import chosen_filters
from patina_assets.search.asking.current import CurrentSearcher
from patina_assets.serving.answers.map_answers import Maps
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_resources.project.project import Project, find_project
from patina_resources.store.mutex import exclusive

pytestmark = pytest.mark.usefixtures("same_home")
QUERY = "retry the network request"


@pytest.fixture(scope="module")
def answers(project: Project) -> ProjectAnswers:
    return ProjectAnswers(project)


def test_a_search_gives_bounded_hits_that_can_be_asked_on_with(answers: ProjectAnswers) -> None:
    found = answers.search(QUERY, limit=3, characters=20)
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert all(len(hit["text"]) <= 20 for hit in found["hits"])
    assert json.loads(json.dumps(found)) == found
    assert found["built"] is not None
    for hit in found["hits"]:
        assert answers.passage(hit["name"])["passages"]
    rest = answers.search(QUERY, limit=3, offset=found["next_offset"])
    assert [hit["rank"] for hit in rest["hits"]] == [4, 5, 6]


def test_words_of_the_question_are_marked(answers: ProjectAnswers) -> None:
    hits = answers.search(QUERY)["hits"]
    marked = {text.lower() for hit in hits for line in hit["lines"] for text, is_match in line if is_match}
    assert marked & {"retry", "network", "request"}


def test_filters_limit_a_search(answers: ProjectAnswers) -> None:
    filters = chosen_filters(["commits"], None, None, None, None)
    assert {hit["group"] for hit in answers.search(QUERY, filters=filters)["hits"]} == {"commits"}


def test_a_thing_is_compared_read_and_explained(answers: ProjectAnswers) -> None:
    (entry,) = answers.recent(limit=1)["entries"]
    sha = entry["commit"]
    assert answers.passage(f"commit {sha}")["passages"][0]["commit"] == sha
    file = entry["files"][0]
    like = answers.like(file, limit=2)
    assert [len(found["hits"]) for found in like["lists"]] == [2] * len(like["lists"])
    assert like["facts"]["commits"] > 0
    assert sha in {told["commit"] for told in answers.why(file)["entries"]}


def test_a_long_thing_is_read_in_portions(answers: ProjectAnswers) -> None:
    session = next(hit["session"] for hit in answers.search("decision", limit=50)["hits"] if hit["session"])
    whole = answers.passage(f"session {session}")["passages"]
    first = answers.passage(f"session {session}", characters=1)
    assert first["passages"] == [{**whole[0], "text": whole[0]["text"][:1], "cut": True, "doc": None}]
    assert answers.passage(f"session {session}", offset=first["next_offset"])["passages"] == whole[1:]


@pytest.mark.parametrize("name", ["base", "temporal"])
def test_a_map_has_a_place_and_a_group_for_each_item(answers: ProjectAnswers, name: str) -> None:
    found = json.loads(b"".join(answers.map(name).parts))
    columns = [found[column] for column in ("x", "y", "labels", "texts", "names")]
    assert {len(column) for column in columns} == {found["items"]}
    for colouring in found["colourings"]:
        assert {*colouring["of"]} == {*range(len(colouring["groups"]))}
    assert answers.passage(found["names"][0])["passages"]
    assert ("author" in {entry["name"] for entry in found["colourings"]}) is (name == "base")
    assert found["built"] == answers.status()["built"]
    assert answers.map(name).parts[1] is answers.map(name).parts[1]  # made once for a build
    assert "words have no vectors" in refusal(lambda: answers.map("lexical"))


def test_status_tells_what_there_is_and_whether_it_is_being_built(answers: ProjectAnswers) -> None:
    told = answers.status()
    assert [entry["name"] for entry in told["projections"]] == ["temporal"]
    assert (told["building"], told["error"], told["passages"] > 100) == (False, None, True)
    with exclusive(answers.project.mutex, 1, "testing"):
        assert answers.status()["building"]


def test_what_cannot_be_asked_is_one_sentence(answers: ProjectAnswers) -> None:
    assert refusal(lambda: answers.search("x", limit=51)) == "limit: expected a whole number from 1 to 50, got 51"
    assert "at most 2000 characters" in refusal(lambda: answers.search("x" * 2001))
    assert "nothing is called 'nowhere.py'" in refusal(lambda: answers.passage("nowhere.py"))
    assert "nothing is called" in refusal(lambda: answers.passage("../../etc/passwd"))
    assert "days: expected" in refusal(lambda: answers.recent(days=0))


def test_a_new_build_is_answered_from_at_once(answers: ProjectAnswers) -> None:
    assert refusal(lambda: answers.passage("commit " + "e" * 40)).startswith("there is no commit")
    add_events(answers.project, [commit("e" * 40, "src/recipe/schema.py", hour=900)])
    assert [note["older"] for note in answers.status()["stale"]] == ["index"]
    build(answers.project)
    os.utime(answers.project.lock)
    assert answers.passage("commit " + "e" * 40)["passages"]
    assert answers.status()["stale"] == []


def test_what_was_open_before_a_build_is_let_go_at_once(answers: ProjectAnswers) -> None:
    searchers = CurrentSearcher(answers.project)
    assert searchers.get().answer("recipe", None, 3).hits
    former = weakref.ref(searchers.get().indexes.passages())
    maps = Maps()
    assert maps.map(searchers.get().indexes, "base").rest
    os.utime(answers.project.lock)
    assert searchers.get().answer("recipe", None, 3).hits
    assert former() is None


def test_a_project_that_is_not_built_says_so(tmp_path: Path) -> None:
    (tmp_path / "new" / ".patina").mkdir(parents=True)
    told = ProjectAnswers(find_project(tmp_path / "new")).status()
    assert "run `patina materialize --oxidize`" in told["error"]
    assert (told["built"], told["stale"]) == (None, [])


def test_the_first_view_has_counts_questions_and_what_is_new(answers: ProjectAnswers) -> None:
    found = answers.overview()
    status = answers.status()
    assert sum(entry["count"] for entry in found["groups"]) == status["passages"]
    assert [entry["group"] for entry in found["groups"]] == ["code", "commits", "notes"]
    assert {entry["group"] for entry in found["examples"]} == {"commits", "notes"}
    assert all(answers.search(entry["text"])["hits"] for entry in found["examples"])
    assert len(found["entries"]) == 5


def test_what_the_recipe_could_have_is_named_until_it_has_it(answers: ProjectAnswers) -> None:
    told = answers.suggestions()
    assert {"semantic", "dependency"} <= {entry["projection"] for entry in told["suggestions"]}
    assert "temporal" not in {entry["projection"] for entry in told["suggestions"]}
    assert told["command"] == "patina init --update"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"language": "python"}, {"commits": ["language"], "notes": ["language"]}),
        ({"author": "ada"}, {"code": ["author"], "notes": ["author"]}),
        ({"author": "ada", "kinds": ["commits"]}, {}),
        ({"language": "python", "author": "ada", "kinds": ["code"]}, {"code": ["author"]}),
        ({}, {}),
    ],
)
def test_filters_that_leave_nothing_of_a_group_are_named(
    answers: ProjectAnswers, chosen: dict[str, Any], expected: dict[str, list[str]]
) -> None:
    names = ("path", "language", "since", "author")
    filters = chosen_filters(chosen.get("kinds", ()), *(chosen.get(name) for name in names), prefix="")
    found = answers.search(QUERY, filters=filters)["left_out"]
    assert {entry["group"]: entry["by"] for entry in found} == expected
