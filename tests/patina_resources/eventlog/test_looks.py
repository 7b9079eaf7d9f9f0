"""A look that reads what is new says what a fresh look says, whatever was appended, taken back, renamed or undone."""

import pickle
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from eventlog_builder import Event, append, build_eventlog, commit, note
from random_history import FILES, History

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.corpus import COMMIT_MESSAGES
from patina_assets.pipeline.stages.passages import SOURCES as PASSAGE_SOURCES
from patina_resources.eventlog import reader
from patina_resources.eventlog.looks.memory import decode_memory
from patina_resources.eventlog.reader import PRESUMED, Eventlog, Source

SOURCES = list(
    {
        source.name: source
        for source in (
            *(source for pair_type in PAIR_TYPES.values() for source in pair_type.sources),
            *PASSAGE_SOURCES,
            COMMIT_MESSAGES,
        )
    }.values()
)


def digests(look: reader.Look) -> dict[str, tuple[str, int]]:
    return {name: (entry.digest, entry.rows) for name, entry in look.digests.items()}


@pytest.mark.parametrize("seed", range(6))
def test_a_look_at_what_is_new_says_what_a_fresh_look_says(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "patina.db", seed)
    log = Eventlog(history.path)
    document = log.look(SOURCES).document
    for _ in range(12):
        for _ in range(history.random.randrange(1, 4)):
            history.step()
        look = log.look(SOURCES, document)
        assert digests(look) == digests(log.look(SOURCES))
        document = look.document


def test_sources_that_are_not_read_are_those_that_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_READ", 1)
    history = History(tmp_path / "patina.db", 7)
    log = Eventlog(history.path)
    document = log.look(SOURCES, may_presume=True).document
    for _ in range(20):
        before = digests(log.look(SOURCES))
        history.step()
        look = log.look(SOURCES, document, may_presume=True)
        now = digests(log.look(SOURCES))
        unread = {name for name, entry in look.digests.items() if entry.digest.startswith(PRESUMED)}
        assert {name for name in now if now[name] != before[name]} <= unread
        assert all(look.digests[name].rows == before[name][1] for name in unread)
        assert {name: entry for name, entry in digests(look).items() if name not in unread} == {
            name: entry for name, entry in now.items() if name not in unread
        }
        # Not read again for as long as nothing is new, and known as soon as somebody wants to know.
        assert digests(log.look(SOURCES, look.document, may_presume=True)) == digests(look)
        document = log.look(SOURCES, look.document).document
        assert digests(log.look(SOURCES, document, may_presume=True)) == now


def test_a_small_eventlog_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "patina.db", 3)
    log = Eventlog(history.path)
    document = log.look(SOURCES).document
    history.step()
    monkeypatch.setattr(reader, "MOST_READ", sum(log.event_counts().values()))
    assert digests(log.look(SOURCES, document, may_presume=True)) == digests(log.look(SOURCES))
    monkeypatch.setattr(reader, "MOST_READ", sum(log.event_counts().values()) - 1)
    assert digests(log.look(SOURCES, document, may_presume=True)) != digests(log.look(SOURCES))
    assert digests(log.look(SOURCES, document)) == digests(log.look(SOURCES))


def test_only_sources_of_whose_events_there_are_new_ones_may_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MOST_READ", 0)
    path = build_eventlog(tmp_path / "patina.db", [note("something that is said here"), commit("0" * 40, *FILES)])
    goals, commits = PAIR_TYPES["same_session"].source, PAIR_TYPES["commit_touches"].source
    every = Source("all", "SELECT seq FROM eventlog ORDER BY seq")
    log = Eventlog(path)
    document = log.look([goals, every], may_presume=True).document
    append(path, [commit("1" * 40, "a.py")])
    look = log.look([goals, commits, every], document, may_presume=True)
    presumed = {name: entry.digest.startswith(PRESUMED) for name, entry in look.digests.items()}
    assert presumed == {goals.name: False, commits.name: False, every.name: True}
    assert look.last_seq == 3


def test_an_eventlog_with_another_identity_is_read_anew(tmp_path: Path) -> None:
    paths = [
        build_eventlog(tmp_path / name, [commit("0" * 40, *files), commit("1" * 40, "z.py", hour=1)])
        for name, files in (("one.db", FILES), ("other.db", FILES[:2]))
    ]
    document = Eventlog(paths[0]).look(SOURCES).document
    assert digests(Eventlog(paths[1]).look(SOURCES, document)) == digests(Eventlog(paths[1]).look(SOURCES))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM eventlog WHERE seq = 1",
        "UPDATE eventlog SET data = '{}' WHERE seq = (SELECT MAX(seq) FROM eventlog)",
        "UPDATE eventlog SET seq = seq + 100",
    ],
)
def test_an_eventlog_that_does_not_begin_as_it_did_is_read_anew(tmp_path: Path, statement: str) -> None:
    history = History(tmp_path / "patina.db", 1)
    log = Eventlog(history.path)
    document = log.look(SOURCES).document
    with closing(sqlite3.connect(history.path)) as connection, connection:
        connection.execute(statement)
    history.append(note("something else that is new here"))
    assert digests(log.look(SOURCES, document)) == digests(log.look(SOURCES))


def test_another_file_is_read_anew(tmp_path: Path) -> None:
    history, other = (History(tmp_path / name, 1) for name in ("patina.db", "other.db"))
    document = Eventlog(history.path).look(SOURCES).document
    other.append(commit("f" * 40, "z.py"))
    assert digests(Eventlog(other.path).look(SOURCES, document)) == digests(Eventlog(other.path).look(SOURCES))


def test_a_row_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    path = build_eventlog(tmp_path / "patina.db", [commit("0" * 40, *FILES)], checked=False)
    document = Eventlog(path).look(SOURCES).document
    append(path, [Event("git.commit", "{")])
    look = Eventlog(path).look(SOURCES, document)
    assert "seq 2 (git.commit)" in look.warning
    append(path, [commit("1" * 40, "a.py")])
    assert Eventlog(path).look(SOURCES, look.document).warning == look.warning


def test_a_memory_of_another_installation_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "patina.db", 1)
    document = Eventlog(history.path).look(SOURCES).document
    assert decode_memory(document).known
    monkeypatch.setenv("PATINA_HOME", str(tmp_path / "elsewhere"))
    assert not decode_memory(document).known


def test_each_source_names_the_types_that_it_reads() -> None:
    for source in SOURCES:
        assert source.event_types, source.name
        assert source.sql.count("FROM eventlog") > source.sql.count("FROM eventlog AS removal"), source.name
    assert Source("all", "SELECT seq FROM eventlog").event_types == frozenset()


@pytest.mark.parametrize("seed", range(3))
def test_kept_rows_are_those_that_a_fresh_read_returns(tmp_path: Path, seed: int) -> None:
    history = History(tmp_path / "patina.db", seed)
    log = Eventlog(history.path).keeping_rows()
    for step in range(8):
        history.step()
        fresh = Eventlog(history.path)
        if step % 2:
            assert digests(log.look(SOURCES)) == digests(fresh.look(SOURCES))
        assert log.read(SOURCES[:3]) == fresh.read(SOURCES[:3])
        assert log.read(SOURCES) == fresh.read(SOURCES)


def test_kept_rows_are_read_once_and_not_handed_to_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Eventlog(History(tmp_path / "patina.db", 1).path).keeping_rows()
    assert log == Eventlog(log.path)
    log.look(SOURCES)
    copied = pickle.loads(pickle.dumps(log))
    monkeypatch.setattr(reader, "_read", None)
    assert set(log.read(SOURCES)) == {source.name for source in SOURCES}
    with pytest.raises(TypeError):
        copied.read(SOURCES)


def test_what_another_process_appends_meanwhile_is_not_mixed_with_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = History(tmp_path / "patina.db", 2)
    log, probe = Eventlog(history.path).keeping_rows(), Eventlog.probe
    before = Eventlog(history.path).read(SOURCES)
    log.read(SOURCES[:1])

    def probe_too_early(self: Eventlog) -> str:
        found = probe(self)
        monkeypatch.setattr(Eventlog, "probe", probe)
        append(history.path, [commit("c" * 40, *FILES[:2], hour=900)])
        return found

    monkeypatch.setattr(Eventlog, "probe", probe_too_early)
    found, after = log.read(SOURCES), Eventlog(history.path).read(SOURCES)
    assert before != after
    assert found in (before, after)
    assert log.read(SOURCES) == after


def test_rows_of_a_large_eventlog_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = History(tmp_path / "patina.db", 1).path
    monkeypatch.setattr(reader, "MOST_KEPT_BYTES", path.stat().st_size - 1)
    assert Eventlog(path).keeping_rows().kept is None
