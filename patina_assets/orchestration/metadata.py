"""What an asset's page shows: numbers that Dagster plots over time, tables, and pictures."""

import inspect
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pictures.charts import history_chart, image_markdown, scatter, small_scatter
from patina_assets.pictures.map import PICTURE_ITEMS, Places, label, places
from patina_assets.pipeline.runner import StageOutcome
from patina_assets.pipeline.staleness import ModelState
from patina_assets.pipeline.workspace import Workspace
from patina_assets.recipe.model import ProjectionRecipe
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.store.manifests import StageRecord

SAMPLE_QUERIES = 5
NEIGHBOURS = 3
QUERY = "query"
CELL_CHARACTERS = 120

Metadata = dict[str, Any]


def stage_metadata(workspace: Workspace, name: str, stage: str, outcome: StageOutcome) -> Metadata:
    """Return the metadata of a stage that was built or found fresh.

    Raises:
        PatinaError: A file of the stage is missing or damaged.
    """
    record = outcome.record
    facts = dict(record.facts)
    shown: Metadata = {
        **_special(workspace, name, stage, facts),
        "reused": outcome.reused,
        "reasons": "; ".join(outcome.reasons) or "nothing changed",
        "seconds": round(outcome.seconds, 3),
        "bytes": sum(output.bytes for output in record.outputs.values()),
        "built_at": record.built_at,
        "digest": record.digest,
        "fingerprint": record.fingerprint,
        "files": dg.MetadataValue.md("\n".join(f"- `{path}`" for path in _files(workspace, name, record))),
    }
    return {name: value for name, value in (shown | facts).items() if value is not None}


def _special(workspace: Workspace, name: str, stage: str, facts: dict[str, Any]) -> Metadata:
    """Return what only this stage shows; the facts that it tells are taken out of `facts`."""
    if stage == "pairs":
        columns = ("anchor", "positive", "negative")
        return {"samples": _table([dict(zip(columns, row, strict=True)) for row in facts.pop("samples", [])])}
    if stage == "weights":
        return _weights(facts)
    if stage == "index":
        found = places(workspace.paths(name), PICTURE_ITEMS)
        return {
            "map": dg.MetadataValue.md(image_markdown(small_scatter(found.points, found.groups), "map")),
            "larger_map": dg.MetadataValue.md(image_markdown(scatter(found.points, found.groups), f"map of {name}")),
            "sample_queries": _table(neighbour_rows(found)),
        }
    return {}


def _weights(facts: dict[str, Any]) -> Metadata:
    history, metrics = facts.pop("history", []), facts.pop("metrics", {})
    chart = history_chart(
        [entry["loss"] for entry in history],
        [entry["mrr"] for entry in history],
        facts.get("best_epoch") or 0,
        metrics.get("validation_base_mrr"),
    )
    return {
        "chart": dg.MetadataValue.md(image_markdown(chart, "loss and MRR per epoch")),
        "base_and_trained": _table(_quality_rows(metrics)),
        "evaluation": _table([_with_intervals(row) for row in facts.pop("evaluation", [])]),
        "history": _rounded_table(history),
        **{metric: value for metric, value in metrics.items() if value is not None},
    }


def _quality_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for part, base, trained, queries in (
        ("validation", "validation_base_mrr", "validation_mrr", "validation_queries"),
        ("test", "base_mrr", "mrr", "test_queries"),
    ):
        before, after = metrics.get(base), metrics.get(trained)
        if before is not None and after is not None:
            rows.append(
                {
                    "held-out part": part,
                    "queries": metrics.get(queries),
                    "base MRR": round(before, 4),
                    "trained MRR": round(after, 4),
                    "gain": f"{after - before:+.4f}",
                }
            )
    return rows


def _with_intervals(row: Mapping[str, Any]) -> dict[str, str]:
    """Return a row of an evaluation with each value's 95 % interval beside it instead of in columns of its own."""
    shown = {}
    for key, value in row.items():
        low, high = row.get(f"{key}_low"), row.get(f"{key}_high")
        if low is not None and high is not None:
            shown[f"{key} [95 %]"] = f"{value:.4f} [{low:.4f}, {high:.4f}]"
        elif not key.endswith(("_low", "_high")):
            shown[key] = str(value)
    return shown


def neighbour_rows(found: Places) -> list[dict[str, str]]:
    """Return five evenly spaced items, and below each those of the others on the map that lie nearest."""
    if not found.items:
        return []
    chosen = np.unique(np.linspace(0, len(found.items) - 1, SAMPLE_QUERIES + 2).astype(int)[1:-1])
    lengths = np.linalg.norm(found.vectors, axis=1, keepdims=True)
    units = found.vectors / np.where(lengths > 0, lengths, 1)
    rows: list[dict[str, str]] = []
    for row in chosen.tolist():
        cosines = units @ units[row]
        nearest = [other for other in np.argsort(-cosines, kind="stable").tolist() if other != row][:NEIGHBOURS]
        rows.append({"cosine": QUERY, "item": _short(found, row)})
        rows += [{"cosine": f"{cosines[other]:.3f}", "item": _short(found, other)} for other in nearest]
    return rows


def code_references(workspace: Workspace, projection: ProjectionRecipe | None, stage: str) -> Metadata:
    """Return links to the recipe's lines, and for pairs to the file with the SQL."""
    if projection is None:
        return {}
    recipe = workspace.recipe.path
    links = [(recipe, projection.line, f"recipe: {projection.name}")]
    if stage == "pairs":
        links.append(_sql_place(projection.training.pair_type))
    return _references(links)


def source_references(source: str) -> Metadata:
    """Return a link to the file with the SQL of a source."""
    types = [entry for entry in PAIR_TYPES.values() if any(used.name == source for used in entry.sources)]
    own = [entry for entry in types if entry.source.name == source]
    return _references([_sql_place((own or types)[0].name)]) if types else {}


def model_table(spec: BaseSpec, state: ModelState) -> dg.TableMetadataValue:
    """Return the models that stand side by side in the base model, or the single one, with their digests."""
    rows = zip(spec.parts, state.parts or (state,), strict=True)
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"model": part.reference, "dimensions": part.dims, "digest": own.digest or ""})
            for part, own in rows
        ]
    )


def lock_metadata(path: Path) -> Metadata:
    """Return the lock, rendered."""
    return {"path": dg.MetadataValue.path(path), "lock": dg.MetadataValue.md(f"```yaml\n{path.read_text('utf-8')}```")}


def _sql_place(pair_type: str) -> tuple[Path, int, str]:
    """Return where the SQL of a pair type begins: it stands on top of its module."""
    path = Path(inspect.getfile(PAIR_TYPES[pair_type].derive))
    lines = path.read_text("utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, 1) if text.startswith(("WITH ", "SELECT"))), 1)
    return path, line, f"SQL: {PAIR_TYPES[pair_type].source.name}"


def _references(links: Sequence[tuple[Path, int, str]]) -> Metadata:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
            dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=text) for path, line, text in links
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


def _rounded_table(rows: Iterable[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    return _table(
        [{key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()} for row in rows]
    )


def _files(workspace: Workspace, name: str, record: StageRecord) -> list[str]:
    return [str(workspace.paths(name).folder / output.file) for output in record.outputs.values()]


def _short(found: Places, row: int) -> str:
    item = found.items[row]
    text = " ".join(item.text.split())
    return f"[{label(item)}] {text[:CELL_CHARACTERS]}"


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    """Return rows as a table; None where there are none, which Dagster does not take."""
    if not rows:
        return None
    return dg.MetadataValue.table(
        [dg.TableRecord({name: "" if value is None else value for name, value in row.items()}) for row in rows]
    )
