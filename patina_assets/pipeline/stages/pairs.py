"""What a projection learns from: items, which of them belong together, and triplets drawn from that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from patina_assets.pairs.entities import EntityRelations, entity_relations
from patina_assets.pairs.items import Item
from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.relations import relate, related_texts, unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pipeline.formats import (
    RelationsFile,
    decode_entity_relations,
    decode_relations,
    encode_entity_relations,
    encode_items,
    encode_pairs,
    encode_relations,
    keep_items,
    keep_relations,
)
from patina_assets.pipeline.stages.display import Column, Table, beginning
from patina_assets.pipeline.stages.stage import (
    ITEMS,
    Built,
    CheckResult,
    ItemStage,
    Work,
    digest_of_all,
    hashed,
    read_rows,
    sorted_sources,
)
from patina_assets.recipe.model import ProjectionRecipe
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.store.artifacts import BuiltProjection

POSITIVES_ARE_RELATED = "positives_are_related"
NEGATIVES_ARE_UNRELATED = "negatives_are_unrelated"
TEST_IS_UNSEEN = "test_pairs_are_not_in_training"

# With fewer related pairs there is nothing to learn from and nothing to measure on.
MINIMUM_PAIRS = 20
ROLES_OF_TRIPLET = ("anchor", "positive", "negative")
SAMPLE_TRIPLETS = 10
SAMPLE_CHARACTERS = 1_000
# Ten triplets fit on some screens.
CELL_CHARACTERS = 200
PAIRS = "pairs.jsonl"
RELATIONS = "relations.safetensors"
# A function of the others: what is trained is compared by it, and nothing is computed from it.
KNOWN = "known.safetensors"


class NoSignalError(PatinaError):
    """The eventlog has too little for a projection to learn from."""


@dataclass(frozen=True)
class PairsStage(ItemStage):
    """Items, contexts and triplets of one projection."""

    recipe: ProjectionRecipe
    pair_type: PairType

    name = "pairs"
    version = 4
    kinds = frozenset({"python"})
    description = (
        "What `{name}` learns from: items, the relations between them, and triplets (anchor, positive, negative) "
        "that are drawn from the relations."
    )
    promised = MappingProxyType(
        {
            POSITIVES_ARE_RELATED: "Anchor and positive of every triplet share a context.",
            NEGATIVES_ARE_UNRELATED: "Anchor and negative of no triplet share a context.",
            TEST_IS_UNSEEN: "No pair that is tested on is trained on.",
        }
    )
    columns = (Column("pairs", ("training_pairs",), spare=3),)

    @property
    def projection(self) -> str:
        """Name of its projection."""
        return self.recipe.name

    @property
    def sources(self) -> tuple[Source, ...]:
        """Those of the pair type."""
        return sorted_sources([self.pair_type])

    @property
    def defining_types(self) -> tuple[PairType, ...]:
        """Its pair type."""
        return (self.pair_type,)

    def described(self) -> str:
        """Return what it is, and how its pair type defines what belongs together."""
        definition = (self.pair_type.derive.__doc__ or "").split("\n\n")[0]
        return f"{super().described()}\n\n`{self.pair_type.name}` over `{self.pair_type.source.name}`: {definition}"

    def inputs(self) -> dict[str, object]:
        """Return the pair type and how triplets are sampled."""
        training = self.recipe.training
        return {
            "pair type": self.pair_type.fingerprint,
            "pairs": training.pairs,
            "seed": training.seed,
            **({} if training.min_count is None else {"min_count": training.min_count}),
        }

    def build(self, work: Work) -> Built:
        """Read the sources, derive items and contexts, sample triplets."""
        rows, sources = read_rows(work.eventlog, self.sources)
        return replace(build_pairs(self.recipe, self.pair_type, rows), sources=sources)

    def known(self, built: BuiltProjection) -> EntityRelations:
        """Return the relations that were published, by entity."""
        return decode_entity_relations(built.stage(self.name).read(KNOWN))

    def known_now(self, eventlog: Eventlog) -> EntityRelations:
        """Return the relations that the eventlog tells of, by entity; nothing is built."""
        rows, _ = read_rows(eventlog, self.sources)
        data = self.pair_type.derive(rows, self.pair_type.options(self.recipe.training.min_count))
        texts, text_rows = unique_texts(data.items)
        return entity_relations(data.items, text_rows, related_texts(relate(texts, data.contexts)))

    def relations(self, built: BuiltProjection) -> RelationsFile:
        """Return the contexts and triplets that were published."""
        return decode_relations(built.stage(self.name).read(RELATIONS))

    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Check the triplets against the contexts, and the test against the training part."""
        from patina_assets.learning.evaluate import held_out_task, leaked_pairs

        file = self.relations(built)
        related = related_texts(file.relations)
        anchors, positives, negatives = file.triplets.T
        unrelated = int((~related.contains(anchors, positives)).sum())
        wrong = int((related.contains(anchors, negatives) | (anchors == negatives)).sum())
        leaked = leaked_pairs(file.relations, file.training_triplets)
        asked = held_out_task(file.relations).relevant.keys.size // 2
        total = len(file.triplets)
        return [
            CheckResult(
                POSITIVES_ARE_RELATED,
                unrelated == 0,
                f"{unrelated} of {total} positives share no context with the anchor",
            ),
            CheckResult(
                NEGATIVES_ARE_UNRELATED, wrong == 0, f"{wrong} of {total} negatives are positives of the anchor"
            ),
            CheckResult(
                TEST_IS_UNSEEN, leaked == 0, f"{leaked} of {asked} test pairs are in training, in either order"
            ),
        ]

    def metadata(self, built: BuiltProjection) -> dict[str, Any]:
        """Return the facts, with some triplets as a table."""
        facts = super().metadata(built)
        samples = [
            {"role": role, "text": beginning(text, CELL_CHARACTERS)}
            for triplet in facts.pop("samples", [])
            for role, text in zip(ROLES_OF_TRIPLET, triplet, strict=True)
        ]
        return {"samples": Table(samples), **facts}


def build_pairs(projection: ProjectionRecipe, pair_type: PairType, rows: Mapping[str, Sequence[Row]]) -> Built:
    """Return items, contexts and triplets of a projection.

    Raises:
        NoSignalError: The eventlog holds no signal for it.
    """
    # Imported late: who only looks at what is stale must not wait for them.
    from patina_assets.learning.evaluate import held_out_task
    from patina_assets.pairs.triplet import sample_triplets

    training = projection.training
    data = pair_type.derive(rows, pair_type.options(training.min_count))
    items = sorted(data.items, key=Item.order)
    texts, rows_of_texts = unique_texts(items)
    relations = relate(texts, data.contexts, data.apart)
    related = related_texts(relations)
    positives = related.keys.size // 2
    if positives < MINIMUM_PAIRS:
        raise NoSignalError(_no_signal(projection, pair_type, positives))
    fitting = relations.only(Split.TRAIN)
    triplets = sample_triplets(relations, related, training.pairs, training.seed)
    if not triplets.size:
        raise NoSignalError(
            f"{projection.name}: no negatives: every text of {pair_type.source.name} belongs with every other, "
            f"so {pair_type.name} has nothing to tell apart; remove {projection.name} from the recipe"
        )
    training_triplets = sample_triplets(fitting, related_texts(fitting), training.pairs, training.seed)
    if not training_triplets.size:
        raise NoSignalError(
            f"{projection.name}: no negatives in the part that training sees (the oldest 80 % of commits, 80 % of "
            f"sessions or files): its texts of {pair_type.source.name} all belong together; more events may change "
            f"that, or remove {projection.name} from the recipe"
        )
    test = held_out_task(relations)
    facts: dict[str, Any] = {
        "items": len(items),
        "unique_texts": len(texts),
        "related_pairs": int(positives),
        "training_pairs": len(triplets),
        "contexts": {split.name.lower(): int((relations.split == split).sum()) for split in Split},
        "test_queries": int(test.queries.size),
        "rows": {name: len(source) for name, source in rows.items()},
        "samples": [
            [texts[row][:SAMPLE_CHARACTERS] for row in triplet] for triplet in triplets[:SAMPLE_TRIPLETS].tolist()
        ],
    }
    file = RelationsFile(relations, triplets, training_triplets)
    contents = {
        PAIRS: encode_pairs(texts, triplets),
        ITEMS: encode_items(items),
        RELATIONS: encode_relations(file),
    }
    keep_items(contents[ITEMS], items)
    keep_relations(contents[RELATIONS], file)
    digests = hashed(contents)
    known = {KNOWN: encode_entity_relations(entity_relations(items, rows_of_texts, related))}
    return Built(contents | known, digests | hashed(known), digest_of_all(digests), facts)


def _no_signal(projection: ProjectionRecipe, pair_type: PairType, pairs: int) -> str:
    return (
        f"{projection.name}: the eventlog holds {pairs} related pairs for {pair_type.name}, expected at least "
        f"{MINIMUM_PAIRS}: it lacks {pair_type.missing}; materialize them, or remove {projection.name} from the recipe"
    )
