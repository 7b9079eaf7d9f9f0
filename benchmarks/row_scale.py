"""Building eight projections of 10k, 100k and 1M events: time, memory and bytes, stage by stage."""

import sys
from pathlib import Path

from measure import Section, Setting, json_lines, number, progress, timed_command
from projects import eventlog_of, folder_bytes, make_project

SIZES, QUICK_SIZES = (10_000, 100_000, 1_000_000), (10_000, 20_000)
WANTED_MIB = 3 * 1024
# Of one event among ten times as many, at most this many times the time: sorting and graph search cost a logarithm.
LINEAR = 1.3
LOOK = "look (digests, plan)"
STEPS = (LOOK, "model", "pairs", "embeddings", "weights", "index")


def measure(setting: Setting) -> Section:
    """Return the figures."""
    sizes = QUICK_SIZES if setting.quick else SIZES
    epochs = 1 if setting.quick else 10
    section = Section(f"Build eight projections, corpus-static, {epochs} epochs")
    section.table = [
        ["events", *(f"{step}, s" for step in STEPS), "all, s", "CPU s", "no change, s", "peak MiB", "MiB"]
    ]
    section.curves = {"seconds": {step: [] for step in (*STEPS, "all")}, "peak MiB": {"peak": []}, "MiB on disk": {}}
    section.curves["MiB on disk"] = {"artifacts": [], "eventlog": []}
    totals = []
    for size in sizes:
        progress(f"{size:,} events")
        root = make_project(setting, f"scale-{size}", size, epochs=epochs, linked=True)
        figures = _build(root)
        totals.append((size, sum(figures[step][1] for step in STEPS), figures))
        _record(section, setting, root, size, figures)
    _judge(section, totals)
    section.notes.append(
        "In one process, without Dagster. *weights* grows until there are 10,000 pairs to train on and, in each "
        "projection, 2,000 queries of 20,000 candidates to validate on. *index* grows a little faster than the events, "
        "since a longer graph takes longer to search. It is built on one thread, so that the same events give the same "
        "file."
    )
    return section


def _build(root: Path) -> dict[str, tuple[float, float, float]]:
    """Build a project; return seconds, CPU seconds and peak MiB by step, and of the `second look`."""
    script = Path(__file__).with_name("build_stages.py")
    _, said = timed_command([sys.executable, str(script), str(root)], root)
    found: dict[str, tuple[float, float, float]] = {}
    for line in json_lines(said):
        step = str(line["what"]).rpartition("/")[2]
        step = {"first look": LOOK, "items": "pairs"}.get(step, step)
        seconds, cpu, peak = found.get(step, (0.0, 0.0, 0.0))
        found[step] = (
            seconds + float(line["seconds"]), cpu + float(line["cpu_seconds"]), max(peak, float(line["peak_mib"]))
        )  # fmt: skip
    return found


def _record(
    section: Section, setting: Setting, root: Path, size: int, figures: dict[str, tuple[float, float, float]]
) -> None:
    seconds = [figures[step][0] for step in STEPS]
    cpu = sum(figures[step][1] for step in STEPS)
    peak = max(entry[2] for entry in figures.values())
    disk = folder_bytes(root) / 2**20
    section.table.append(
        [f"{size:,}", *map(number, [*seconds, sum(seconds), cpu, figures["second look"][0], peak, disk])]
    )
    for step, spent in zip((*STEPS, "all"), (*seconds, sum(seconds)), strict=True):
        section.curves["seconds"][step].append((size, spent))
    section.curves["peak MiB"]["peak"].append((size, peak))
    section.curves["MiB on disk"]["artifacts"].append((size, disk))
    section.curves["MiB on disk"]["eventlog"].append((size, eventlog_of(setting, size).stat().st_size / 2**20))


def _judge(section: Section, totals: list[tuple[int, float, dict[str, tuple[float, float, float]]]]) -> None:
    (size, before, _), (larger, after, figures) = totals[-2:]
    times, more = after / before, larger / size
    wanted = f"linear in events: <= {LINEAR} times the time of each"
    found = f"{times:.1f}x the CPU time for {more:.0f}x the events"
    section.verdicts.append((wanted, found, times <= more * LINEAR))
    peak = max(entry[2] for entry in figures.values())
    section.verdicts.append((f"peak <= {WANTED_MIB:,} MiB", f"{peak:,.0f} MiB", peak <= WANTED_MIB))
