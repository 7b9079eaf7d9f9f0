"""What training gains with other parts held out: many more queries than the one test part of a build has.

    python benchmarks/bench_folds.py PROJECT_FOLDER [--only NAME ...]

For a built project, every projection whose data are split by a hash of session or file is trained and measured ten
times, each tenth of them held out once; one that is split by time five times, as if its eventlog had ended with 100,
90, ... 60 % of the commits. Start, epoch and whether to train at all are chosen as a build chooses them, on the
validation part alone; the first fold is the build's own. Nothing is written.
"""

import argparse
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.evaluate import held_out_task, reciprocal_ranks
from patina_assets.learning.fit import measured_fit
from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import Relations, relate, related_texts, unique_texts
from patina_assets.pairs.splits import Split, Splits, hash_share, split_at
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import decode_embeddings
from patina_assets.pipeline.stages.weights import training_options
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_assets.recipe.model import ProjectionRecipe
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import read_outputs

SPLIT_BY_TIME = ("co_changed", "commit_touches", "effect_similarity", "same_author", "state_similarity")
HASH_FOLDS, TIME_FOLDS = 10, 5
LATER = cast("Split", 3)
"""Stands in place of a `Split` for what had not happened yet."""

Measures = NDArray[np.float64]


def split_by_hash(fold: int) -> Callable[[str], Split]:
    """Return what deals names as the product does, with another tenth held out in each fold."""
    return lambda name: split_at((hash_share(name) + fold / HASH_FOLDS) % 1)


def split_by_time(fold: int) -> Callable[[Iterable[str]], list[Split]]:
    """Return what deals times as the product does, as if `fold` tenths had not happened yet."""

    def split(times: Iterable[str]) -> list[Split]:
        stamps = list(times)
        ranked = sorted(stamps)
        parts = {Split.TRAIN: 0, Split.VALIDATION: 8 - fold, Split.TEST: 9 - fold, LATER: 10 - fold}
        # The times of one moment are not torn apart.
        first = {part: ranked[len(ranked) * tenths // 10] for part, tenths in parts.items() if ranked and tenths < 10}
        return [max(part for part, start in first.items() if stamp >= start) for stamp in stamps]

    return split


def fold_splits(fold: int) -> Splits:
    """Return how contexts are dealt in a fold."""
    return Splits(split_by_hash(fold), split_by_time(fold))


def relations_of(workspace: Workspace, projection: ProjectionRecipe, fold: int) -> Relations:
    """Return a projection's contexts, dealt for a fold."""
    pair_type = PAIR_TYPES[projection.training.pair_type]
    read = workspace.eventlog.read(list(pair_type.sources))
    options = replace(pair_type.options(projection.training.min_count), splits=fold_splits(fold))
    data = pair_type.derive({name: source.rows for name, source in read.items()}, options)
    texts, _ = unique_texts(sorted(data.items, key=Item.order))
    return relate(texts, data.contexts, data.apart).only(*Split)


def measure(workspace: Workspace, projection: ProjectionRecipe, fold: int) -> Measures:
    """Return the reciprocal ranks of a fold's test queries, float64 [queries, 2]: base, trained."""
    _, (content,) = read_outputs(workspace.paths(projection.name), "embeddings", ("embeddings.safetensors",))
    vectors = decode_embeddings(content)
    relations, training = relations_of(workspace, projection, fold), projection.training
    fitting = relations.only(Split.TRAIN)
    fit = measured_fit(
        vectors,
        relations,
        sample_triplets(fitting, related_texts(fitting), training.pairs, training.seed),
        training_options(projection),
        hard_negatives=PAIR_TYPES[training.pair_type].hard_negatives_with(training.loss),
    )
    test = held_out_task(relations)
    trained = fit.result.projection.apply(vectors)
    return np.column_stack([reciprocal_ranks(entry, test) for entry in (vectors, trained)])


def row(projection: ProjectionRecipe, folds: list[Measures]) -> str:
    """Return a line of the Markdown table."""
    every = np.concatenate(folds)
    base, trained = every.mean(axis=0)
    gains = every[:, 1] - every[:, 0]
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    each = ", ".join(f"{fold[:, 1].mean():.3f}" for fold in folds)
    return (
        f"| {projection.name} | {len(every):,} | {base:.3f} | {trained:.3f} | {trained / base:.3f} "
        f"| {gains.mean():+.4f} ({error:.4f}) | {each} |"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("--only", action="append", help="a projection; may be repeated")
    options = parser.parse_args()
    workspace = open_workspace(find_project(options.project))
    print(
        "| projection | queries | base MRR | trained MRR | ratio | gain (standard error) | trained MRR of each fold |"
    )
    print("|---|---|---|---|---|---|---|")
    for projection in workspace.recipe.projections:
        if options.only and projection.name not in options.only:
            continue
        by_time = projection.training.pair_type in SPLIT_BY_TIME
        with blas_on_one_thread():
            folds = [measure(workspace, projection, fold) for fold in range(TIME_FOLDS if by_time else HASH_FOLDS)]
        print(row(projection, folds), flush=True)


if __name__ == "__main__":
    main()
