"""What an asset's page shows: numbers that Dagster plots over time, tables, and pictures."""

import inspect
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pictures.charts import image_markdown
from patina_assets.pipeline.reasons import ReasonKind, reasons_text
from patina_assets.pipeline.runner import StageOutcome
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.display import Picture, Table, beginning
from patina_assets.pipeline.stages.stage import Stage
from patina_assets.pipeline.staleness import BaseModelState
from patina_resources.documents.yaml_file import read_yaml
from patina_resources.embedding.cache import EmbeddingCache
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.project.project import Project
from patina_resources.store.artifacts import BuiltProjection, of_one_build
from patina_resources.store.manifests import StageRecord

Metadata = dict[str, Any]
DIGITS = 4
PROVENANCE = "provenance"
# The longest word of a value decides how wide the column is: a whole digest would push the others out of sight.
SHOWN_DIGITS = 16
# A path is broken at its slashes.
_LONG_WORD = re.compile(r"([^\s/]{20}|/)(?=\S)")
_HASH = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}+\b")
BETWEEN_VALUES = " | "
SAMPLE_ROWS = 10
SAMPLE_CHARACTERS = 160


def outcome_metadata(outcome: StageOutcome) -> Metadata:
    """Return the metadata of a stage that was built or found fresh.

    Raises:
        PatinaError: A file of the stage is missing or damaged.
    """
    return {
        **stage_metadata(outcome.stage, outcome.built),
        "reused": outcome.reused,
        "reasons": reasons_text(outcome.reasons) or "nothing changed",
        "seconds": round(outcome.seconds, 3),
    }


def stage_metadata(stage: Stage, built: BuiltProjection) -> Metadata:
    """Return the metadata of a stage as it is on disk.

    Raises:
        PatinaError: A file of the stage is missing or damaged.
    """
    own = of_one_build(built, stage.metadata)
    record = built.stage(stage.name).record
    shown = {name: shown_value(value) for name, value in own.items()}
    return {name: value for name, value in shown.items() if value is not None} | {
        "bytes": sum(output.bytes for output in record.outputs.values()),
        "built_at": record.built_at,
        PROVENANCE: dg.MetadataValue.json(
            {
                "digest": _short(record.digest),
                "fingerprint": _short(record.fingerprint),
                "files": [output.file for output in record.outputs.values()],
            }
        ),
    }


def shown_value(value: object) -> object:
    """Return a stage's value as Dagster takes it; None where there is nothing to show."""
    if isinstance(value, Table):
        return _table(value.rows)
    if isinstance(value, Picture):
        return dg.MetadataValue.md(image_markdown(value.svg, value.title))
    return round(value, DIGITS) if isinstance(value, float) else value


def code_references(recipe: Path, projection: ProjectionStages, stage: Stage) -> Metadata:
    """Return links to the recipe's lines, and for what derives items to the file with the SQL."""
    if not projection.line:
        return {}
    links = [(recipe, projection.line, f"recipe: {projection.name}")]
    return _references([*links, *(_sql_place(pair_type) for pair_type in stage.defining_types)])


def source_references(source: str) -> Metadata:
    """Return a link to the file with the SQL of a source."""
    types = [entry for entry in PAIR_TYPES.values() if any(used.name == source for used in entry.sources)]
    own = [entry for entry in types if entry.source.name == source]
    return _references([_sql_place((own or types)[0])]) if types else {}


def model_table(spec: BaseSpec, state: BaseModelState) -> dg.TableMetadataValue:
    """Return the models that stand side by side in the base model, or the single one, with their digests."""
    rows = zip(spec.parts, state.parts or (state,), strict=True)
    return dg.MetadataValue.table(
        [
            dg.TableRecord({"model": part.reference, "dimensions": part.dims, "digest": _short(own.digest)})
            for part, own in rows
        ]
    )


def eventlog_metadata(root: Path, path: Path, last_seq: int) -> Metadata:
    """Return what the page of the eventlog shows, whoever appended to it."""
    return {"last_seq": last_seq, "bytes": path.stat().st_size, "path": _path(root, path)}


def source_metadata(eventlog: Eventlog, source: Source, digest: SourceDigest) -> Metadata:
    """Return what the page of a source shows: how many rows there are, and the first of them.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    sample = _table(
        [
            {"row": number, "values": beginning(_side_by_side(row), SAMPLE_CHARACTERS)}
            for number, row in enumerate(eventlog.first_rows(source, SAMPLE_ROWS), 1)
        ]
    )
    return {
        "rows": digest.rows,
        **({"sample": sample} if sample is not None else {}),
        PROVENANCE: dg.MetadataValue.json({"digest": _short(digest.digest)}),
    }


def _side_by_side(row: Row) -> str:
    """Return the values of a row as they are, and of hashes the beginning."""
    return BETWEEN_VALUES.join("" if value is None else _HASH.sub("\\1…", str(value)) for value in row)


def model_metadata(spec: BaseSpec, state: BaseModelState) -> Metadata:
    """Return what the page of the base model shows; of a frozen one, also what it has seen, as numbers."""
    drift = {
        name: round(value, 4)
        for reason in state.drift
        if reason.kind is ReasonKind.LEARNED_FROM
        for name, value in (("learned_from", float(reason.after)), ("unknown_words", float(reason.before)))
    }
    return {
        **drift,
        "digest": _short(state.digest),
        "dimensions": spec.dims,
        "models": model_table(spec, state),
        "settings": state.settings,
    }


def cache_metadata(project: Project, model: str, embedded: StageRecord) -> Metadata:
    """Return the size of a model's embedding cache, and the share of a stage's texts that were in it.

    Raises:
        PatinaError: The cache cannot be read.
    """
    path = project.embedding_cache(model)
    with EmbeddingCache(path) as cache:
        vectors = cache.vectors()
    texts = embedded.facts["texts"]
    new = embedded.facts.get("new_texts_by_model", {}).get(model, embedded.facts["new_texts"])
    return {
        "vectors": vectors,
        "bytes": path.stat().st_size,
        **({"hit_rate": round(1 - new / texts, 4)} if texts else {}),
        "texts": texts,
        "new_texts": new,
        "texts_per_second": embedded.facts.get("texts_per_second", 0.0),
        "path": _path(project.root, path),
    }


def lock_metadata(project: Project) -> Metadata:
    """Return the lock: a row for each projection, and all of it folded.

    Raises:
        PatinaError: It is damaged.
    """
    document = read_yaml(project.lock).data
    lock: Mapping[str, Any] = document if isinstance(document, dict) else {}
    rows = [
        {
            "projection": name,
            "items": entry.get("index", {}).get("items"),
            # Few columns and short names: the table fits its column at 1280 px. The pages of the weights have the rest.
            "base": entry.get("metrics", {}).get("base_mrr"),
            "MRR": entry.get("metrics", {}).get("mrr"),
        }
        for name, entry in lock.get("projections", {}).items()
    ]
    table = _table(rows)
    return {
        **({"projections": table} if table is not None else {}),
        "embedding_model": str(lock.get("embedding_model", "")),
        "lock": dg.MetadataValue.json(lock),
        "path": _path(project.root, project.lock),
    }


def _short(digest: str | None) -> str:
    return (digest or "")[:SHOWN_DIGITS]


def _path(root: Path, path: Path) -> dg.PathMetadataValue:
    """Return a path as it is called in its project: Dagster breaks a long one nowhere but at its hyphens."""
    return dg.MetadataValue.path(path.relative_to(root) if path.is_relative_to(root) else path)


def _sql_place(pair_type: PairType) -> tuple[Path, int, str]:
    """Return where the SQL of a pair type begins: it stands on top of its module."""
    path = Path(inspect.getfile(pair_type.derive))
    lines = path.read_text("utf-8").splitlines()
    line = next((number for number, text in enumerate(lines, 1) if text.startswith(("WITH ", "SELECT"))), 1)
    return path, line, f"SQL: {pair_type.source.name}"


def _references(links: Sequence[tuple[Path, int, str]]) -> Metadata:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
            dg.LocalFileCodeReference(file_path=str(path), line_number=line, label=text) for path, line, text in links
        ]
        return {"dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references)}


def _table(rows: Sequence[Mapping[str, Any]]) -> dg.TableMetadataValue | None:
    """Return rows as a table; None where there are none, which Dagster does not take."""
    if not rows:
        return None
    return dg.MetadataValue.table([dg.TableRecord({name: _cell(value) for name, value in row.items()}) for row in rows])


def _cell(value: Any) -> Any:  # noqa: ANN401 - what a table holds
    """Return a value for a cell: a long word may be broken, and fractions have equally many digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.{DIGITS}f}"
    return _LONG_WORD.sub("\\1\u200b", value) if isinstance(value, str) else value
