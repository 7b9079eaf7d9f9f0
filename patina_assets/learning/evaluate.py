"""How well vectors rank related texts first, on contexts that training has not seen."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.relations import RelatedTexts, Relations, evenly, related_texts
from patina_assets.pairs.splits import Split
from patina_resources.arrays import Int32, Mask, sorted_unique

MAX_QUERIES = 2000
MAX_CANDIDATES = 20000
QUERY_BLOCK = 256
RECALL_DEPTH = 10
# Texts of the same words in another order have the same vector but for rounding: such cosines are level.
TIE_DECIMALS = 5
# Cosines further apart than this differ once they are rounded.
CLOSE = 2 * 10.0**-TIE_DECIMALS
RESAMPLES = 2000
# Queries of several resamples: one by one, few queries take longer to ask for than to add.
DRAWN_AT_ONCE = 1 << 15
INTERVAL = (2.5, 97.5)
# What is measured of each query, in the order of the columns of `query_scores`.
METRICS = ("mrr", "recall_at_10", "triplet_accuracy")

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class RankingTask:
    """Queries, the candidates to rank for each, and which of them are relevant.

    Attributes:
        queries: int32 [q]; rows of texts, each with at least one relevant candidate.
        candidates: int32 [c]; rows of texts.
        relevant: Pairs of texts that the held-out contexts relate and training does not know.
        known: Pairs that training knows, or that share an `apart` key: neither right nor wrong, so left out of the
            ranking.
    """

    queries: Int32
    candidates: Int32
    relevant: RelatedTexts
    known: RelatedTexts


def ranking_task(held_out: Relations, known: RelatedTexts) -> RankingTask:
    """Return the task of ranking, for each text of the held-out contexts, all texts of those contexts.

    A pair that training knows, in either order or by equal text, is left out, for queries and for candidates
    (the "filtered" setting of Bordes et al. 2013, Translating Embeddings for Modeling Multi-relational Data).

    Args:
        held_out: Contexts of the validation or test part.
        known: Pairs related by the parts that were trained on.
    """
    related = related_texts(held_out)
    texts = max(held_out.texts, 1)
    candidates = evenly(held_out.member_rows(), MAX_CANDIDATES)
    new = ~known.contains(related.keys // texts, related.keys % texts) & np.isin(related.keys % texts, candidates)
    keys = related.keys[new]
    return RankingTask(
        queries=evenly(sorted_unique(keys // texts).astype(np.int32), MAX_QUERIES),
        candidates=candidates,
        relevant=RelatedTexts(keys, held_out.texts, held_out.apart),
        known=known,
    )


def new_relations_task(relations: Relations, is_new: Callable[[Int32, Int32], Mask]) -> RankingTask:
    """Return the task of ranking all related texts, where only relations that are new are asked for.

    Args:
        relations: All contexts.
        is_new: Returns bool, one for each pair of rows of texts: is the relation between them new? The others are left
            out of the ranking.
    """
    related = related_texts(relations)
    first, second = (rows.astype(np.int32) for rows in np.divmod(related.keys, max(relations.texts, 1)))
    new = is_new(first, second)
    candidates = evenly(relations.member_rows(), MAX_CANDIDATES)
    asked = new & np.isin(second, candidates)
    return RankingTask(
        queries=evenly(sorted_unique(first[asked]), MAX_QUERIES),
        candidates=candidates,
        relevant=RelatedTexts(related.keys[asked], relations.texts, relations.apart),
        known=RelatedTexts(related.keys[~new], relations.texts, relations.apart),
    )


# Of the same relations, a stage and its checks ask one after the other.
@lru_cache(maxsize=1)
def held_out_task(relations: Relations) -> RankingTask:
    """Return the task of the test part: what the validation part knows is left out like what training knows."""
    return ranking_task(relations.only(Split.TEST), related_texts(relations.only(Split.TRAIN, Split.VALIDATION)))


def leaked_pairs(relations: Relations, training_triplets: Int32) -> int:
    """Return how many pairs of texts the test asks for although training was told of them, in either order.

    Args:
        relations: All contexts with their splits, over rows of unique texts: equal texts are one row.
        training_triplets: int32 [k, 3]; what the measured projection is trained on.
    """
    anchors, positives, _ = training_triplets.T
    asked = held_out_task(relations).relevant
    one, other = np.minimum(anchors, positives).astype(np.int64), np.maximum(anchors, positives)
    first, second = np.divmod(sorted_unique(one * relations.texts + other), max(relations.texts, 1))
    return int((asked.contains(first, second) | asked.contains(second, first)).sum())


def query_scores(vectors: NDArray[np.float32], task: RankingTask) -> Scores:
    """Return float64 [q, 3]: of each query, what `METRICS` names. Candidates are ranked by cosine.

    - mrr: 1 / rank of the first relevant candidate (Voorhees 1999, The TREC-8 Question Answering Track Report).
    - recall_at_10: the share of the relevant candidates that rank among the first ten.
    - triplet_accuracy: the share of all (query, relevant, irrelevant) triplets in which the relevant one is closer;
      the area under the query's ROC curve (Hanley and McNeil 1982).

    Irrelevant candidates with the same cosine as a relevant one are counted half: their mean rank.

    Args:
        vectors: float32 [texts, dim], unit rows.
        task: What to rank.
    """
    scores = np.ones((task.queries.size, len(METRICS)))
    for start, cosines, relevant, irrelevant in _cosines(vectors, task):
        for row in range(len(cosines)):
            scores[start + row] = scores_of_query(cosines[row, relevant[row]], cosines[row, irrelevant[row]])
    return scores


def reciprocal_ranks(vectors: NDArray[np.float32], task: RankingTask) -> Scores:
    """Return float64 [q]: the first column of `query_scores`, without the work that the others ask for.

    Args:
        vectors: float32 [texts, dim], unit rows.
        task: What to rank.
    """
    ranks = np.ones(task.queries.size)
    for start, cosines, relevant, irrelevant in _cosines(vectors, task):
        best = np.where(relevant, cosines, -np.inf).max(axis=1, keepdims=True)
        further = cosines - best
        above = (irrelevant & (further > CLOSE)).sum(axis=1)
        # Only what is close to the best can be level with it once rounded.
        rows, columns = np.nonzero(irrelevant & (np.abs(further) <= CLOSE))
        beyond = cosines[rows, columns].round(TIE_DECIMALS) - best[rows, 0].round(TIE_DECIMALS)
        above += np.bincount(rows[beyond > 0], minlength=len(best))
        ranks[start : start + len(best)] += above + np.bincount(rows[beyond == 0], minlength=len(best)) / 2
    return 1 / ranks


def mean_reciprocal_rank(vectors: NDArray[np.float32], task: RankingTask) -> float | None:
    """Return the mean of `reciprocal_ranks`, or None for a task without queries."""
    return float(reciprocal_ranks(vectors, task).mean()) if task.queries.size else None


def _cosines(
    vectors: NDArray[np.float32], task: RankingTask
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Yield, for some queries at a time: the first one's number, cosines [q, c], and what is relevant and what not."""
    candidates = vectors[task.candidates]
    for start in range(0, task.queries.size, QUERY_BLOCK):
        queries = task.queries[start : start + QUERY_BLOCK]
        relevant = task.relevant.mask(queries, task.candidates)
        irrelevant = ~relevant & ~task.known.never_negative_mask(queries, task.candidates)
        irrelevant &= queries[:, None] != task.candidates[None, :]
        yield start, vectors[queries] @ candidates.T, relevant, irrelevant


def evaluation_rows(scores: Mapping[str, Scores], seed: int) -> list[dict[str, str | float]]:
    """Return a table: a row for each kind of vectors, with each metric's mean and its 95 % interval.

    The same queries are drawn for every row, and the last row, `gain`, is that of trained - base query by query: where
    its interval is above 0, the gain is more than the luck of which queries were asked.

    Args:
        scores: `query_scores` of `base`, `random` and `trained`, with at least one query.
        seed: Seed of the bootstrap.
    """
    rows: list[dict[str, str | float]] = []
    for kind, values in {**scores, "gain": scores["trained"] - scores["base"]}.items():
        lower, upper = bootstrap_interval(values, seed).tolist()
        means = values.mean(axis=0).tolist()
        row: dict[str, str | float] = {"vectors": kind}
        for metric, mean, low, high in zip(METRICS, means, lower, upper, strict=True):
            row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return rows


def bootstrap_interval(scores: Scores, seed: int) -> Scores:
    """Return float64 [2, m]: the lower and upper end of the 95 % interval of each column's mean.

    The percentile bootstrap over queries (Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13).

    Args:
        scores: float64 [q, m], a row for each query, at least one.
        seed: Same seed and number of queries, same draws.
    """
    random = np.random.default_rng(seed)
    count = len(scores)
    at_once = max(DRAWN_AT_ONCE // count, 1)
    sizes = [min(at_once, RESAMPLES - done) for done in range(0, RESAMPLES, at_once)]
    means = [scores[random.integers(0, count, (size, count))].mean(axis=1) for size in sizes]
    ends: Scores = np.percentile(np.concatenate(means), INTERVAL, axis=0)
    return ends


def scores_of_query(relevant: NDArray[np.float32], irrelevant: NDArray[np.float32]) -> tuple[float, float, float]:
    """Return the `METRICS` of one query.

    Args:
        relevant: float32, the cosines of its relevant candidates, at least one.
        irrelevant: float32, those of its irrelevant candidates.
    """
    order = np.sort(irrelevant.round(TIE_DECIMALS))
    best_first = np.sort(relevant.round(TIE_DECIMALS))[::-1]
    below = np.searchsorted(order, best_first, "left")
    level = np.searchsorted(order, best_first, "right") - below
    above = order.size - below - level
    ranks = np.arange(1, best_first.size + 1) + above + level / 2
    # Without an irrelevant candidate no triplet can be wrong.
    accuracy = float((below + level / 2).mean() / order.size) if order.size else 1.0
    return 1.0 / float(ranks[0]), float((ranks <= RECALL_DEPTH).mean()), accuracy
