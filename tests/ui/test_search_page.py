"""The search page in a real browser: what a person does there, and what a hostile repository tries there.

Screenshots are kept in build/screenshots. Every step waits for what it asserts on.
"""

import json
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from browser import CHROMIUM, PATIENCE_SECONDS, Page, browser
from doors import ITEM_KEYS
from materialize_helpers import GitFolder
from small_project import patina, small_recipe
from ui_server import ROOT, Ui, running_ui

from patina_assets.pairs.items import Item
from patina_assets.serving.answers.documents import name_of
from patina_resources.project.project import find_project
from patina_resources.store.mutex import exclusive

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium")
SCREENSHOTS = ROOT / "build" / "screenshots"
RECIPE = small_recipe("temporal", layers="[16, 8]", epochs=1, pairs=200)
HOSTILE = "<img src=x onerror=hurt()>"
DECISION = """---
status: {status}
---
# Keep pickles in {place}

## Decision

We keep all pickles in {place}.
"""
# As `gh issue list --json ...` prints it.
ISSUE = {
    "author": {"login": "mary"},
    "body": "Only with a worn reader.",
    "comments": [{"id": "IC_1", "author": {"login": "ada"}, "body": "Seen here.", "createdAt": "2024-03-02T10:00:00Z"}],
    "createdAt": "2024-02-28T09:30:00Z",
    "number": 12,
    "state": "CLOSED",
    "title": f"Cards are read twice {HOSTILE}",
    "url": "https://github.com/ada/engine/issues/12",
}
TOPICS = ("timeout", "redirect", "cookie", "proxy", "header", "stream")
ODD_FILE = "src/<b onmouseover=hurt()> &amp;.py"
# Told by the page itself: scripts of texts that ran, what the policy refused, and errors.
WATCH = """
window.told = [];
window.hurt = () => told.push("a text was run");
document.addEventListener("securitypolicyviolation", e => told.push(`${e.violatedDirective} ${e.blockedURI}`));
window.addEventListener("error", e => told.push(e.message));
window.addEventListener("unhandledrejection", e => told.push(String(e.reason)));
"""
# Searches wait until they are let go, as on a slow server; other questions are answered.
HELD_SEARCHES = """
window.asked = []; window.polls = 0;
const held = new Promise(done => { window.letGo = done; }), answered = window.fetch;
window.fetch = async (address, options) => {
  const asks = new URL(address, location.href), isSearch = asks.pathname.endsWith("/search");
  if (isSearch) { asked.push(asks.searchParams.get("q")); await held; }
  const answer = await answered(address, options);
  if (!isSearch) polls += 1;
  return answer;
};
0
"""


def module(topic: str, turn: int) -> str:
    """Return source code about a topic."""
    return (
        f"def read_{topic}(value):\n    return check_{topic}(value)\n\n\n"
        f"def check_{topic}(value):\n    '''Check the {topic} {HOSTILE}.'''\n    return value > {turn}\n"
    )


def make_repository(path: Path) -> GitFolder:
    """Return a built project: code, commits, decisions, and texts that want to be run."""
    made = GitFolder(path)
    for turn in range(3):
        for topic in TOPICS:
            made.write(f"src/{topic}.py", module(topic, turn))
            made.write(f"docs/{topic}.md", f"# The {topic}\n\nturn {turn} of the {topic} {HOSTILE}\n")
            made.write(f"tests/test_{topic}.py", f"def test_{topic}():\n    assert {turn} == {turn}\n")
            made.write(f"notes/{topic}.md", f"turn {turn}\rdiff --git a/no file b/no file\n")
            made.commit(f"feat({topic}): turn {turn} {HOSTILE}\n\n<script>hurt()</script>")
    made.write(ODD_FILE, module("marmalade", 1))
    made.write("docs/adr/0001-sqlite.md", DECISION.format(status="superseded by 2", place=f"SQLite {HOSTILE}"))
    made.write("docs/adr/0002-files.md", DECISION.format(status="accepted", place="files"))
    made.commit("docs: decisions")
    (path / ".patina").mkdir()
    (path / ".patina/config.toml").write_text("[automation]\nsensor = false\nnightly = false\n")
    (path / ".patina/oxidize.yaml").write_text(RECIPE)
    return made


def update(repository: GitFolder, *options: str) -> None:
    """Read the repository and build what is stale."""
    with pytest.MonkeyPatch.context() as place:
        place.chdir(repository.path)
        done = patina("materialize", "--oxidize", *options)
        assert done.code == 0, done.err


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give all tests of this file one mothership."""
    folder = tmp_path_factory.mktemp("search-page")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATINA_HOME", str(folder / "mothership"))
        patch.setenv("HOME", str(folder))
        (folder / "mothership").mkdir()
        (folder / "mothership" / "config.toml").write_text("[notes]\nfrom_page = true\n")
        yield folder


@pytest.fixture(autouse=True)
def _same_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATINA_HOME", str(home / "mothership"))


@pytest.fixture(scope="module")
def repository(home: Path) -> GitFolder:
    made = make_repository(home / "garden")
    (home / "issues.json").write_text(json.dumps([ISSUE]))
    update(made, "--forge", str(home / "issues.json"))
    return made


@pytest.fixture(scope="module")
def ui(repository: GitFolder, home: Path) -> Iterator[Ui]:
    with running_ui(repository.path, log=home / "ui.log") as running:
        yield running


@pytest.fixture(scope="module")
def opened(ui: Ui, home: Path) -> Iterator[Page]:
    """Open the address that was printed: it leads to the search page."""
    with browser(home / "profile") as page:
        page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        page.open(f"{ui.url}/patina/?token={ui.token}")
        wait(page, "document.querySelector('#age')?.textContent.includes('passages')")
        assert page.value("location.href") == f"{ui.url}/patina/"
        yield page


@pytest.fixture
def page(opened: Page) -> Iterator[Page]:
    """Give the page in its usual form, and see that nothing went wrong there."""
    look(opened, 1280, 900)
    yield opened
    assert opened.value("told") == []


def look(page: Page, width: int, height: int, scheme: str = "light") -> None:
    """Have the page be of a size and a colour scheme."""
    page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
    page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])


def wait(page: Page, condition: str) -> Any:
    """Return what a JavaScript expression gives once that is something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := page.value(f"(found => found instanceof Node || found)({condition})")):
        assert time.monotonic() < deadline, f"waited for {condition} in: {page.text()[:2000]}"
        time.sleep(0.05)
    return found


def show(page: Page, ui: Ui, **values: str) -> None:
    """Open an address of the page, and wait for its script."""
    query = f"?{urlencode(values)}" if values else ""
    page.value("window.isFormer = true")
    page.open(f"{ui.url}/patina/{query}")
    wait(page, f"!window.isFormer && location.search === {json.dumps(query)} && document.querySelector('#kinds input')")


def results_of(page: Page, question: str) -> list[str]:
    """Return where the results for a question are, once they are there."""
    wait(page, f"document.querySelector('#results').dataset.of === {json.dumps(question)}")
    return list(page.value("[...document.querySelectorAll('#results a.place')].map(e => e.textContent)"))


def press(page: Page, key: str, code: int = 0) -> None:
    """Press a key."""
    text = {"text": key} if len(key) == 1 else {"text": "\r"} if key == "Enter" else {}
    page.call("Input.dispatchKeyEvent", type="keyDown", key=key, windowsVirtualKeyCode=code, **text)
    page.call("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)


def details_of(page: Page, name: str) -> str:
    """Return the text of the details of a thing, once all of it is there."""
    wait(page, "document.querySelector('#details #like') && !document.querySelector('#details[aria-busy]')")
    assert name in page.value("new URLSearchParams(location.search).get('show')")
    return str(page.value("document.querySelector('#details').innerText"))


# What a person does


def test_the_first_view_says_what_is_searched_and_what_can_be_asked(page: Page, ui: Ui) -> None:
    show(page, ui)
    wait(page, "document.querySelector('#results [aria-label=Newest] .entries')")
    counts = page.value("[...document.querySelectorAll('#results .counts li')].map(e => e.textContent)")
    assert {count.split(" ")[1] for count in counts} == {"code", "docs", "commits", "notes"}
    assert all(int(count.split(" ")[0].replace(",", "")) > 0 for count in counts)
    assert "docs: decisions" in page.value("document.querySelector('#results .entries').innerText")
    wait(page, "document.querySelector('#results [aria-label=\"Could be had\"]')")
    assert "patina init --update" in page.text()
    page.value("document.activeElement.blur()")
    page.screenshot(SCREENSHOTS / "search-first.png")
    question = page.value("document.querySelector('#results .examples a').textContent")
    page.value("document.querySelector('#results .examples a').click()")
    assert results_of(page, question)
    assert page.value("document.querySelector('#q').value") == question


def test_a_note_is_written_about_what_is_shown(page: Page, ui: Ui, repository: GitFolder) -> None:
    show(page, ui, q="read_proxy", show="src/proxy.py:1")
    details_of(page, "src/proxy.py:1")
    wait(page, "!document.querySelector('#writing').hidden")
    page.value("document.querySelector('#note summary').click()")
    wait(page, "document.activeElement.name === 'text'")
    page.call("Input.insertText", text=f"Proxies are read once {HOSTILE}")
    assert page.value("document.querySelector('#note [name=about]').value") == "src/proxy.py:1"
    page.screenshot(SCREENSHOTS / "search-note.png")
    page.value("document.querySelector('#note button').click()")
    told = wait(page, "document.querySelector('#noted').textContent")
    assert told.startswith("Written: layer/sessions/")
    text = (repository.path / told.removeprefix("Written: ")).read_text()
    assert f"Proxies are read once {HOSTILE}" in text
    assert "src/proxy.py:1" in text
    page.value("document.querySelector('#note summary').click()")
    assert page.value("document.querySelectorAll('main img').length") == 0


def test_results_come_as_they_are_typed(page: Page, ui: Ui) -> None:
    show(page, ui)
    page.value("document.querySelector('#q').focus()")
    page.call("Input.insertText", text="check the timeout")
    found = results_of(page, "check the timeout")
    assert any(place.startswith("src/timeout.py") for place in found[:3])
    assert page.value("location.search") == "?q=check+the+timeout"
    assert "timeout" in page.value("[...document.querySelectorAll('#results mark')].map(e => e.textContent).join()")
    headings = page.value("[...document.querySelectorAll('#results h2')].map(e => e.textContent)")
    assert {"code", "docs"} <= set(headings)
    assert page.value("document.querySelector('#said').textContent").endswith("results.")
    page.value("document.activeElement.blur()")  # a caret that blinks never rests
    page.screenshot(SCREENSHOTS / "search-light.png")


def test_no_letter_is_lost_and_one_question_is_under_way_at_a_time(page: Page, ui: Ui) -> None:
    show(page, ui)
    wait(page, "document.querySelector('#results [aria-label=Newest] .entries')")
    page.value(HELD_SEARCHES)
    page.value("document.querySelector('#q').focus()")
    for key in "check the cookie":
        page.call("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
        page.call("Input.dispatchKeyEvent", type="keyUp", key=key)
    polls = page.value("polls")
    wait(page, f"polls > {polls + 1}")  # the age of the index was asked for, and shown
    assert page.value("document.querySelector('#q').value") == "check the cookie"
    assert page.value("asked") == ["c"]
    page.value("letGo()")
    assert any(place.startswith("src/cookie.py") for place in results_of(page, "check the cookie"))
    assert page.value("asked") == ["c", "check the cookie"]
    assert page.value("document.querySelector('#q').value") == "check the cookie"


def test_an_answer_that_never_comes_does_not_hold_the_box_for_ever(page: Page, ui: Ui) -> None:
    show(page, ui)
    wait(page, "document.querySelector('#results [aria-label=Newest] .entries')")
    page.value("const later = setTimeout; window.setTimeout = (done, ms) => later(done, ms > 9000 ? 300 : ms); 0")
    page.value(HELD_SEARCHES)
    page.value("document.querySelector('#q').focus()")
    for key in "cookie":
        press(page, key)
    wait(page, "asked.at(-1) === 'cookie'")
    assert page.value("asked")[0] == "c"
    page.value("letGo()")
    assert any(place.startswith("src/cookie.py") for place in results_of(page, "cookie"))


def test_filters_are_in_the_address_which_can_be_shared(page: Page, ui: Ui) -> None:
    show(page, ui, q="the cookie")
    results_of(page, "the cookie")
    page.click("Filters", "summary")
    page.click("commits", "label")
    wait(page, "location.search === '?q=the+cookie&kind=commits'")
    wait(page, "[...document.querySelectorAll('#results h2')].map(e => e.textContent).join() === 'commits'")
    found = page.value("[...document.querySelectorAll('#results a.place')].map(e => e.textContent)")
    show(page, ui, q="the cookie", kind="commits")
    assert results_of(page, "the cookie") == found
    show(page, ui, q="the cookie", language="python")
    results_of(page, "the cookie")
    notes = page.value("[...document.querySelectorAll('#results .note')].map(e => e.textContent)")
    assert {f"language leaves out all {group}." for group in ("docs", "commits", "notes")} <= set(notes)
    show(page, ui, q="the cookie", path="docs/*", language="cobol")
    assert "language: 'cobol'" in wait(page, "document.querySelector('#said').textContent")
    assert page.value("document.querySelector('#chosen').textContent") == "(path docs/*, language cobol)"


@pytest.mark.parametrize(
    ("question", "limits"),
    [
        ("check the timeout", {}),
        ("turn 2 of the proxy", {}),
        ("keep pickles in files", {"kind": "docs"}),
        ("the cookie", {"kind": "commits", "author": "a"}),
        ("the header", {"path": "docs/*"}),
        ("read the stream", {"language": "python"}),
    ],
)
def test_it_shows_the_groups_and_results_of_the_command_line(
    page: Page, ui: Ui, repository: GitFolder, monkeypatch: pytest.MonkeyPatch, question: str, limits: dict[str, str]
) -> None:
    monkeypatch.chdir(repository.path)
    options = [part for name, value in limits.items() for part in (f"--{name}", value)]
    hits = json.loads(patina("scry", "-k", "20", "--json", *options, "--", question).out)
    assert hits
    show(page, ui, q=question, **limits)
    results_of(page, question)
    shown = page.value(
        "[...document.querySelectorAll('#results section')].map(s => [s.ariaLabel, "
        "[...s.querySelectorAll('a.place')].map(e => new URL(e.href).searchParams.get('show'))])"
    )
    expected: dict[str, list[str]] = {}
    for hit in hits:
        expected.setdefault(hit["group"], []).append(name_of(Item(**{name: hit[name] for name in ITEM_KEYS})))
    assert shown == [[group, names] for group, names in expected.items()]


def test_it_is_used_by_keyboard_alone(page: Page, ui: Ui) -> None:
    show(page, ui, q="check the proxy")
    first, second, *_ = results_of(page, "check the proxy")
    page.value("document.activeElement.blur()")
    press(page, "/", 191)
    assert page.value("document.activeElement.id") == "q"
    press(page, "ArrowDown", 40)
    press(page, "ArrowDown", 40)
    assert page.value("document.activeElement.textContent") == second
    press(page, "ArrowUp", 38)
    press(page, "Enter", 13)
    details_of(page, first)
    assert page.value("document.activeElement.closest('#details') !== null")
    press(page, "m", 77)
    assert page.value("document.activeElement.id") == "like"
    press(page, "Escape", 27)
    wait(page, "document.querySelector('#details').hidden")
    assert page.value("document.activeElement.textContent") == first
    page.value("history.back()")
    wait(page, "!document.querySelector('#details').hidden")
    details_of(page, first)


def test_a_place_opens_in_the_editor_and_tells_what_is_certain(page: Page, ui: Ui, repository: GitFolder) -> None:
    show(page, ui, q="read_timeout", show="src/timeout.py:1")
    text = details_of(page, "src/timeout.py:1")
    assert "def read_timeout(value):" in text
    assert page.value("document.querySelector('#details .editor').href") == (
        f"vscode://file{quote(str(repository.path.resolve()))}/src/timeout.py:1"
    )
    calls = "[...document.querySelectorAll('#details dt')].find(e => e.textContent === 'calls').nextSibling"
    assert page.value(f"{calls}.textContent") == "check_timeout"
    assert "changed together" in text
    assert "docs/timeout.md" in text
    page.click("Why is it so?")
    assert "feat(timeout): turn 0" in wait(page, "document.querySelector('#details [aria-label=Why] ol')?.innerText")
    page.screenshot(SCREENSHOTS / "search-details.png")
    (like,) = page.value("[...document.querySelectorAll('#details h4')].map(e => e.firstChild.textContent)")
    assert like == "base"
    page.value("document.querySelector('#details ol a.place').click()")
    wait(page, "new URLSearchParams(location.search).get('show') !== 'src/timeout.py:1'")


def test_a_commit_is_shown_with_its_diff(page: Page, ui: Ui, repository: GitFolder) -> None:
    sha = repository.git("log", "-1", "--format=%H", "--grep=feat(proxy): turn 2").decode().strip()
    show(page, ui, show=f"commit {sha}")
    assert "turn 2" in details_of(page, sha)
    added = page.value("[...document.querySelectorAll('#details .added')].map(e => e.textContent)")
    removed = page.value("[...document.querySelectorAll('#details .removed')].map(e => e.textContent)")
    assert f"+turn 2 of the proxy {HOSTILE}" in added
    assert f"-turn 1 of the proxy {HOSTILE}" in removed
    names = page.value("[...document.querySelectorAll('#details summary')].map(e => e.textContent)")
    assert names == ["docs/proxy.md", "notes/proxy.md", "src/proxy.py", "tests/test_proxy.py"]
    page.screenshot(SCREENSHOTS / "search-commit.png")


def test_a_decision_is_shown_with_its_state(page: Page, ui: Ui) -> None:
    show(page, ui, q="keep pickles in SQLite")
    results_of(page, "keep pickles in SQLite")
    hit = "[...document.querySelectorAll('#results .hit')].find(e => e.innerText.includes('superseded'))"
    page.value(f"{hit}.querySelector('a.place').click()")
    wait(page, "document.querySelector('#details .state')")
    assert page.value("document.querySelector('#details .state').textContent") == "superseded"
    assert HOSTILE in details_of(page, "docs/adr/0001-sqlite.md")
    page.screenshot(SCREENSHOTS / "search-decision.png")


def test_the_map_zooms_and_marks_what_was_found(page: Page, ui: Ui) -> None:
    show(page, ui, view="map", q="check the timeout")
    results_of(page, "check the timeout")
    marked = int(wait(page, "document.querySelector('#plane').dataset.marked"))
    drawn = int(page.value("document.querySelector('#plane').dataset.drawn"))
    assert 0 < marked < drawn
    assert f"{drawn} items" in page.value("document.querySelector('#plane').ariaLabel")
    page.screenshot(SCREENSHOTS / "search-map.png")
    page.value("(c => (c.value = 'kind', c.onchange()))(document.querySelector('#colour'))")
    assert "function" in wait(page, "document.querySelector('#legend').textContent")
    page.value("document.querySelector('#plane').focus()")
    before = page.value("document.querySelector('#plane').toDataURL()")
    press(page, "+", 187)
    wait(page, f"document.querySelector('#plane').toDataURL() !== {json.dumps(before)}")
    page.value("(c => (c.value = 'temporal', c.onchange()))(document.querySelector('#index'))")
    wait(page, "new URLSearchParams(location.search).get('index') === 'temporal'")
    wait(page, "document.querySelector('#plane').ariaLabel.includes('of temporal')")


def test_recent_shows_what_happened_last(page: Page, ui: Ui) -> None:
    show(page, ui, view="recent")
    assert "docs: decisions" in wait(page, "document.querySelector('#results .entries')?.innerText")
    assert page.value("document.querySelector('nav [aria-current]').textContent") == "Recent"


def test_an_issue_that_is_opened_from_recent_is_marked_among_its_comments(page: Page, ui: Ui) -> None:
    show(page, ui, view="recent")
    entry = "[...document.querySelectorAll('#results .hit')].find(e => e.innerText.includes('worn reader'))"
    wait(page, entry)
    page.value(f"{entry}.querySelector('a.place').click()")
    wait(page, "document.querySelectorAll('#details .passage').length === 2")
    (chosen,) = page.value("[...document.querySelectorAll('#details .passage.chosen')].map(e => e.innerText)")
    assert "Only with a worn reader." in chosen


# What a repository tries


@pytest.mark.parametrize("name", [ODD_FILE, "docs/timeout.md", f"{ODD_FILE}:1"])
def test_texts_are_shown_and_never_run(page: Page, ui: Ui, name: str) -> None:
    show(page, ui, q=f"marmalade {HOSTILE}", show=name)
    found = results_of(page, f"marmalade {HOSTILE}")
    assert any(place.startswith(ODD_FILE) for place in found)
    details_of(page, name)
    shown = page.value("document.body.innerText")
    assert HOSTILE in shown
    assert page.value("document.querySelectorAll('main img, main script, main b[onmouseover]').length") == 0
    assert page.value("document.querySelectorAll('main [onerror], main [onclick]').length") == 0


def test_what_is_not_there_is_told_in_one_sentence(page: Page, ui: Ui) -> None:
    for name in ("../../etc/passwd", "/etc/passwd", "nowhere.py"):
        show(page, ui, show=name)
        told = wait(page, "document.querySelector('#details [role=alert]')?.textContent")
        assert "nothing is called" in told
        assert "root:" not in page.text()


# Looks


@pytest.mark.parametrize(("name", "width", "scheme"), [("dark", 1280, "dark"), ("narrow", 360, "light")])
def test_it_is_seen_in_the_dark_and_on_a_narrow_screen(page: Page, ui: Ui, name: str, width: int, scheme: str) -> None:
    look(page, width, 800, scheme)
    show(page, ui, q="check the stream")
    results_of(page, "check the stream")
    assert page.value("document.documentElement.scrollWidth") <= width
    page.screenshot(SCREENSHOTS / f"search-{name}.png")
    show(page, ui)
    wait(page, "document.querySelector('#results [aria-label=Newest] .entries')")
    assert page.value("document.documentElement.scrollWidth") <= width
    page.screenshot(SCREENSHOTS / f"search-{name}-first.png")
    show(page, ui, q="check the stream", show="src/stream.py")
    details_of(page, "src/stream.py")
    assert page.value("document.documentElement.scrollWidth") <= width
    page.screenshot(SCREENSHOTS / f"search-{name}-details.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("values", [{"view": "map"}, {"q": "check the header"}, {"view": "recent"}, {}])
def test_axe_finds_nothing(page: Page, ui: Ui, scheme: str, values: dict[str, str]) -> None:
    look(page, 1280, 900, scheme)
    show(page, ui, **values, show="src/header.py")
    details_of(page, "src/header.py")
    if "q" in values:
        results_of(page, values["q"])
        page.value("document.querySelector('#filters').open = document.querySelector('#note').open = true")
    page.value((files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    found = page.value("axe.run(document).then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")
    assert found == []


# A build


def test_a_rebuild_is_seen_while_it_runs_and_its_results_after_it(page: Page, ui: Ui, repository: GitFolder) -> None:
    show(page, ui, q="rhubarb_compote")
    assert not any("rhubarb" in place for place in results_of(page, "rhubarb_compote"))
    with exclusive(find_project(repository.path).mutex, 60, "testing"):
        wait(page, "document.querySelector('#age.building')?.textContent.includes('building')")
    wait(page, "!document.querySelector('#age.building')")
    repository.write("src/rhubarb.py", "def rhubarb_compote(value):\n    return value\n")
    repository.commit("feat: rhubarb")
    update(repository)
    wait(page, "[...document.querySelectorAll('#results a.place')].some(e => e.textContent === 'src/rhubarb.py:1')")
    # The build goes on without Dagster, which is told of it by a sensor.
    reasons = ui.wait_for(lambda: _reasons(ui), "a run of the build")
    assert any("row" in reason for reason in reasons)


def _reasons(ui: Ui) -> list[str]:
    """Return why runs of `patina oxidize` that built something small were made."""
    tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in ui.runs()]
    told = [own["patina/reason"] for own in tags if own.get("patina/command") == "patina oxidize"]
    return [reason for reason in told if "row" in reason]
