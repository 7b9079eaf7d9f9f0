"""Charts and maps: what is drawn, how small it is, and that nothing in it is taken for markup."""

import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from browser import CHROMIUM, browser
from eventlog_builder import commit
from made_once import built_project
from numpy.typing import NDArray
from refusals import refusal
from small_project import add_events, patina

from patina_assets.pairs.items import Item
from patina_assets.pictures.charts import (
    INLINE_LIMIT,
    LEFT_OVER,
    colour_groups,
    drift_chart,
    history_chart,
    image_markdown,
    scatter,
    small_scatter,
    stands_in_page,
)
from patina_assets.pictures.map import Places, group_names, map_document, page, placed
from patina_assets.pictures.plane import MAP_ITEMS, decode_plane, encode_plane, extended_plane, plane_of
from patina_assets.pipeline.runner import run_stage
from patina_assets.pipeline.stages.index import item_places, neighbour_rows
from patina_assets.pipeline.workspace import open_workspace
from patina_resources.project.project import Project, find_project


@pytest.mark.parametrize("epochs", [0, 1, 10, 100_000])
def test_a_history_fits_where_dagster_shows_images_in_the_page(epochs: int) -> None:
    losses = [None, *(1234.5 * (1.5 + (-1) ** epoch) for epoch in range(epochs))]
    mrrs = [0.0001234 * (1.5 + (-1) ** epoch) for epoch in range(epochs + 1)]
    chart = history_chart(losses, mrrs, epochs, base=0.0001234)
    ElementTree.fromstring(chart)
    assert len(image_markdown(chart, "loss and MRR per epoch")) < INLINE_LIMIT
    assert ("loss" in chart) == (epochs > 0)
    assert chart.count("<circle") == 1
    assert "base 0.000123" in chart


def test_lines_go_through_their_values() -> None:
    chart = ElementTree.fromstring(history_chart([None, 4.0, 2.0], [0.1, 0.3, 0.2], 1))
    loss, mrr, circle = (element for element in chart if element.get("stroke") in ("#d55e00", "#0072b2"))
    assert (loss.get("d"), mrr.get("d")) == ("M150,18l136,84", "M14,102l136-84l136,42")
    assert (circle.get("cx"), circle.get("cy")) == ("150", "18")


@pytest.mark.parametrize(("count", "kinds"), [(0, 1), (1, 1), (30, 2), (5000, 12)])
def test_a_small_map_fits_and_shows_as_many_items_as_it_can(count: int, kinds: int) -> None:
    rng = np.random.default_rng(0)
    groups = [f"a/rather/long/folder's name & {row % kinds}" for row in range(count)]
    svg = small_scatter(rng.normal(size=(count, 2)).astype(np.float32), groups)
    assert len(image_markdown(svg, "map")) < INLINE_LIMIT
    drawn = sum((element.get("d") or "").count("z") for element in ElementTree.fromstring(svg))
    assert min(count, 50) <= drawn <= count


def test_the_larger_map_is_as_wide_as_its_legend_can_be_read() -> None:
    svg = scatter(np.zeros((3, 2), np.float32), ["a", "b", "a"])
    chart = ElementTree.fromstring(svg)
    assert chart.get("width") == (chart.get("viewBox") or "").split()[2]
    assert stands_in_page(svg, "map")
    assert not stands_in_page(scatter(np.random.default_rng(0).normal(size=(300, 2)), ["a"] * 300), "map")


def test_a_history_without_validation_is_drawn_too() -> None:
    one_loss = ElementTree.fromstring(history_chart([None, 2.0, float("nan")], [None, None, None], 0))
    empty = ElementTree.fromstring(history_chart([], [], 0))
    axes = "silver"
    assert [path.get("stroke") for path in one_loss if path.get("d")] == [axes, "#d55e00"]
    assert [text.text for text in one_loss if text.text] == ["epoch 0", "2", "loss 2 to 2"]
    assert [path.get("stroke") for path in empty if path.get("d")] == [axes]
    assert [text.text for text in empty if text.text] == ["epoch 0", "1"]


def test_drift_over_time_is_a_line_that_fits_the_page() -> None:
    svg = drift_chart([0.01, 0.2, 0.1, *[0.05] * 97], range(100))
    line, dots = (
        next(path for path in ElementTree.fromstring(svg) if path.get("stroke") == colour and path.get("d"))
        for colour in ("#0072b2", "#d55e00")
    )
    assert ((line.get("d") or "").count("l"), (dots.get("d") or "").count("z")) == (19, 20)
    assert "drift 0.01 to 0.05, at most 0.2" in svg
    assert "drift 0 to 0, at most 0<" in drift_chart([0.0, 0.0], [0])
    assert len(image_markdown(svg, "drift")) < INLINE_LIMIT
    assert "drift 0 to 0" in drift_chart([0.0, 0.0], [])


def test_a_dot_stands_where_weights_were_trained() -> None:
    chart = ElementTree.fromstring(drift_chart([0.0, 0.1, 0.2, 0.05], [0, 2]))
    dots = next(path for path in chart if path.get("stroke") == "#d55e00" and path.get("d"))
    assert dots.get("d") == "M14,102zm181-84z"
    assert "trained 2 times" in drift_chart([0.0, 0.1, 0.2, 0.05], [0, 2])


def test_the_plane_is_that_of_the_largest_variance() -> None:
    rng = np.random.default_rng(0)
    vectors = np.zeros((200, 8), np.float32)
    vectors[:, 3], vectors[:, 5] = rng.normal(0, 9, 200), rng.normal(0, 3, 200)
    vectors += rng.normal(0, 0.01, vectors.shape).astype(np.float32)
    plane = plane_of(vectors).points
    assert plane.var(axis=0).sum() >= 0.999 * vectors.var(axis=0).sum()
    assert np.corrcoef(plane[:, 0], vectors[:, 3])[0, 1] > 0.99
    assert np.corrcoef(plane[:, 1], vectors[:, 5])[0, 1] > 0.9
    assert np.array_equal(plane, plane_of(vectors.copy()).points)


@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (2, 4), (5, 1)])
def test_few_vectors_have_a_plane(shape: tuple[int, int]) -> None:
    assert plane_of(np.ones(shape, np.float32)).points.shape == (shape[0], 2)


def test_a_plane_keeps_its_directions_where_little_changed() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(60, 8)).astype(np.float32)
    before = decode_plane(encode_plane(plane_of(vectors)))
    now = np.concatenate([9 * vectors[:20], vectors[5:]])
    kept = {row: row + 15 for row in range(5, 60)}
    asked: list[int] = []

    def vectors_of(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        asked.extend(rows.tolist())
        return now[rows]

    after = extended_plane(before, kept, len(now), vectors_of)
    assert asked == list(range(20))  # the others lie where they lay
    assert np.array_equal(after.points[20:], before.points[5:])
    assert np.allclose(after.points[:20], (now[:20] - before.mean) @ before.axes)
    assert np.array_equal(after.axes, before.axes)


def test_a_plane_of_some_vectors_places_those_that_it_did_not_show() -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    before = plane_of(vectors, most=20)
    after = extended_plane(before, {row: row for row in range(60)}, 60, vectors.__getitem__, most=30)
    assert len(after.rows) == 30
    assert np.allclose(after.points, (vectors[after.rows] - before.mean) @ before.axes, atol=1e-5)
    none = extended_plane(plane_of(vectors[:0]), {}, 3, vectors.__getitem__)
    assert none.points.shape == (3, 2)


def test_a_map_has_evenly_spaced_items_and_who_wrote_them() -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    items = [Item("commit", f"text {number}", commit=str(number)) for number in range(50)]
    plane = plane_of(vectors, most=20)
    found = placed(items, plane, 10, {0: "2024-05-06"}, {0: "Ada", 49: "Grace"})
    assert [found.rows[0], found.rows[-1], len(found.rows), found.total] == [0, 49, 10, 50]
    by_name = {entry["name"]: entry for entry in map_document(found, 10)["colourings"]}
    assert [group["name"] for group in by_name["author"]["groups"]] == ["no author", "Ada", "Grace"]
    assert by_name["year"]["of"][0] == 1


def test_names_in_a_scatter_are_no_markup() -> None:
    svg = scatter(np.array([[0, 0], [1, 1]], np.float32), ["<script>&", LEFT_OVER])
    assert "<script>" not in svg
    ElementTree.fromstring(svg)


def test_seven_groups_have_a_colour_and_the_rest_is_left_over() -> None:
    names = [f"g{number}" for number in range(12) for _ in range(12 - number)]
    assert set(colour_groups(names)) == {*(f"g{number}" for number in range(7)), LEFT_OVER}


def test_files_are_grouped_as_deep_as_tells_them_apart() -> None:
    items = [Item("file", "text", f"src/{module}/a.py") for module in ("one", "two", "three")]
    assert group_names(items) == ["src/one", "src/two", "src/three"]
    assert group_names([Item("decision", "text", session="s"), Item("file", "text", "readme.md")]) == [
        "decision",
        "(top)",
    ]
    assert group_names([]) == []


def test_neighbours_are_the_nearest_and_not_the_item_itself() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(30, 8)).astype(np.float32)
    items = [Item("file", f"text {number}", f"{number}.py") for number in range(30)]
    rows = neighbour_rows(Places(items, plane_of(vectors).points, ["a"] * 30), vectors)
    assert len(rows) == 20
    for asked in range(0, 20, 4):
        query, *nearest = rows[asked : asked + 4]
        assert query["cosine"] == "query"
        cosines = [float(row["cosine"]) for row in nearest]
        assert cosines == sorted(cosines, reverse=True)
        assert all(row["item"] != query["item"] for row in nearest)
    assert neighbour_rows(Places([], np.zeros((0, 2), np.float32), []), np.zeros((0, 8), np.float32)) == []


HOSTILE = "</script><script>document.title = 'owned'</script><!-- \u2028 &amp; '\""


def test_texts_in_a_page_are_no_markup() -> None:
    found = Places([Item("file", HOSTILE, HOSTILE)], np.ones((1, 2), np.float32), [HOSTILE])
    html = page(found, HOSTILE)
    assert html.count("<script>") == 1
    assert html.count("</script>") == 1
    assert not re.search(r"(src|href)\s*=", html)
    assert "http" not in html.replace("http-equiv", "")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project that is built."""
    return built_project(tmp_path_factory.mktemp("built") / "project")


def test_patina_map_writes_a_page(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATINA_PROJECT", str(project.root))
    out = tmp_path / "map.html"
    done = patina("map", "temporal", "--out", str(out))
    assert (done.code, done.err) == (0, "")
    assert done.out == f"{out}: 60 items of temporal; open it in a browser\n"
    wrong = patina("map", "temporl", "--out", str(out))
    assert wrong.code == 2
    assert "unknown projection 'temporl' (did you mean 'temporal'?)" in wrong.err
    base = item_places(project.base_paths("corpus-static"), 10)
    assert len(base.items) == 10
    assert refusal(lambda: item_places(project.projection_paths("corpus-static", "none"), MAP_ITEMS)).startswith(
        "none/index"
    )


def test_a_map_is_of_one_build_although_a_later_one_was_interrupted(project: Project, tmp_path: Path) -> None:
    copy = tmp_path / "project"
    shutil.copytree(project.root, copy)
    before = item_places(find_project(copy).projection_paths("corpus-static", "temporal"), MAP_ITEMS)
    add_events(find_project(copy), [commit("f" * 40, "src/new.py", "src/other.py", hour=500)])
    run_stage(open_workspace(find_project(copy)), "temporal", "pairs", print)
    assert (
        item_places(find_project(copy).projection_paths("corpus-static", "temporal"), MAP_ITEMS).items == before.items
    )


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here; .ci/run installs it")
def test_the_page_draws_in_a_browser(tmp_path: Path) -> None:
    points = np.array([[0, 0], [1, 1]], np.float32)
    found = Places([Item("file", HOSTILE, "a.py"), Item("file", "b", "b.py")], points, [HOSTILE, "b"])
    out = tmp_path / "map.html"
    out.write_text(page(found, "a title"))
    with browser(tmp_path / "profile") as shown:
        shown.open(out.as_uri())
        assert "a title" in shown.wait_for_texts("a title")
        assert shown.value("document.title") == "a title"
        drawn = "document.querySelector('canvas').toDataURL().length"
        assert shown.value(drawn) > 1000
        assert shown.value("document.querySelectorAll('button').length") == 2


def test_an_image_is_readable_markdown() -> None:
    svg = scatter(np.array([[0, 0], [1, 1]], np.float32), ["a (b", "100 %"])
    text = image_markdown(svg, "alt")
    assert re.fullmatch(r"!\[alt\]\(data:image/svg\+xml,[^\s()]+\)", text)
    assert unquote(text.split(",", 1)[1][:-1]) == svg
