"""The words that a shell offers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from root import ROOT
from small_project import patina

from patina_resources.project.project import Project


def completed(words: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what bash is offered for the last word."""
    monkeypatch.chdir(folder)
    typed = words.split(" ")
    monkeypatch.setenv("_PATINA_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
    ran = patina()
    assert ran.err == ""
    return [line.partition(",")[2] for line in ran.out.splitlines()]


def test_words_are_completed(project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (project.data / "oxidize.lock").write_text("embedding_model: corpus-static\nprojections:\n  temporal:\n    a: 1\n")

    def offered(words: str) -> list[str]:
        return completed(words, project.root, monkeypatch)

    assert offered("patina ox") == ["oxidize"]
    assert offered("patina model st") == ["status"]
    assert offered("patina scry x --proj") == ["--projection", "--projects", "--project"]
    assert offered("patina scry x --projection ") == ["temporal", "base", "lexical"]
    assert offered("patina oxidize --only base,te") == ["base,temporal"]
    trained = ["semantic", "temporal", "dependency"]
    assert offered("patina oxidize --only ") == offered("patina map ") == [*trained, "base"]
    assert offered("patina export ") == trained
    assert (
        offered("patina like src/st")
        == offered("patina why src/st")
        == offered("patina note x --about src/st")
        == ["src/st"]
    )
    assert offered("patina materialize --only ") == ["git", "sessions", "docs", "code"]
    assert "all-minilm-l6-v2" in offered("patina model add all")
    assert offered("patina completion z") == ["zsh"]
    (tmp_path / "empty").mkdir()
    assert completed("patina scry x --projection ", tmp_path / "empty", monkeypatch) == []


@pytest.mark.parametrize(("shell", "told"), [("bash", "complete -o nosort"), ("zsh", "compdef"), ("fish", "complete ")])
def test_the_script_of_a_shell_is_printed(shell: str, told: str) -> None:
    ran = patina("completion", shell)
    assert ran.code == 0
    assert told in ran.out
    assert "_PATINA_COMPLETE" in ran.out


def test_bash_takes_the_script(tmp_path: Path) -> None:
    program = tmp_path / "patina"
    program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m patina_assets.cli "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(patina completion bash)"; COMP_WORDS=(patina scry x --exp); COMP_CWORD=3; '
        '_patina_completion patina; echo "${COMPREPLY[@]}"'
    )
    environment = os.environ | {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "--explain", done.stderr
