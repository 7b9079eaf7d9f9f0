"""What passed between a project and the team's cache: kept as totals, and as a line for people."""

import json
from dataclasses import asdict, fields

from patina_assets.pipeline.tables import size_text
from patina_resources.cache.team_cache import TeamCache, Traffic
from patina_resources.documents.json_value import json_value
from patina_resources.project.project import Project
from patina_resources.store.files import write_atomic

FILE = "cache-traffic.json"


def save_traffic(project: Project, cache: TeamCache) -> None:
    """Add what passed since the last time to the project's totals.

    Raises:
        PatinaError: They cannot be written.
    """
    total = asdict(saved_traffic(project))
    added = asdict(cache.unsaved)
    cache.unsaved = Traffic()
    document = {name: total[name] + added[name] for name in total}
    write_atomic(project.data / FILE, json.dumps(document).encode())


def saved_traffic(project: Project) -> Traffic:
    """Return what passed between a project and its cache so far."""
    try:
        document = json_value((project.data / FILE).read_bytes())
        found = Traffic()
        for field in fields(Traffic):
            setattr(found, field.name, type(getattr(found, field.name))(document[field.name]))
        return found
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return Traffic()


def traffic_text(traffic: Traffic) -> str:
    """Return traffic as one line, such as `12 of 14 records found, 3.4 MB fetched at 8.1 MB/s`."""
    parts = [f"{traffic.found} of {traffic.asked} records found" if traffic.asked else ""]
    for count, seconds, done in (
        (traffic.bytes_down, traffic.seconds_down, "fetched"),
        (traffic.bytes_up, traffic.seconds_up, "sent"),
    ):
        if count:
            parts.append(f"{size_text(count)} {done} at {size_text(round(count / max(seconds, 1e-3)))}/s")
    return ", ".join(part for part in parts if part) or "nothing was transferred"
