"""`patina fleet` on one machine: only what changed is built, what fails says why, and a kill costs nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fleets import SUBJECTS, compare_with_one_run, make_fleet
from materialize_helpers import GitFolder
from small_project import patina

from patina_resources.store.mothership import mothership


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, GitFolder]:
    """Return three repositories of a fleet that PATINA_FLEET names."""
    file, repositories = make_fleet(tmp_path)
    monkeypatch.setenv("PATINA_FLEET", str(file))
    return repositories


def states() -> dict[str, str]:
    """Return how each repository stands."""
    done = patina("fleet", "status", "--json")
    assert done.code == 0, done
    return {entry["name"]: entry["state"] for entry in json.loads(done.out)["projects"]}


def test_only_what_changed_is_built_and_answers_are_right(fleet: dict[str, GitFolder], tmp_path: Path) -> None:
    assert states() == dict.fromkeys(SUBJECTS, "not fetched")
    assert "3 have moved" in patina("fleet", "fetch").out
    assert states() == dict.fromkeys(SUBJECTS, "to be built")
    done = patina("fleet", "run", "--workers", "2")
    assert done.code == 0, done
    assert "3 to be built, 3 done" in done.out
    assert states() == dict.fromkeys(SUBJECTS, "fresh")
    assert "0 to be built, 0 done" in patina("fleet", "run").out
    assert "--projects" not in patina("fleet", "status").out
    for name, subject in SUBJECTS.items():
        found = json.loads(
            patina("scry", subject, "--projects", f"{tmp_path}/kept/projects/*", "-k", "1", "--json").out
        )
        assert name in json.dumps(found), found
    fleet["beta"].write("src/new.py", "def brand_new():\n    return 'a comet'\n")
    fleet["beta"].commit("Follow the comet")
    done = patina("fleet", "run")
    assert "1 have moved" in done.out
    assert "[1/1] built   beta" in done.out
    assert "Follow the comet" in patina("scry", "comet", "--projects", f"{tmp_path}/kept/projects/*", "-k", "2").out
    told = json.loads(patina("fleet", "status", "--stages", "--json").out)["projects"]
    assert [entry["stale_stages"] for entry in told] == [0, 0, 0]
    assert [entry["head"] for entry in told] == [entry["built"] for entry in told]
    # The fleet's checkouts are not this user's own projects.
    assert not mothership().projects.exists()


def test_another_recipe_or_model_is_another_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, fleet = make_fleet(tmp_path, is_built=True)
    monkeypatch.setenv("PATINA_FLEET", str(file))
    checkout = tmp_path / "kept" / "projects" / "alpha" / ".patina"
    assert 'model = "english-static"' in (checkout / "config.toml").read_text()
    assert "projections: {}" in (checkout / "oxidize.yaml").read_text()
    file.write_text(file.read_text().replace("english-static", "corpus-static"))
    assert states()["alpha"] == "to be built"
    # The repository's own recipe takes the place of none, and the fleet's word on the model holds.
    fleet["alpha"].write(".patina/oxidize.yaml", "version: 2\nembedding_model: english-static\nprojections: {}\n")
    fleet["alpha"].git("add", "-f", ".patina/oxidize.yaml")
    fleet["alpha"].git("commit", "-q", "-m", "Add a recipe")
    assert "[1/1] built   alpha" in patina("fleet", "run", "a*").out
    assert 'model = "corpus-static"' in (checkout / "config.toml").read_text()
    assert (checkout / "oxidize.yaml").read_text() == "version: 2\nembedding_model: corpus-static\nprojections: {}\n"
    file.write_text(file.read_text().replace('model = "corpus-static"\n', ""))
    assert patina("fleet", "run", "alpha").code == 0
    assert (checkout / "oxidize.yaml").read_bytes() == (fleet["alpha"].path / ".patina" / "oxidize.yaml").read_bytes()
    assert "model" not in (checkout / "config.toml").read_text()


def test_what_fails_says_why_and_holds_up_nobody(fleet: dict[str, GitFolder], tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(f'{file.read_text()}\n[[repositories]]\npath = "{tmp_path}/gone"\n')
    beta = fleet["beta"]
    beta.write(".patina/oxidize.yaml", "version: 99\n")
    beta.git("add", "-f", ".patina/oxidize.yaml")
    beta.git("commit", "-q", "-m", "Break the recipe")
    # Links are not followed.
    (fleet["gamma"].path / ".patina").symlink_to(tmp_path / "elsewhere")
    fleet["gamma"].git("add", "-f", ".patina")
    fleet["gamma"].git("commit", "-q", "-m", "Lead out")
    done = patina("fleet", "run")
    assert done.code == 1
    assert "3 to be built, 3 done" in done.out
    assert f"not fetched  gone: {tmp_path}/gone: cannot be fetched" in done.err
    assert states() == {"alpha": "fresh", "beta": "failed", "gamma": "failed", "gone": "not fetched"}
    told = {
        entry["name"]: entry["failure"] for entry in json.loads(patina("fleet", "status", "--json").out)["projects"]
    }
    assert "version" in told["beta"]
    assert "symbolic link" in told["gamma"]
    assert not (tmp_path / "elsewhere").exists()
    assert patina("fleet", "run", "alpah").err.strip().endswith("no repository 'alpah' (did you mean 'alpha'?)")
    # What is derived must not come from a repository at all.
    fleet["alpha"].write(".patina/data/patina.db", b"anything")
    fleet["alpha"].git("add", "-f", ".patina/data/patina.db")
    fleet["alpha"].git("commit", "-q", "-m", "Add what is derived")
    beta.write(".patina/oxidize.yaml", "version: 2\nprojections: {}\n")
    beta.git("commit", "-q", "-a", "-m", "Mend the recipe")
    again = patina("fleet", "run")
    assert "git tracks .patina/data/patina.db" in again.out
    assert states() == {"alpha": "failed", "beta": "fresh", "gamma": "failed", "gone": "not fetched"}


def test_init_writes_a_file_that_can_be_read(tmp_path: Path) -> None:
    file = tmp_path / "new" / "fleet.toml"
    assert patina("fleet", "init", "--file", str(file)).code == 0
    again = patina("fleet", "init", "--file", str(file))
    assert (again.code, "exists already" in again.err) == (2, True)
    done = patina("fleet", "status", "--file", str(file))
    assert (done.code, "names no repository" in done.err) == (2, True)
    # What is commented out is right, too.
    text = file.read_text().replace("# [[", "[[").replace("# url", "url").replace("# path", "path")
    text = text.replace("# file", "file").replace("# match", "match").replace("# transport", "transport")
    for name in (
        "folder",
        "workers",
        "fetches",
        "fetch_seconds",
        "share",
        "groups",
        "name",
        "recipe",
        "priority",
        "borrows",
    ):
        text = text.replace(f"# {name} = ", f"{name} = ")
    (tmp_path / "new" / "repositories.json").write_text("[]")
    file.write_text(text.replace("/srv/", f"{tmp_path}/"))
    (tmp_path / "git").mkdir()
    assert patina("fleet", "status", "--file", str(file)).out.count("not fetched") == 3


def run_fleet_process(**environment: str) -> "subprocess.Popen[bytes]":
    """Start `patina fleet run` as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "patina_assets.cli", "fleet", "run"],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


# What is there once a history is read, and once a repository is built.
BEGUN = ("projects/*/.patina/data/patina.db", "projects/*/.patina/data/embeddings/*/base.manifest.json")


@pytest.mark.usefixtures("fleet")
def test_after_kill_9_the_same_command_goes_on_and_gives_the_same_bytes(tmp_path: Path) -> None:
    for pattern in BEGUN:
        process = run_fleet_process()
        while process.poll() is None and not list((tmp_path / "kept").glob(pattern)):
            time.sleep(0.01)
        assert process.poll() is None, f"it ended before there was {pattern}"
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert patina("fleet", "run").code == 0
    assert states() == dict.fromkeys(SUBJECTS, "fresh")
    compare_with_one_run(tmp_path / "kept")


@pytest.mark.usefixtures("fleet")
def test_two_that_build_the_same_both_end_right(tmp_path: Path) -> None:
    """As two workers do that have one repository at once."""
    both = [run_fleet_process(), run_fleet_process()]
    assert [process.wait() for process in both] == [0, 0]
    assert states() == dict.fromkeys(SUBJECTS, "fresh")
    assert "3 to be built" not in patina("fleet", "run", "--no-fetch").out
    compare_with_one_run(tmp_path / "kept")


@pytest.mark.usefixtures("fleet")
def test_a_builder_that_is_killed_is_named_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first builder ends itself, as the kernel ends one that takes too much memory."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        f"mark = Path({str(tmp_path / 'mark')!r})\n"
        "if 'patina_assets.fleet.worker' in sys.orig_argv:\n"
        "    try:\n"
        "        mark.open('x')\n"
        "    except FileExistsError:\n"
        "        pass\n"
        "    else:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    monkeypatch.setenv("PYTHONPATH", f"{site}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    done = patina("fleet", "run")
    assert done.code == 1
    assert "the process that built it ended by signal 9" in done.out
    assert sorted(states().values()) == ["failed", "fresh", "fresh"]
    assert patina("fleet", "run").code == 0


def test_a_worker_without_a_broker_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("celery")
    monkeypatch.delenv("PATINA_FLEET_BROKER", raising=False)
    command = [sys.executable, "-P", "-m", "celery", "-A", "patina_assets.fleet.queueing", "worker"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "patina: PATINA_FLEET_BROKER: expected the address of the broker, such as redis://host:6379/0"
    ]
