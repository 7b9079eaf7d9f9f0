"""docs/benchmarks.md and its plots, from the figures of all rows."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from plots import log_plot

PACKAGES = (
    "numpy", "onnxruntime", "usearch", "tokenizers", "torch", "sentence-transformers", "fastembed", "faiss-cpu",
    "hnswlib",
)  # fmt: skip
NAME = "benchmarks"
INTRODUCTION = """# Benchmarks

`make bench` writes this page. It measures every row in one run, beside its peers. The contenders take turns: other load
on the machine then slows all of them. A ratio is computed for each round, and the median over the rounds is shown.
*best* is the least disturbed round. `make bench ONLY=train` measures one row. `make bench QUICK=1` only tries it out.
The section *What bounds it*, at the end, says of each aim that was missed what the limit is.
"""
MARK = {True: "yes", False: "**no**", None: "-"}


def write_report(results: Mapping[str, Mapping[str, Any]], folder: Path, *, trial: bool) -> None:
    """Write the page and its plots; what stands below *What bounds it* is written by hand and kept.

    Args:
        results: `Section` by row, as JSON has it.
        folder: Where to.
        trial: The figures are of small sizes and few rounds.
    """
    page = folder / f"{NAME}.md"
    heading = "\n## What bounds it\n"
    by_hand = page.read_text().partition(heading)[2] if page.is_file() else "\n"
    parts = [INTRODUCTION]
    if trial:
        parts.append("**A trial with small sizes and few rounds: not to be quoted.**\n")
    parts += [_machine(), _summary(results)]
    for row, section in results.items():
        parts.append(_section(row, section, folder))
    page.write_text("\n".join(parts).rstrip() + "\n" + heading + by_hand.rstrip("\n") + "\n")


def _machine() -> str:
    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text())
        processor = found.group(1) if found else processor
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(f"{name} {version}" for name in PACKAGES if (version := _version(name)))
    return (
        f"Machine: {len(os.sched_getaffinity(0))} cores of {processor}, {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}. Packages: {packages}.\n"
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _summary(results: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [["row", "wanted", "found", "met"]]
    for row, section in results.items():
        rows += [[f"[{row}](#{row})", wanted, found, MARK[met]] for wanted, found, met in section["verdicts"]]
    return "## Summary\n\n" + _table(rows)


def _section(row: str, section: Mapping[str, Any], folder: Path) -> str:
    parts = [f"## {row}\n\n{section['title']}.\n", _table(section["table"])]
    parts += [f"Skipped: {reason}\n" for reason in section["skipped"]]
    parts += [f"{note}\n" for note in section["notes"]]
    for title, lines in section["curves"].items():
        name = f"{NAME}-{row}-{re.sub(r'[^a-z]+', '-', title.lower())}.svg"
        (folder / name).write_text(log_plot(title, lines))
        parts.append(f"![{title} against events]({name})\n")
    return "\n".join(parts)


def _table(rows: Sequence[Sequence[str]]) -> str:
    header, *body = rows
    lines = [f"| {' | '.join(header)} |", f"|{'---|' * len(header)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in body)]) + "\n"
