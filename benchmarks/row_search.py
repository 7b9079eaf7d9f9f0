"""Search: from `import patina_assets.search.searcher` to the first result, warm queries, and memory."""

import sys
from pathlib import Path
from statistics import median

from bench_models import MODEL
from measure import Section, Setting, json_lines, progress, timed_command
from projects import make_project, patina

from patina_resources.models.registry import CORPUS_STATIC

WANTED_FIRST, WANTED_P99, WANTED_MIB = 0.6, 0.015, 300.0


def measure(setting: Setting) -> Section:
    """Return the figures of both models."""
    events, rounds, queries = setting.pick(42_000, 10_000), setting.pick(10, 3), setting.pick(1_000, 50)
    section = Section(f"First result and warm queries, {events:,} events, all nine indexes and words fused")
    section.table = [
        ["model", "import to first result, s (best)", "(median)", "whole process, s", "p50, ms", "p99, ms", "peak MiB"]
    ]
    for model in (CORPUS_STATIC, MODEL):
        root = make_project(setting, f"search-{model}", events, epochs=1, model=model)
        if model != CORPUS_STATIC:
            timed_command(patina("model", "add", model), root)
        progress(f"building with {model}")
        timed_command(patina("oxidize"), root)
        _measure(section, model, root, rounds, queries)
    section.notes.append(
        "*Cold* is a new process whose files are in the operating system's cache. A query goes to all eight "
        "projections, to base and to words, and is embedded each time. It consists of three to eight words of an item."
    )
    return section


def _measure(section: Section, model: str, root: Path, rounds: int, queries: int) -> None:
    script = str(Path(__file__).with_name("first_result.py"))
    cold = [timed_command([sys.executable, script, str(root), "0"], root) for _ in range(rounds)]
    first = sorted(float(json_lines(said)[0]["first"]) for _, said in cold)
    (warm,) = json_lines(timed_command([sys.executable, script, str(root), str(queries)], root)[1])
    p50, p99, mib = (float(warm[key]) for key in ("p50", "p99", "peak_mib"))
    whole = min(spent.seconds for spent, _ in cold)
    section.table.append(
        [
            model,
            f"{first[0]:.2f}",
            f"{median(first):.2f}",
            f"{whole:.2f}",
            f"{1000 * p50:.2f}",
            f"{1000 * p99:.2f}",
            f"{mib:.0f}",
        ]
    )
    section.verdicts += [
        (f"first result <= {WANTED_FIRST} s, {model}", f"{first[0]:.2f} s (best)", first[0] <= WANTED_FIRST),
        (f"p99 <= {1000 * WANTED_P99:.0f} ms, {model}", f"{1000 * p99:.1f} ms", p99 <= WANTED_P99),
        (f"<= {WANTED_MIB:.0f} MiB, {model}", f"{mib:.0f} MiB", mib <= WANTED_MIB),
    ]
