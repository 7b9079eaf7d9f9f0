"""A million and ten million events: digests and plan, as `patina oxidize --dry-run`, and again after a new commit."""

from eventlogs import append_copy, original
from measure import Section, Setting, number, progress, timed_command
from projects import eventlog_of, make_project, patina

SIZES, QUICK_SIZES = (1_000_000, 10_000_000), (10_000, 50_000)
WANTED_NO_CHANGE = 2.0
# Seconds for a plan after one new commit, by size.
WANTED_COMMIT = (1.0, 5.0)
ROUNDS = 5
# Copies of a project are numbered from 0 on; what is appended is of other ones.
FIRST_COPY = 900


def measure(setting: Setting) -> Section:
    """Return the figures of the first plan, of those after it, and of those after one new commit each."""
    sizes = QUICK_SIZES if setting.quick else SIZES
    section = Section(f"{sizes[0]:,} and {sizes[-1]:,} events: plan and digests")
    section.table = [["events", "plan", "seconds", "CPU s", "peak MiB"]]
    origin = original(setting.scratch, setting.eventlogs)[0]
    best: dict[str, float] = {}
    for events, wanted in zip(sizes, WANTED_COMMIT, strict=True):
        progress(f"making {events:,} events")
        root = make_project(setting, f"plan-{events}", events, epochs=10)
        progress("plans")
        plans = {"first": [timed_command(patina("oxidize", "--dry-run"), root)[0]]}
        plans["after it (best)"] = [timed_command(patina("oxidize", "--dry-run"), root)[0] for _ in range(ROUNDS)]
        plans["after one new commit (best)"] = []
        for copy in range(FIRST_COPY, FIRST_COPY + ROUNDS):
            if append_copy(origin, root / ".patina" / "data" / "patina.db", copy, 1) != 1:
                raise ValueError("no event was appended")
            plans["after one new commit (best)"].append(timed_command(patina("oxidize", "--dry-run"), root)[0])
        best.clear()
        for plan, uses in plans.items():
            best[plan] = min(use.seconds for use in uses)
            spent = min(use.cpu_seconds for use in uses)
            section.table.append(
                [f"{events:,}", plan, number(best[plan]), number(spent), number(max(use.peak_mib for use in uses))]
            )
        found = best["after one new commit (best)"]
        section.verdicts.append(
            (f"{events:,}: one new commit <= {wanted:.0f} s", f"{found:.2f} s (best)", found <= wanted)
        )
        size = eventlog_of(setting, events).stat().st_size / 2**20
        section.notes.append(f"The eventlog of {events:,} events takes {size:,.0f} MiB.")
    unchanged = best["after it (best)"]
    aim = f"no-change plan <= {WANTED_NO_CHANGE:.0f} s"
    section.verdicts.append((aim, f"{unchanged:.2f} s (best)", unchanged <= WANTED_NO_CHANGE))
    section.notes.append("Whole processes, with Python's start.")
    return section
