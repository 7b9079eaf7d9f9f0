"""A question to everything that was published, as far as the asker's groups may see it: one ranked list."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from patina_assets.search.asking.filters import MOST_PATTERN_CHARACTERS, NO_FILTERS, Filters
from patina_assets.search.asking.question_map import by_group
from patina_assets.search.asking.question_model import leanings
from patina_assets.search.base_model import asked_with, base_settings, embed_query, is_static
from patina_assets.search.fusion import Hit
from patina_assets.search.published.near import QuestionVectors
from patina_assets.search.published.passages import NearPassages, PublishedPassages
from patina_assets.search.published.scope import Scope
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.search.published.store import SharedModel, stored_model
from patina_assets.search.question_lists import OTHERS_SHOWN, hit, merged, named, ranked_answer
from patina_assets.search.ranking import RankedThing
from patina_assets.search.searcher import refuse_empty
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec, resolve_base
from patina_resources.errors import PatinaError
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import StoreError
from patina_resources.store.mothership import Mothership, mothership

if TYPE_CHECKING:
    import psycopg

DEPTH = 50
# Of vectors. With more, their index is asked twice where a filter lets every second passage through.
NEAR_DEPTH = 30
MOST_RESULTS = 100
# Among so many, the project that is meant is found more often than not (docs/fleet-search.md).
MOST_PROJECTS = 5


@dataclass(frozen=True)
class FleetQuestion:
    """A question to the fleet.

    Attributes:
        text: The question.
        k: Number of results.
        filters: What results are limited to.
        projects: A glob over names of projects; None for all.
        group: Only projects that this group may see; None for all groups of the asker.
    """

    text: str
    k: int = 10
    filters: Filters = NO_FILTERS
    projects: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class FleetHit:
    """A result with the name of the project that it is of."""

    project: str
    hit: Hit


@dataclass(frozen=True)
class FleetAnswer:
    """What a question found.

    Attributes:
        hits: Best first.
        doubtful: Whether nothing that was found seems to answer.
        projects: Names of those that the question is likeliest about, best first; none where one alone is searched.
    """

    hits: list[FleetHit]
    doubtful: bool
    projects: tuple[str, ...] = ()


def answer_of_fleet(
    connection: "psycopg.Connection[Any]", address: FleetAddress, groups: Sequence[str], question: FleetQuestion
) -> FleetAnswer:
    """Answer a question from what some groups may see.

    What they may not see leaves no trace: neither in the results nor in what a word weighs. Projects that do not exist
    and projects that are hidden give the same answer.

    Args:
        connection: In autocommit mode.
        address: Where it leads, for an error.
        groups: The groups of the asker, from `checked_groups`.
        question: The question.

    Raises:
        PatinaError: The question is empty, or the store or the model cannot be used.
    """
    refuse_empty(question.text)
    if question.projects is not None and len(question.projects) > MOST_PATTERN_CHARACTERS:
        raise PatinaError(f"--project: expected at most {MOST_PATTERN_CHARACTERS} characters")
    own = [group for group in groups if question.group in (None, group)]
    with asking(connection, address, own) as seen, ThreadPoolExecutor(1) as beside:
        model = stored_model(seen)
        spec, files = _model(model, mothership())
        # Postgres looks for words meanwhile.
        embedded = beside.submit(_vectors, spec, files, question.text)
        projects = seen_projects(seen, question.projects)
        scope = Scope(question.filters, projects, question.projects is None)
        if not projects:
            return FleetAnswer([], doubtful=True)
        names = {project.number: project.name for project in projects}
        return answer_of_passages(PublishedPassages(seen, scope, question.text), names, question, embedded.result, spec)


def answer_of_passages(
    passages: PublishedPassages,
    names: dict[int, str],
    question: FleetQuestion,
    embedded: Callable[[], QuestionVectors],
    spec: BaseSpec,
) -> FleetAnswer:
    """Rank as in one project, but for projections, which differ from project to project.

    Args:
        passages: What the asker may see and asks for.
        names: Of their projects, by number.
        question: The question.
        embedded: Returns the question's vectors once they are needed.
        spec: The model that they are of.
    """
    text, k = question.text, min(question.k, MOST_RESULTS)
    depth = max(DEPTH, k)
    words = passages.words(text, depth)
    vectors = embedded()
    near = passages.near(vectors, max(NEAR_DEPTH, k)) if vectors.own.any() else NearPassages({}, {}, {})
    likeliest = [names[number] for number in passages.likeliest(near.own)[:MOST_PROJECTS]] if len(names) > 1 else []
    lists = merged(words, near.found, named(passages, text, depth), {}, question.filters)
    if not lists:
        return FleetAnswer([], doubtful=True)
    leaning = leanings(text, spec, vectors.own)
    ranked = ranked_answer(passages, text, lists, k, is_static=is_static(spec), leaning=leaning, cosines=near.cosines)
    passages.read({key for thing, _ in ranked.things for key in _read_of(thing)})
    hits = [
        FleetHit(names[passages.projects[thing.keys[0]]], hit(passages, thing, score)) for thing, score in ranked.things
    ]
    return FleetAnswer(hits, ranked.doubtful, tuple(likeliest))


def _vectors(spec: BaseSpec, files: BaseFiles, text: str) -> QuestionVectors:
    """Return the vectors of a question as passages are asked with them."""
    vector = embed_query(spec, files, text)
    others = by_group(text, spec, files, vector)
    return QuestionVectors(asked_with(spec, vector), {group: asked_with(spec, own) for group, own in others.items()})


def _read_of(thing: RankedThing) -> tuple[int, ...]:
    return thing.keys[: 4 * OTHERS_SHOWN]


@lru_cache(maxsize=4)
def _model(model: SharedModel, home: Mothership) -> tuple[BaseSpec, BaseFiles]:
    """Return the fleet's model as this machine has it.

    Raises:
        PatinaError: It is missing, or is another one here.
    """
    try:
        spec = resolve_base(load_registry(home), model.name)
        files = BaseFiles(tuple(cached_model(home, part) for part in spec.parts))
    except PatinaError as error:
        raise StoreError(f"the fleet's model: {error}") from error
    if (files.digest, base_settings(spec), spec.dims) != (model.digest, model.settings, model.dims):
        raise StoreError(
            f"the fleet's vectors are of {model.name} with the digest {model.digest[:12]}, here it has "
            f"{files.digest[:12]}: `patina model list` shows which one is pinned"
        )
    return spec, files
