"""One per cent of events is new: `patina oxidize` against our own full build, with all-minilm-l6-v2."""

import sys
from pathlib import Path

from bench_models import MODEL
from eventlogs import append_copy, original
from measure import Section, Setting, json_lines, number, progress, timed_command
from projects import make_project, patina

WANTED = 0.15


def measure(setting: Setting) -> Section:
    """Return the figures, stage by stage."""
    events, epochs = setting.pick(42_000, 10_000), setting.pick(10, 1)
    root = make_project(setting, "new-events", events, epochs=epochs, model=MODEL)
    timed_command(patina("model", "add", MODEL), root)
    progress("full build")
    full = _build(root)
    origin = original(setting.scratch, setting.eventlogs)[0]
    added = append_copy(origin, root / ".patina" / "data" / "patina.db", 999, events // 100)
    progress(f"{added} new events")
    again = _build(root)
    unchanged = _build(root)
    section = Section(f"1 % of {events:,} events new, eight projections, {epochs} epochs, {MODEL} int8")
    section.table = [["stage", "full build, s", "1 % new, s", "nothing new, s"]]
    for stage in full:
        section.table.append([stage, *(number(build[stage]) for build in (full, again, unchanged))])
    totals = [sum(build.values()) for build in (full, again, unchanged)]
    section.table.append(["all", *map(number, totals)])
    share = totals[1] / totals[0]
    section.verdicts.append((f"<= {WANTED:.0%} of a full build", f"{share:.0%}", share <= WANTED))
    embedding = totals[1] - again["weights"]
    section.notes.append(
        f"{added} events of another project were appended. They change every source. Weights are kept or continued by "
        f"their drift. Without training, the second build takes {embedding / (totals[0] - full['weights']):.0%} of the "
        "first."
    )
    return section


def _build(root: Path) -> dict[str, float]:
    """Build a project and return the seconds of each kind of stage."""
    script = Path(__file__).with_name("build_stages.py")
    _, said = timed_command([sys.executable, str(script), str(root)], root)
    seconds: dict[str, float] = {}
    for line in json_lines(said):
        stage = str(line["what"]).rpartition("/")[2]
        seconds[stage] = seconds.get(stage, 0.0) + float(line["seconds"])
    return seconds
