"""`patina doctor`: prints an examination, for people or for a bug report."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from patina_assets.pipeline.plain_text import json_text, with_tilde
from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.tables import size_text
from patina_assets.terminal.output import print_table
from patina_assets.upkeep.examination import Examination, examine

# A user's name and password in an address.
_CREDENTIALS = re.compile(r"://[^/\s@]{1,256}@")


def print_examination(*, as_json: bool) -> int:
    """Print what is found of this project and its surroundings; return 0 where nothing is wrong, else 1.

    Args:
        as_json: Print JSON that can be shown to others: the home folder is `~`, and no secret is in it.
    """
    found = examine()
    if as_json:
        print(json_text(shareable(asdict(found))))
    else:
        _print(found)
    return 1 if found.findings else 0


def shareable(value: Any) -> Any:  # noqa: ANN401 - as JSON has it
    """Return a JSON value in which the home folder is `~` and addresses have no credentials."""
    if isinstance(value, Mapping):
        return {shareable(key): shareable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [shareable(entry) for entry in value]
    return _CREDENTIALS.sub("://***@", with_tilde(value)) if isinstance(value, str) else value


def _print(found: Examination) -> None:
    print_table(("version", ""), list(found.versions.items()))
    print()
    print_table(("place", ""), [(name, with_tilde(place)) for name, place in found.places.items()])
    print()
    print_table(("on disk", "size"), [(name, size_text(size)) for name, size in found.disk.items()])
    if found.models:
        print()
        rows = [(row.name, row.state, size_text(row.bytes_on_disk), row.command or "-") for row in found.models]
        print_table(("model", "state", "size", "command"), rows)
    told = [verdict for verdict in found.verdicts if verdict.status != "fresh" or verdict.reasons]
    if told:
        print()
        reasons = [(v.projection, v.stage, v.status, reasons_text(v.reasons)) for v in told]
        print_table(("projection", "stage", "state", "why"), reasons)
    if found.suggestions:
        print()
        print_table(("could be had", "command"), [(entry.what, entry.command) for entry in found.suggestions])
    print()
    if found.building:
        print("a build is running now: stages that it has not reached yet show as stale\n")
    if not found.findings:
        print("nothing is wrong")
    else:
        print_table(("what is wrong", "command"), [(with_tilde(f.what), f.command or "-") for f in found.findings])
