"""A question to what was published: as in one project, over all that the asker may see."""

import json
from collections.abc import Iterable

import numpy as np
import pytest
from postgres_server import OWNER_PASSWORD, READER_PASSWORD, PostgresServer, psycopg
from published_fleet import give_model, let_ask, make_projects, publish_all, reader
from small_project import Ran, patina

from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import Filters
from patina_assets.search.built import BASE
from patina_assets.search.fusion import Hit
from patina_assets.search.published import answers, passages, scope
from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.search.published.expressions import MOST_CANDIDATES, word_expression
from patina_assets.search.published.near import QuestionVectors
from patina_assets.search.published.session import like_pattern
from patina_assets.search.searcher import Searcher
from patina_resources.postgres.connection import connected
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> PostgresServer:
    return postgres.with_database()


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> dict[str, Project]:
    found = make_projects(tmp_path_factory.mktemp("fleet"))
    publish_all(server, found)
    return found


@pytest.fixture(autouse=True)
def _user(projects: dict[str, Project], server: PostgresServer) -> None:
    """Be a user who has the model and belongs to `board`."""
    assert projects
    give_model()
    settings(server, '["board"]')


def settings(server: PostgresServer, groups: str, dsn: str = "") -> None:
    address = dsn or server.dsn("reader", READER_PASSWORD)
    mothership().settings.write_text(f'[fleet]\ndsn = "{address}"\ngroups = {groups}\n')


def asked(*words: str) -> list[tuple[str, str, str]]:
    """Return project, group and place of each result."""
    done = patina("scry", "--fleet", *words, "--json")
    assert done.code == 0, done
    return [(hit["project"], hit["group"], hit["symbol"] or hit["file"]) for hit in json.loads(done.out)]


def test_the_right_project_comes_first() -> None:
    assert asked("where are the requests of a tenant limited")[0][0] == "open"
    assert asked("merger with Zanzibar")[0][:2] == ("hidden", "notes")
    assert asked("price_of_the_merger")[0] == ("hidden", "code", "price_of_the_merger")
    done = patina("scry", "--fleet", "the requests of a tenant", "-k", "1")
    assert done.out.startswith("  1. open  "), done


def test_the_likeliest_projects_are_named_where_several_are_asked() -> None:
    for question, names in (
        ("merger with Zanzibar", "hidden, open"),
        ("how many requests of a tenant", "open, hidden"),
    ):
        assert (
            f"patina: likeliest projects: {names}: name one by --project\n" in patina("scry", "--fleet", question).err
        )
    assert "likeliest" not in patina("scry", "--fleet", "merger", "--project", "hidden").err


def test_two_projects_with_one_path_are_two_results() -> None:
    found = [(project, place) for project, _, place in asked("limit_requests")]
    assert {("open", "limit_requests"), ("hidden", "limit_requests")} <= set(found)


def test_a_project_that_is_named_answers_as_it_does_alone(
    projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(projects["open"].root)
    for words in (
        ("where are the requests of a tenant limited",),
        ("count_requests",),
        ("one tenant used all workers", "--kind", "notes"),
        ("limit requests", "--path", "src/*", "--kind", "code"),
        ("limit requests", "--language", "python", "--kind", "code"),
        ("Change things", "--author", "ada"),
    ):
        alone = json.loads(patina("scry", *words, "--json").out)
        assert alone
        assert [(group, place) for _, group, place in asked(*words, "--project", "open")] == [
            (hit["group"], hit["symbol"] or hit["file"]) for hit in alone
        ], words


def cosines(hits: Iterable[Hit]) -> dict[tuple[str, str], float]:
    """Return how near each result is to the question, as it says, by group and symbol or file."""
    return {
        (hit.passage.group, hit.passage.symbol or hit.item.file or hit.passage.text): hit.places[BASE].score
        for hit in hits
        if hit.passage is not None and BASE in hit.places
    }


@pytest.mark.parametrize("compares", [True, False])
def test_a_group_is_compared_with_the_vector_that_the_question_has_for_it(
    server: PostgresServer, projects: dict[str, Project], monkeypatch: pytest.MonkeyPatch, compares: bool
) -> None:
    monkeypatch.setattr(passages, "COMPARED_ONE_BY_ONE", 10_000 if compares else 0)
    question = FleetQuestion("where are the requests of a tenant limited", projects="open")

    def told() -> dict[tuple[str, str], float]:
        with connected(reader(server)) as connection:
            return cosines(one.hit for one in answer_of_fleet(connection, reader(server), ("board",), question).hits)

    alone = cosines(Searcher(projects["open"]).search(question.text))
    assert {group for group, _ in alone} >= {Group.CODE, Group.COMMITS, Group.NOTES}
    assert told() == pytest.approx(alone, abs=3e-3)  # the fleet's numbers have 16 bits
    monkeypatch.setattr(answers, "by_group", lambda *_: {})
    plain = told()
    for group, own in ((Group.NOTES, True), (Group.CODE, False), (Group.COMMITS, False)):
        assert all((abs(plain[key] - alone[key]) < 3e-3) is own for key in alone if key[0] == group), group


def test_what_is_looked_for_is_as_near_to_the_own_vector_as_to_the_middle_of_the_others() -> None:
    own, code, docs, commits = np.eye(4, dtype=np.float32)
    vectors = QuestionVectors(own, {Group.CODE: code, Group.DOCS: docs, Group.COMMITS: commits})
    between = vectors.between(Group)
    assert between.dtype == np.float32
    assert between == pytest.approx(np.array([3, 1, 1, 1]) / 12**0.5)
    assert vectors.between([Group.CODE, Group.NOTES]) == pytest.approx(np.array([1, 1, 0, 0]) / 2**0.5)
    assert vectors.between([Group.NOTES]) == pytest.approx(own)


def test_filters_hold(server: PostgresServer) -> None:
    assert {project for project, *_ in asked("limit_requests", "--project", "op*")} == {"open"}
    assert {project for project, *_ in asked("limit_requests", "--project", "hidde?")} == {"hidden"}
    assert asked("limit_requests", "--project", "%") == []
    assert {group for _, group, _ in asked("limit requests", "--kind", "notes")} == {"notes"}
    assert {place for *_, place in asked("limit requests", "--path", "tests/*")} == {"test_limit_requests"}
    assert asked("limit requests", "--language", "rust") == []
    assert asked("limit requests", "--since", "2100-01-01") == []
    settings(server, '["staff", "board"]')
    assert {project for project, *_ in asked("limit_requests", "--group", "staff")} == {"open"}
    assert asked("limit_requests", "--group", "strangers") == []


def test_a_long_list_of_projects_is_as_good_as_a_short_one(monkeypatch: pytest.MonkeyPatch) -> None:
    questions = ("limit_requests", "the requests of a tenant", "price_of_the_merger")
    short = [asked(question, "--project", name) for question in questions for name in ("op*", "hidden")]
    monkeypatch.setattr(scope, "MOST_LISTED", 0)
    monkeypatch.setattr(passages, "COMPARED_ONE_BY_ONE", 0)
    assert [asked(question, "--project", name) for question in questions for name in ("op*", "hidden")] == short
    assert {project for found in short for project, *_ in found} == {"open", "hidden"}


def test_phrases_and_odd_words_are_words() -> None:
    assert asked('"merger with Zanzibar"')[0][:2] == ("hidden", "notes")
    for odd in ("' | !x", "a & b:*", "\\", "merger'); DROP TABLE patina.passage; --", "merger \x00 x", "\udcff merger"):
        assert patina("scry", "--fleet", odd, "--json").code == 0, odd
    assert asked("merger with Zanzibar")[0][0] == "hidden"


def test_only_as_many_passages_as_can_be_scored_are_looked_for() -> None:
    assert word_expression({"rare": 3, "known": 40}, 100, []) == "('rare' | 'known')"
    many = 100 * MOST_CANDIDATES
    common = {"one": MOST_CANDIDATES, "two": 2 * MOST_CANDIDATES, "three": 60 * MOST_CANDIDATES}
    assert word_expression({"rare": 3, **common}, many, []) == "('rare' | ('one' & 'two') | ('one' & 'three'))"
    assert word_expression(common, MOST_CANDIDATES, []) == "(('one' & 'two' & 'three'))"
    assert word_expression({"it's": MOST_CANDIDATES}, many, ["'a' <-> 'b'"]) == "('a' <-> 'b') & ('it''s')"
    assert word_expression({}, 0, []) == ""
    assert like_pattern("a%_\\*?") == "a\\%\\_\\\\%_"
    assert Filters((Group.CODE,)).allows(Group.CODE)


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        ("postgresql://reader:wrong-Secret-3@/{database}?host={folder}", "refused the user or the password"),
        (f"postgresql://reader:{READER_PASSWORD}@/nowhere?host={{folder}}", "no such database"),
        (f"postgresql://reader:{READER_PASSWORD}@127.0.0.1:9/patina", "cannot be reached"),
        (f"postgresql://reader:{READER_PASSWORD}@[broken", "not an address of Postgres"),
        (f"hots=x password={READER_PASSWORD}", "not an address of Postgres"),
        (f"postgresql://postgres:{OWNER_PASSWORD}@/postgres?host={{folder}}", "holds nothing yet"),
        (f"postgresql://other:{READER_PASSWORD}@/{{database}}?host={{folder}}", "may not do that"),
    ],
)
def test_what_is_wrong_is_one_sentence_without_a_password(server: PostgresServer, dsn: str, reason: str) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS other")
        connection.execute(f"CREATE ROLE other LOGIN PASSWORD '{READER_PASSWORD}'")
    settings(server, '["board"]', dsn.format(folder=server.folder, database=server.database))
    refused(patina("scry", "--fleet", "merger"), reason)


def refused(done: Ran, reason: str) -> None:
    assert (done.code, done.out) == (2, ""), done
    assert reason in done.err
    assert done.err.count("\n") == 1
    assert "Secret" not in done.err


def test_settings_that_say_too_little_are_named(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    settings(server, "[]")
    refused(patina("scry", "--fleet", "merger"), "[fleet] groups")
    settings(server, '["a,b"]')
    refused(patina("scry", "--fleet", "merger"), "name of a group")
    mothership().settings.write_text('[fleet]\ngroups = ["board"]\n')
    refused(patina("scry", "--fleet", "merger"), "PATINA_FLEET_DSN")
    monkeypatch.setenv("PATINA_FLEET_DSN", server.dsn("reader", READER_PASSWORD))
    assert asked("merger with Zanzibar")[0][0] == "hidden"
    refused(patina("scry", "merger", "--group", "x"), "need --fleet")


def test_tables_of_another_version_are_refused(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("UPDATE patina.store SET version = version + 1")
        try:
            refused(patina("scry", "--fleet", "merger"), "a newer Patina")
        finally:
            connection.execute("UPDATE patina.store SET version = version - 1")


def test_a_server_that_went_away_and_came_back(server: PostgresServer) -> None:
    server.ctl("-m", "immediate", "stop")
    try:
        refused(patina("scry", "--fleet", "merger"), "cannot be reached")
    finally:
        server.start()
    assert asked("merger with Zanzibar")[0][0] == "hidden"
    let_ask(server, "*")
