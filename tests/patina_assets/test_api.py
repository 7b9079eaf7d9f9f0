"""The public Python API over a really built project."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import note
from refusals import refusal
from root import ROOT
from small_project import add_events, build, make_project, patina, small_recipe

import patina_assets
from patina_assets import Interval, Item, Measure, OpenProject, Results, open_project
from patina_resources.project.project import find_project

RECIPE = small_recipe("temporal", "semantic", layers="[16, 8]", epochs=1, pairs=300)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OpenProject:
    made = make_project(tmp_path_factory.mktemp("api") / "project", RECIPE)
    build(made)
    return open_project(made.root / ".patina" / "data")


def test_every_name_is_there_and_none_else_is_promised() -> None:
    assert all(getattr(patina_assets, name).__name__ == name for name in patina_assets.__all__)
    assert set(patina_assets.__all__) <= set(dir(patina_assets))
    with pytest.raises(AttributeError, match="has no attribute 'Searcher'"):
        _ = patina_assets.Searcher


def test_importing_it_loads_nothing() -> None:
    script = "import sys; before = set(sys.modules); import patina_assets; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [name for name in done.stdout.split() if name.startswith("patina")] == ["patina_assets", "patina_resources"]
    assert not {"numpy", "yaml", "dagster", "argparse"} & set(done.stdout.split())


def test_a_project_is_opened_from_any_folder_in_it(project: OpenProject) -> None:
    assert open_project(str(project.root)).root == project.root
    assert "no .patina folder in" in refusal(lambda: open_project(project.root.parent))


def test_search_returns_hits_of_items(project: OpenProject) -> None:
    hits = project.search("retry the network request", limit=5)
    assert len(hits) == 5
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert set().union(*(hit.places for hit in hits)) <= {"temporal", "semantic", "base", "lexical"}
    assert {hit.item for hit in hits} <= set(project.items())
    of_one = project.search("retry the network request", projection="temporal", limit=3)
    assert [set(hit.places) for hit in of_one] == [{"temporal"}] * 3


def test_what_cannot_be_asked_is_one_sentence(project: OpenProject) -> None:
    assert "did you mean 'temporal'" in refusal(lambda: project.search("x", projection="tempral"))
    assert refusal(lambda: project.search("x", limit=0)) == "limit: expected a whole number >= 1, got 0"
    assert "the query is empty" in refusal(lambda: project.search(" "))
    assert "did you mean 'semantic'" in refusal(lambda: project.items("semantics"))
    assert refusal(lambda: project.evaluate(["x"])) == "unknown projection 'x': expected one of temporal, semantic"


def test_items_are_those_of_the_index(project: OpenProject) -> None:
    items = project.items()
    assert {type(item) for item in items} == {Item}
    assert {item.kind for item in project.items("temporal")} == {"file"}
    assert {item.file for item in project.items("temporal")} <= {item.file for item in items}
    assert set(project.items("semantic")) <= set(items) == set(project.items("lexical"))


def test_measures_are_those_of_the_build(project: OpenProject) -> None:
    measures = project.evaluate()
    assert list(dict.fromkeys(measure.projection for measure in measures)) == ["temporal", "semantic"]
    by_vectors = {measure.vectors: measure for measure in project.evaluate(["temporal"])}
    assert by_vectors.items() >= {(m.vectors, m) for m in measures if m.projection == "temporal"}
    base, trained, gain = (by_vectors[vectors] for vectors in ("base", "trained", "gain"))
    assert isinstance(base, Measure)
    assert isinstance(base.mrr, Interval)
    assert base.queries == trained.queries > 0
    assert 0 < base.mrr.low < base.mrr.value < base.mrr.high < 1
    assert gain.mrr.value == pytest.approx(trained.mrr.value - base.mrr.value)


def test_results_are_lists_of_rows_and_tables(project: OpenProject) -> None:
    hits = project.search("retry the network request", limit=3)
    rows = hits.to_list()
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert [(row["kind"], row["text"]) for row in rows] == [(hit.item.kind, hit.item.text) for hit in hits]
    assert json.loads(json.dumps(rows)) == rows
    for results in (project.items(), project.recent(), project.evaluate()):
        found = results.to_list()
        assert len(found) == len(results) > 0
        assert len({tuple(row) for row in found}) == 1
        assert results._repr_html_().count("<tr>") == min(len(found), 100) + 1
    assert project.evaluate().to_list()[0]["mrr_low"] == project.evaluate()[0].mrr.low


def test_a_table_shows_text_as_text() -> None:
    text = "<script>alert(1)</script>&\"'\n\u202e\x1b" + "x" * 1000
    shown = Results([text], lambda _, value: {"<b>": value, "nothing": None})._repr_html_()
    assert "<script" not in shown
    assert "<b>" not in shown
    assert "nothing" not in shown
    assert not {"\u202e", "\x1b", '"', "'"} & set(shown)
    assert len(shown) < 1000
    assert Results([], lambda *_: {})._repr_html_().count("<tr>") == 1


@pytest.mark.parametrize("name", ["pandas", "polars"])
def test_a_library_takes_the_rows_or_is_asked_for(
    project: OpenProject, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    results = project.search("retry the network request", limit=3)
    monkeypatch.setitem(sys.modules, name, None)
    assert refusal(getattr(results, f"to_{name}")) == f"to_{name} needs {name}: run `pip install {name}`"
    monkeypatch.delitem(sys.modules, name)
    pytest.importorskip(name)
    frame = getattr(results, f"to_{name}")()
    assert frame.shape == (3, len(results.to_list()[0]))


def test_vectors_are_those_of_the_items_and_texts_are_embedded_beside_them(project: OpenProject) -> None:
    for name in ("base", "temporal"):
        items, vectors = project.items(name), project.vectors(name)
        assert vectors.shape[0] == len(items)
        assert vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-2)
    embedded = project.embed(["retry the network request", ""], "temporal")
    assert embedded.shape == (2, project.vectors("temporal").shape[1])
    scores = project.vectors("temporal") @ embedded[0]
    (nearest,) = project.search("retry the network request", projection="temporal", limit=1)
    assert nearest.score == pytest.approx(scores.max(), abs=1e-2)
    assert project.embed([]).shape == (0, project.vectors().shape[1])
    assert "has no vectors" in refusal(lambda: project.vectors("lexical"))


def test_threads_ask_while_another_closes(project: OpenProject) -> None:
    expected = [hit.item for hit in project.search("retry", limit=5)]

    def ask(number: int) -> list[Item]:
        if number % 5 == 0:
            project.close()
        return [hit.item for hit in project.search("retry", limit=5)]

    with open_project(project.root) as opened, ThreadPoolExecutor(4) as threads:
        assert list(threads.map(ask, range(20))) == [expected] * 20
        assert [hit.item for hit in opened.search("retry", limit=5)] == expected


def test_nothing_built_is_said(tmp_path: Path) -> None:
    opened = open_project(make_project(tmp_path / "project", RECIPE).root)
    assert "nothing is built yet" in refusal(lambda: opened.search("x"))
    assert "nothing is built yet" in refusal(opened.items)
    assert "temporal/weights is not built" in refusal(opened.evaluate)


def test_a_later_build_is_seen(project: OpenProject, monkeypatch: pytest.MonkeyPatch) -> None:
    before = project.items()
    text = "Zebras are counted by hand, since the camera is slow at night"
    add_events(find_project(project.root), [note(text, "2026-session-new"), note(text[:-9], "2026-session-new")])
    monkeypatch.chdir(project.root)
    assert patina("oxidize").code == 0
    assert len(project.items()) == len(before) + 2
    assert "Zebras" in project.search("zebras counted by hand", limit=1)[0].item.text
