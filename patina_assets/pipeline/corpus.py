"""The embedded default model: which texts it learns its words from, whether it is ready, and how it is built.

The texts are everything that any pair type makes an item of, and every commit message. Not so a state's text: it lists
which files were worked on together, so a model that learned its words from it would know the future co-changes that
`temporal` is tested on (docs/experiments.md has the numbers).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from patina_assets.pairs.relations import PairType
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pairs.types.effect_similarity import EFFECT_SIMILARITY
from patina_assets.pairs.types.state_similarity import STATE_SIMILARITY
from patina_assets.pipeline.staleness import BUILT_ELSEWHERE, ModelState, joint_state
from patina_assets.search.base_model import MODEL_STAGE, base_files, corpus_model_paths, settings_text
from patina_resources.corpus.model import REBUILD_ABOVE, build_corpus_model, unknown_share
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.eventlog.payloads import EVENT_DATA
from patina_resources.eventlog.reader import NOT_RETRACTED, Eventlog, Look, Row, Source
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import CORPUS_STATIC, ModelSpec, model_digest
from patina_resources.project.project import Project
from patina_resources.store.artifacts import damages, publish_stage, verified_path
from patina_resources.store.files import sha256, write_if_changed
from patina_resources.store.manifests import BuiltElsewhereError, StageInput, StageRecord, read_manifest
from patina_resources.store.mothership import Mothership

COMMIT_MESSAGES = Source(
    "git.messages",
    f"""
WITH event AS MATERIALIZED (
    SELECT seq, {EVENT_DATA} AS data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {NOT_RETRACTED}
)
SELECT MIN(seq), json_extract(data, '$.message')
FROM event
WHERE json_type(data, '$.message') = 'text'
GROUP BY 2
ORDER BY 1
""",
)


def corpus_sources() -> list[Source]:
    """Return every source that corpus texts come from, each once."""
    sources = {source.name: source for pair_type in _read_types() for source in pair_type.sources}
    return [*sources.values(), COMMIT_MESSAGES]


def corpus_texts(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return the unique texts, sorted.

    Args:
        rows: The rows of `corpus_sources` by source name.
    """
    texts = {item.text for pair_type in _read_types() for item in pair_type.derive(rows).items}
    texts |= {message for _, message in rows[COMMIT_MESSAGES.name]}
    return sorted(texts)


def model_state(project: Project, mothership: Mothership, spec: BaseSpec, eventlog: Eventlog, look: Look) -> ModelState:
    """Return whether the base model is ready: every model that stands in it.

    Args:
        project: The project.
        mothership: Where downloaded models are.
        spec: The base model.
        eventlog: Read only where the corpus model has not seen its present texts.
        look: Digests of at least the corpus sources.

    Raises:
        PatinaError: A model that is not built here is missing or damaged.
    """
    return joint_state([_state(project, mothership, part, eventlog, look) for part in spec.parts])


def state_on_disk(project: Project, mothership: Mothership, spec: BaseSpec) -> ModelState:
    """Return the base model as it is, whether or not it should be built again.

    Raises:
        PatinaError: It is missing or damaged.
    """
    parts = zip(spec.parts, base_files(project, mothership, spec).parts, strict=True)
    return joint_state([ModelState(part.name, files.digest, settings_text(part)) for part, files in parts])


def _state(project: Project, mothership: Mothership, spec: ModelSpec, eventlog: Eventlog, look: Look) -> ModelState:
    """Return the state of one model."""
    settings = settings_text(spec)
    if spec.name != CORPUS_STATIC:
        return ModelState(spec.name, cached_model(mothership, spec).digest, settings)
    paths = corpus_model_paths(project)
    try:
        record = read_manifest(paths.manifest).get(MODEL_STAGE)
    except BuiltElsewhereError:
        return ModelState(spec.name, None, settings, (BUILT_ELSEWHERE,))
    except PatinaError as error:
        return ModelState(spec.name, None, settings, (str(error),))
    if record is None:
        return ModelState(spec.name, None, settings, ("never built",))
    damage = damages(paths, record)
    if damage:
        return ModelState(spec.name, None, settings, damage)
    share = _unknown_share(project, eventlog, look, record)
    if share > REBUILD_ABOVE:
        reason = f"{share:.0%} of the words are unknown to it (limit {REBUILD_ABOVE:.0%})"
        return ModelState(spec.name, record.digest, settings, (reason,))
    return ModelState(spec.name, record.digest, settings)


def build_model(project: Project, eventlog: Eventlog, report: Callable[[str], None]) -> StageRecord:
    """Build the corpus model from all texts of the eventlog and put it in its place. The caller holds the mutex.

    Raises:
        PatinaError: The eventlog has no text.
    """
    rows = eventlog.read(corpus_sources())
    texts = corpus_texts({name: source.rows for name, source in rows.items()})
    report(f"model/{CORPUS_STATIC}: learning words from {len(texts)} texts")
    model = build_corpus_model(texts)
    digest = model_digest(sha256(model.onnx), sha256(model.tokenizer))
    inputs = {"texts": StageInput(_texts_digest({name: read.digest for name, read in rows.items()}), len(texts))}
    facts = {"texts": len(texts), "model_bytes": len(model.onnx), "tokenizer_bytes": len(model.tokenizer)}
    paths = corpus_model_paths(project)
    contents = {paths.folder / "model.onnx": model.onnx, paths.folder / "tokenizer.json": model.tokenizer}
    return publish_stage(paths, MODEL_STAGE, StageRecord(digest, inputs, digest, {}, facts=facts), contents)


def _read_types() -> list[PairType]:
    """Return the pair types whose items are read: not states, and not effects, whose texts commit_touches has."""
    return [entry for entry in PAIR_TYPES.values() if entry not in (STATE_SIMILARITY, EFFECT_SIMILARITY)]


def _unknown_share(project: Project, eventlog: Eventlog, look: Look, record: StageRecord) -> float:
    """Return the share of words that the frozen corpus model does not know; remembered until the texts change."""
    sources = corpus_sources()
    texts = _texts_digest({source.name: look.digests[source.name].digest for source in sources})
    if record.inputs["texts"].value == texts:
        return 0.0
    key = f"{record.digest} {texts}"
    memory = project.corpus_model_folder() / "unknown-share.json"
    with suppress(OSError, ValueError, KeyError, TypeError):
        return float(json.loads(memory.read_bytes())[key])
    rows = eventlog.read(sources)
    tokenizer = verified_path(corpus_model_paths(project), record, "tokenizer.json")
    share: float = unknown_share(tokenizer.read_bytes(), corpus_texts({name: read.rows for name, read in rows.items()}))
    with suppress(PatinaError):  # what cannot be remembered is counted again
        write_if_changed(memory, json.dumps({key: share}).encode())
    return share


def _texts_digest(digests: Mapping[str, str]) -> str:
    return sha256(json.dumps(sorted(digests.items())).encode())
