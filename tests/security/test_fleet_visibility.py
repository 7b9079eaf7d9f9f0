"""Nobody sees, counts or infers what the fleet published for other groups: tried as an attacker would."""

import json
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fleet_proxy import DOOR, SECRET, sent, served_fleet
from postgres_server import READER_PASSWORD, PostgresServer, psycopg
from published_fleet import give_model, let_ask, make_projects, owner, publish_all, reader
from small_project import patina
from starlette.testclient import TestClient

from patina_assets.search.published.answers import FleetQuestion, answer_of_fleet
from patina_assets.search.published.publishing import publish
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.serving.fleet.door import AMBIGUOUS, NOBODY, NOT_THE_PROXY
from patina_assets.serving.fleet.server import fleet_door
from patina_assets.terminal.hits import hit_document
from patina_resources.errors import PatinaError
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import connected
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership

QUESTIONS = (
    "merger with Zanzibar", "price_of_the_merger", "limit_requests", "why are the requests of a tenant limited",
    "src/merger.py", "signed in spring", '"used all workers"', "test_limit_requests", "bidder tenant",
)  # fmt: skip
TABLES = ("project", "passage", "content", "frequency")


@pytest.fixture(scope="module")
def server(postgres: PostgresServer) -> PostgresServer:
    return postgres.with_database()


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory, server: PostgresServer) -> dict[str, Project]:
    """Return `open` (staff and board) and `hidden` (board alone), both published; in `alone`, only the first is."""
    found = make_projects(tmp_path_factory.mktemp("fleet"))
    publish_all(server, found)
    server.make_database("alone")
    publish(owner(server, "alone"), "open", ("staff", "board"), found["open"])
    let_ask(server, "*", database="alone")
    return found


@pytest.fixture(autouse=True)
def _model(projects: dict[str, Project]) -> None:
    assert projects
    give_model()


@pytest.fixture
def client(server: PostgresServer) -> Iterator[TestClient]:
    with served_fleet(server) as app, TestClient(app) as one:
        yield one


def shown(server: PostgresServer, groups: Sequence[str], question: FleetQuestion, database: str = "") -> str:
    """Return all that an answer says."""
    address = reader(server, database)
    with connected(address) as connection:
        answer = answer_of_fleet(connection, address, groups, question)
    hits = [{"project": one.project, **hit_document(rank, one.hit)} for rank, one in enumerate(answer.hits, 1)]
    return json.dumps([hits, answer.doubtful, answer.projects])


def asked_raw(server: PostgresServer, query: str, groups: str | None, login: str = "reader") -> list[tuple[Any, ...]]:
    """Return what a query of the attacker's own finds, with the reader's login and role."""
    with psycopg.connect(server.dsn(login, READER_PASSWORD), autocommit=True) as connection:
        if groups is not None:
            connection.execute("SELECT set_config('patina.groups', %s, false)", (groups,))
        connection.execute("SET ROLE patina_reader")
        return connection.execute(query.encode()).fetchall()


# In Postgres itself


@pytest.mark.parametrize("table", TABLES)
def test_without_a_condition_only_visible_rows_come(server: PostgresServer, table: str) -> None:
    column = "name" if table == "project" else "project_id"
    query = f"SELECT DISTINCT {column} FROM patina.{table}"
    assert len(asked_raw(server, query, "board")) == 2
    assert len(asked_raw(server, query, "staff")) == 1
    for nobody in (None, "", "strangers", "BOARD", " board", "board ", "{board}", "'board'", "%", "*"):
        assert asked_raw(server, query, nobody) == []


def test_the_function_of_words_gives_visible_passages_alone(server: PostgresServer) -> None:
    query = (
        "SELECT id FROM patina.holding('merger | limit | request', '{{merger,limit}}', '{{1,1}}', "
        "'{{code,docs,commits,notes}}', array_fill(1::real, '{{16}}'), {}, NULL, NULL, NULL, NULL, 100, 100)"
    )
    everything = {key for (key,) in asked_raw(server, query.format("NULL"), "board")}
    seen = {key for (key,) in asked_raw(server, query.format("NULL"), "staff")}
    visible = {key for (key,) in asked_raw(server, "SELECT id FROM patina.passage", "staff")}
    assert seen
    assert seen <= visible
    assert len(everything) > len(seen)
    all_numbers = "(SELECT array_agg(n) FROM generate_series(1, 100) AS n)"
    assert {key for (key,) in asked_raw(server, query.format(all_numbers), "staff")} == seen
    assert asked_raw(server, query.format("NULL"), "strangers") == []


@pytest.mark.parametrize("pattern", ["'src/merger%\\', NULL", "NULL, ARRAY['src/merger%\\']"])
def test_a_pattern_that_fails_on_hidden_rows_does_not_fail(server: PostgresServer, pattern: str) -> None:
    query = (
        "SELECT id FROM patina.holding('merger', '{merger}', '{1}', '{code,docs,commits,notes}', "
        f"array_fill(1::real, '{{16}}'), NULL, {pattern}, NULL, NULL, 100, 100)"
    )
    # With many visible projects, no index of projects is asked before the other conditions.
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO patina.project (name, groups) SELECT 'empty' || n, '{many}' FROM generate_series(1, 30) AS n"
        )
        try:
            with pytest.raises(psycopg.errors.InvalidEscapeSequence):
                asked_raw(server, query, "board")
            assert asked_raw(server, query, "many") == []
        finally:
            connection.execute("DELETE FROM patina.project WHERE name LIKE 'empty%'")


def test_a_function_of_the_attacker_sees_no_hidden_row(server: PostgresServer) -> None:
    heard: list[str] = []
    with psycopg.connect(server.dsn("reader", READER_PASSWORD), autocommit=True) as connection:
        connection.add_notice_handler(lambda notice: heard.append(notice.message_primary or ""))
        connection.execute(
            "CREATE FUNCTION pg_temp.tell(text) RETURNS boolean COST 0.0000001 LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE NOTICE '%', $1; RETURN true; END $$"
        )
        connection.execute("SET patina.groups = 'staff'")
        connection.execute("SELECT count(*) FROM patina.content WHERE pg_temp.tell(body)")
        connection.execute("SELECT count(*) FROM patina.project WHERE pg_temp.tell(name)")
    assert any("limit" in text for text in heard)
    assert not any("erger" in text or "hidden" in text for text in heard)


@pytest.mark.parametrize(
    "attempt",
    [
        "SELECT * FROM patina.login",
        "INSERT INTO patina.login VALUES ('reader', '{*}')",
        "UPDATE patina.project SET groups = '{staff}'",
        "DELETE FROM patina.passage",
        "ALTER TABLE patina.passage DISABLE ROW LEVEL SECURITY",
        "SET ROLE owner",
        "SET row_security = off; SELECT * FROM patina.passage",
        "SELECT last_value FROM patina.passage_id_seq",
        "CREATE TABLE patina.copy AS SELECT 1",
    ],
)
def test_the_reader_can_change_nothing_and_become_nobody_else(server: PostgresServer, attempt: str) -> None:
    for role in ("", "SET ROLE patina_reader; "):
        with psycopg.connect(server.dsn("reader", READER_PASSWORD), autocommit=True) as connection:
            connection.execute("SET patina.groups = 'staff'")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"{role}{attempt}".encode()).fetchall()


def test_statistics_of_columns_are_not_shown(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("ANALYZE patina.passage, patina.content, patina.frequency, patina.project")
        assert connection.execute("SELECT count(*) FROM pg_stats WHERE schemaname = 'patina'").fetchone() != (0,)
    assert (
        asked_raw(server, "SELECT * FROM pg_stats WHERE schemaname = 'patina' AND tablename <> 'store'", "staff") == []
    )


def test_a_login_asks_as_its_own_groups_whatever_it_says(server: PostgresServer) -> None:
    try:
        let_ask(server, "staff")
        assert [name for (name,) in asked_raw(server, "SELECT name FROM patina.project", "staff,board")] == ["open"]
        let_ask(server)
        assert asked_raw(server, "SELECT name FROM patina.project", "staff,board") == []
    finally:
        let_ask(server, "*")


def test_a_superuser_is_held_to_the_groups_as_well(server: PostgresServer) -> None:
    let_ask(server, "*", login="postgres")
    address = FleetAddress(server.dsn("postgres"), "test")
    with connected(address) as connection, asking(connection, address, ("staff",)) as seen:
        assert [project.name for project in seen_projects(seen, None)] == ["open"]


def test_a_role_that_sees_all_rows_is_refused(server: PostgresServer) -> None:
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
        connection.execute("ALTER ROLE patina_reader BYPASSRLS")
        try:
            with pytest.raises(PatinaError, match="may see all rows"):
                shown(server, ("staff",), FleetQuestion("merger"))
        finally:
            connection.execute("ALTER ROLE patina_reader NOBYPASSRLS")


# What an answer says


@pytest.mark.parametrize("text", QUESTIONS)
def test_an_answer_is_the_same_as_if_the_hidden_project_did_not_exist(server: PostgresServer, text: str) -> None:
    for options in ({}, {"projects": "*"}, {"projects": "hidden"}, {"group": "staff"}, {"group": "board"}):
        question = FleetQuestion(text, **options)
        assert shown(server, ("staff",), question) == shown(server, ("staff",), question, "alone")
    assert shown(server, ("board",), FleetQuestion(text)) != shown(server, ("board",), FleetQuestion(text), "alone")


@pytest.mark.parametrize(
    "name", ["hidden", "nowhere", "h*", "hidde?", "hidden' OR true --", "%", "h%", "[h]idden", "\\", "\0", "\udcff"]
)
def test_a_hidden_project_cannot_be_told_from_none(server: PostgresServer, name: str) -> None:
    assert shown(server, ("staff",), FleetQuestion("merger", projects=name)) == "[[], true, []]"


@pytest.mark.parametrize("group", ["board", "nobody", "staff' OR true --", "staff,board", "*", ""])
def test_a_group_that_is_not_the_askers_gives_nothing(server: PostgresServer, group: str) -> None:
    assert shown(server, ("staff",), FleetQuestion("merger limit", group=group)) == "[[], true, []]"


@pytest.mark.parametrize(
    "group", ["staff,board", "*", "staff' OR true --", "", "a\nb", "bo\u0430rd", " board", "x" * 300]
)
def test_names_of_groups_are_names(server: PostgresServer, group: str) -> None:
    mothership().settings.write_text(
        f'[fleet]\ndsn = "{server.dsn("reader", READER_PASSWORD)}"\ngroups = {json.dumps([group])}\n'
    )
    done = patina("scry", "--fleet", "merger")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done


# Connections that are used again


def fail_while_asking(connection: Any, address: FleetAddress, failure: str) -> None:
    with asking(connection, address, ("board",)) as seen:
        assert len(seen_projects(seen, None)) == 2
        seen.execute(failure.encode())


def test_groups_end_with_the_question_that_they_were_for(server: PostgresServer) -> None:
    address = reader(server)
    with connected(address) as connection:
        for failure in ("SELECT 1 / 0", "SELECT * FROM patina.login", "SELECT no_such_thing"):
            with pytest.raises(PatinaError):
                fail_while_asking(connection, address, failure)
            left = connection.execute("SELECT current_setting('patina.groups', true), current_user").fetchone()
            assert left in {("", "reader"), (None, "reader")}
            assert connection.execute("SELECT count(*) FROM patina.project").fetchone() == (0,)
        with pytest.raises(KeyboardInterrupt), asking(connection, address, ("board",)):
            raise KeyboardInterrupt
        assert connection.execute("SELECT count(*) FROM patina.project").fetchone() == (0,)


def test_two_who_ask_at_once_on_few_connections_see_their_own(client: TestClient) -> None:
    wrong: list[str] = []

    def ask(groups: str, expected: set[str]) -> None:
        for _ in range(12):
            answer = client.get("/patina/api/v1/projects", headers=sent(groups))
            names = {project["name"] for project in answer.json()["projects"]}
            if names != expected:
                wrong.append(f"{groups}: {names}")

    asks = [("staff", {"open"}), ("board", {"open", "hidden"}), ("strangers", set())] * 4
    threads = [threading.Thread(target=ask, args=one) for one in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# Over HTTP, behind a proxy


def headers(*pairs: tuple[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


PROXY = ("X-Patina-Proxy", SECRET)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ([PROXY, ("x-forwarded-GROUPS", "staff")], ("staff",)),
        ([PROXY, ("X-Forwarded-Groups", "staff, board,staff")], ("staff", "board")),
        ([PROXY, ("X-Forwarded-Groups", "staff ,board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "staff\t,board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "Domain Users,/dev/team:a")], ("Domain Users", "/dev/team:a")),
        ([PROXY], NOBODY),
        ([PROXY, ("X-Forwarded-Groups", "")], NOBODY),
        ([PROXY, ("X-Forwarded-Groups", ", ")], NOBODY),
        ([PROXY, ("X_Forwarded_Groups", "board")], NOBODY),
        ([PROXY, ("X-Forwarded-Groups ", "board")], NOBODY),
        ([PROXY, ("X-Forwarded-Groups", "staff"), ("X-Forwarded-Groups", "board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "staff"), ("x-forwarded-groups", "board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "%62oard")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "b\xf6ard")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "staff\x00board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "staff;board")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "*")], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", '"board"')], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", "a," * 9_000)], AMBIGUOUS),
        ([PROXY, ("X-Forwarded-Groups", ",".join(f"g{number}" for number in range(201)))], AMBIGUOUS),
        ([("X-Forwarded-Groups", "board")], NOT_THE_PROXY),
        ([("X-Patina-Proxy", ""), ("X-Forwarded-Groups", "board")], NOT_THE_PROXY),
        ([("X-Patina-Proxy", SECRET + "s"), ("X-Forwarded-Groups", "board")], NOT_THE_PROXY),
        ([PROXY, PROXY, ("X-Forwarded-Groups", "board")], NOT_THE_PROXY),
    ],
)
def test_who_asks_is_what_the_proxy_says_once(said: list[tuple[str, str]], expected: object) -> None:
    assert DOOR.groups(headers(*said)) == expected


def test_without_the_proxy_nothing_is_said(client: TestClient) -> None:
    for path in ("/patina/api/v1/search?q=merger", "/patina/api/v1/projects"):
        assert client.get(path).status_code == 403
        assert client.get(path, headers={"X-Patina-Proxy": SECRET}).status_code == 401
        forged = httpx_headers("staff", "board")
        assert client.get(path, headers=forged).status_code == 400
        assert client.post(path, headers=sent("staff")).status_code == 405
    assert client.get("/", headers=sent("staff")).status_code == 404


def httpx_headers(*groups: str) -> list[tuple[str, str]]:
    return [PROXY, *(("X-Forwarded-Groups", group) for group in groups)]


def test_the_api_says_what_the_groups_may_see(client: TestClient) -> None:
    def found(groups: str, query: str) -> list[str]:
        answer = client.get(f"/patina/api/v1/search?{query}", headers=sent(groups))
        assert answer.status_code == 200, answer.text
        return [hit["project"] for hit in answer.json()["hits"]]

    assert found("board", "q=merger+with+Zanzibar")[0] == "hidden"
    assert set(found("staff", "q=merger+with+Zanzibar")) == {"open"}
    assert found("staff", "q=merger&project=hidden") == found("staff", "q=merger&project=nowhere") == []
    assert found("staff", "q=merger&group=board") == []
    assert set(found("board,staff", "q=limit_requests&group=staff&kind=code&limit=3")) == {"open"}


@pytest.mark.parametrize("query", ["", "q=", "q=a&q=b", "q=a&limit=0", "q=a&limit=x", "q=a&kind=x", "q=a&nothing=1"])
def test_wrong_questions_are_answered_without_names(client: TestClient, query: str) -> None:
    answer = client.get(f"/patina/api/v1/search?{query}", headers=sent("staff"))
    assert answer.status_code == 400
    assert "hidden" not in answer.text


def test_a_store_that_fails_is_not_described(server: PostgresServer, capfd: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(server.dsn(), autocommit=True) as connection:
        connection.execute("UPDATE patina.store SET version = version + 1")
        try:
            with served_fleet(server) as app, TestClient(app) as one:
                answer = one.get("/patina/api/v1/search?q=merger", headers=sent("board"))
        finally:
            connection.execute("UPDATE patina.store SET version = version - 1")
    assert (answer.status_code, "newer" in answer.text, str(server.folder) in answer.text) == (503, False, False)
    assert "a newer Patina" in capfd.readouterr().err


def test_the_secret_of_the_proxy_is_needed_and_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PatinaError, match="has no secret"):
        fleet_door(mothership())
    mothership().settings.write_text('[fleet]\nproxy_secret = "short-Secret"\n')
    with pytest.raises(PatinaError) as refusal:
        fleet_door(mothership())
    assert "short-Secret" not in str(refusal.value)
    monkeypatch.setenv("PATINA_FLEET_PROXY_SECRET", SECRET)
    mothership().settings.write_text('[fleet]\ngroups_header = "X-Groups"\n')
    door = fleet_door(mothership())
    assert (door.header, door.secret) == (b"x-groups", SECRET.encode())
    assert SECRET not in repr(door)
