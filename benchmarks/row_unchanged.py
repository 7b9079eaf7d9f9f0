"""Nothing changed: `patina oxidize` as a whole process, against `dvc repro` and a hand-written loop."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from measure import Section, Setting, Spent, progress, take_turns, timed_command, turns_table
from projects import PROJECTIONS, make_project, patina

OURS, DVC, LOOP = "patina oxidize", "dvc repro", "a hand-written loop"
WANTED_SECONDS = 1.0
STAGES = ("pairs", "embeddings", "weights", "index")
HAND_WRITTEN = """
import hashlib, json, pathlib, sys
known = json.loads(pathlib.Path("loop.json").read_text()) if pathlib.Path("loop.json").is_file() else {}
found = {}
for path in sorted(pathlib.Path(".patina").rglob("*")):
    if path.is_file():
        with path.open("rb") as file:
            found[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
pathlib.Path("loop.json").write_text(json.dumps(found))
print("nothing to do" if found == known else "stale")
"""


def measure(setting: Setting) -> Section:
    """Return the figures."""
    events = 42_000
    if setting.quick:
        events = 10_000
    root = make_project(setting, "unchanged", events, epochs=1)
    progress("building once")
    timed_command(patina("oxidize"), root)
    section = Section(f"Nothing changed, {events:,} events, eight projections")
    spent_by: dict[str, list[Spent]] = {}
    contenders: dict[str, Callable[[], object]] = {
        name: _command(spent_by.setdefault(name, []), arguments, root)
        for name, arguments in _commands(section, root).items()
    }
    take_turns(contenders, 3 if setting.quick else 10)
    # As the kernel counts it: of the child processes, not of this one.
    spent = {name: entries[1:] for name, entries in spent_by.items()}
    section.table = turns_table(spent, OURS, "runs", 1)
    best = min(entry.seconds for entry in spent[OURS])
    section.verdicts.append((f"<= {WANTED_SECONDS} s", f"{best:.2f} s (best)", best <= WANTED_SECONDS))
    for name in (DVC, LOOP):
        if name in spent:
            times = min(entry.seconds for entry in spent[name]) / best
            section.verdicts.append((f"faster than {name}", f"{times:.2f}x (best)", times > 1 if name == DVC else None))
    section.notes.append(
        "Whole processes, with Python's start. DVC has one stage for each stage of Patina, with the same files as "
        "dependencies and outputs, and `cache: false`. The loop only hashes every file: that is the least cost of "
        "noticing a damaged file."
    )
    return section


def _command(spent: list[Spent], arguments: list[str], root: Path) -> Callable[[], None]:
    def run() -> None:
        spent.append(timed_command(arguments, root)[0])

    return run


def _commands(section: Section, root: Path) -> dict[str, list[str]]:
    commands = {OURS: patina("oxidize"), LOOP: [sys.executable, "-c", HAND_WRITTEN]}
    dvc = Path(sys.prefix) / "dvc" / "bin" / "dvc"
    if not dvc.is_file():
        section.skipped.append(f"dvc: not installed ({dvc})")
        return commands
    try:
        _prepare_dvc(dvc, root)
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
        section.skipped.append(f"dvc: {error}")
        return commands
    section.notes.append(f"dvc is {timed_command([str(dvc), '--version'], root)[1].strip()}.")
    return commands | {DVC: [str(dvc), "repro", "--quiet"]}


def _prepare_dvc(dvc: Path, root: Path) -> None:
    """Describe our stages to DVC and let it take note of what is built: its stages only touch their outputs."""
    shutil.rmtree(root / ".dvc", ignore_errors=True)
    timed_command([str(dvc), "init", "--no-scm", "--quiet"], root)
    timed_command([str(dvc), "config", "core.analytics", "false"], root)
    (manifest,) = root.rglob("temporal.manifest.json")
    folder = manifest.parent.relative_to(root)
    stages = {}
    for projection in PROJECTIONS:
        built = json.loads((manifest.parent / f"{projection}.manifest.json").read_text())["stages"]
        before = [".patina/oxidize.yaml", ".patina/data/patina.db"]
        for stage in STAGES:
            outputs = [str(folder / output["file"]) for output in built[stage]["outputs"].values()]
            stages[f"{projection}-{stage}"] = {
                "cmd": "true",
                "deps": before,
                "outs": [{output: {"cache": False, "persist": True}} for output in outputs],
            }
            before = outputs
    (root / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    timed_command([str(dvc), "repro", "--quiet"], root)
