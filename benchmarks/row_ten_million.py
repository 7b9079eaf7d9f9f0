"""Ten million events: digests and plan only, as `patina oxidize --dry-run`."""

from measure import Section, Setting, number, progress, timed_command
from projects import eventlog_of, make_project, patina

WANTED = 2.0
ROUNDS = 5


def measure(setting: Setting) -> Section:
    """Return the figures of the first plan and of those after it."""
    events = setting.pick(10_000_000, 50_000)
    progress(f"making {events:,} events")
    root = make_project(setting, "ten-million", events, epochs=10, linked=True)
    size = eventlog_of(setting, events).stat().st_size / 2**20
    progress("first plan")
    first, _ = timed_command(patina("oxidize", "--dry-run"), root)
    later = [timed_command(patina("oxidize", "--dry-run"), root)[0] for _ in range(ROUNDS)]
    best = min(entry.seconds for entry in later)
    section = Section(f"{events:,} events: plan and digests")
    section.table = [
        ["", "seconds", "CPU s", "peak MiB"],
        ["first", number(first.seconds), number(first.cpu_seconds), number(first.peak_mib)],
        ["after it (best)", number(best), number(min(entry.cpu_seconds for entry in later)), number(later[0].peak_mib)],
    ]
    section.verdicts.append((f"no-change plan <= {WANTED:.0f} s", f"{best:.2f} s (best)", best <= WANTED))
    section.notes.append(f"The eventlog takes {size:,.0f} MiB. Whole processes.")
    return section
