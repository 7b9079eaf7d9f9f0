"""What is shown of projections that are built: a table of their measures, or the same for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from patina_assets.pipeline.stages import ProjectionStages, summary_columns
from patina_assets.pipeline.workspace import Workspace
from patina_assets.search.built import BASE
from patina_assets.terminal.output import print_table
from patina_assets.terminal.questions import say_on_stderr
from patina_resources.store.manifests import read_manifest

IN_SEARCH = (
    "`in search` was decided on the validation queries; `beats base` was measured on other queries and decides nothing"
)


def print_summary(workspace: Workspace, names: Sequence[str]) -> None:
    """Print a table of what is built of some projections, with their measures; none where `base` alone is built."""
    from patina_assets.learning.verdict import Verdict, held_out_gain, takes_part

    columns = summary_columns(workspace.projections)
    built = list(_built(workspace, names))
    if {projection.name for projection, _ in built} <= {BASE}:
        return  # it has no measures
    rows = [
        [projection.name, *(_cell(column.value(facts.get(stage, {}))) for stage, column in columns)]
        for projection, facts in built
    ]
    spare = sorted((-column.spare, place) for place, (_, column) in enumerate(columns, 1) if column.spare)
    header = ("projection", *(column.header for _, column in columns))
    print_table(header, rows, [place for _, place in spare], "patina oxidize --json")
    weights = [facts["weights"] for _, facts in built if "weights" in facts]
    gains = [(held_out_gain(facts), takes_part(facts)) for facts in weights]
    if any(gain is not None and (gain.verdict is Verdict.BETTER) != takes for gain, takes in gains):
        say_on_stderr(IN_SEARCH)


def built_document(workspace: Workspace, names: Sequence[str], failures: Sequence[str]) -> dict[str, object]:
    """Return what is built of some projections, for JSON: the figures of the table by projection, and what failed."""
    columns = summary_columns(workspace.projections)
    built = {
        projection.name: {column.header: column.value(facts.get(stage, {})) for stage, column in columns}
        for projection, facts in _built(workspace, names)
    }
    return {"embedding_model": workspace.spec.name, "projections": built, "failures": list(failures)}


def _built(
    workspace: Workspace, names: Sequence[str]
) -> Iterator[tuple[ProjectionStages, dict[str, Mapping[str, Any]]]]:
    """Yield those of some projections that are built, each with the facts of its stages by name."""
    for projection in workspace.projections:
        if projection.name not in names:
            continue  # it may have been built elsewhere
        manifest = read_manifest(workspace.paths(projection.name).manifest)
        if projection.last.name in manifest:
            yield projection, {stage: record.facts for stage, record in manifest.items()}


def _cell(value: object) -> object:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "[" + ", ".join(f"{end:+.4f}" for end in value) + "]"
    return f"{value:.4f}" if isinstance(value, float) else value
