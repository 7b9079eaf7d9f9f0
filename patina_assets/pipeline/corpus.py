"""The embedded default model: which texts it learns its words from, whether it is ready, and how it is built.

The texts are those of the items of each pair type that says so (`teaches_corpus_model`), and every commit message.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from patina_assets.pairs.hash_sample import drift_between, sample_of, text_hashes
from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import decode_sample, encode_sample
from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.staleness import BaseModelState, joint_state
from patina_assets.search.base_model import MODEL_STAGE, corpus_model_paths, settings_text
from patina_resources.corpus.limits import REBUILD_ABOVE, REBUILD_ABOVE_NEW_TEXTS
from patina_resources.documents.json_value import json_value
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.eventlog.live import LIVE
from patina_resources.eventlog.looks.memory import Look
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import CORPUS_STATIC, ModelSpec, model_digest
from patina_resources.project.project import Project
from patina_resources.store.artifacts import damages, publish_stage, read_output, verified_path
from patina_resources.store.files import sha256, write_if_changed
from patina_resources.store.manifests import BuiltElsewhereError, StageInput, StageRecord, read_manifest
from patina_resources.store.mothership import Mothership
from patina_resources.store.paths import ProjectionPaths

# Role of the hashes of the texts that the model was built from.
TEXTS = "texts.safetensors"
# What the model has not seen is counted again after so many new events, or rows, as a share of those that there are.
RECOUNT_ABOVE = 0.01
COMMIT_MESSAGES = Source(
    "git.messages",
    f"""
WITH event AS MATERIALIZED (
    SELECT data
    FROM eventlog
    WHERE event_type = 'git.commit' AND {LIVE}
)
SELECT DISTINCT json_extract(data, '$.message')
FROM event
WHERE json_type(data, '$.message') = 'text'
ORDER BY 1
""",
)


def corpus_sources() -> list[Source]:
    """Return every source that corpus texts come from, each once."""
    sources = {source.name: source for pair_type in _teaching_types() for source in pair_type.sources}
    return [*sources.values(), COMMIT_MESSAGES]


def model_sources(spec: BaseSpec) -> list[Source]:
    """Return the sources that a base model is built from: none where it is not built here."""
    return corpus_sources() if any(part.name == CORPUS_STATIC for part in spec.parts) else []


def corpus_texts(rows: Mapping[str, Sequence[Row]]) -> list[str]:
    """Return the unique texts, sorted.

    Args:
        rows: The rows of `corpus_sources` by source name.
    """
    texts = {item.text for pair_type in _teaching_types() for item in pair_type.derive(rows).items}
    texts |= {message for (message,) in rows[COMMIT_MESSAGES.name]}
    return sorted(texts)


def base_model_state(
    project: Project, mothership: Mothership, spec: BaseSpec, eventlog: Eventlog, look: Look
) -> BaseModelState:
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


def state_of_files(spec: BaseSpec, files: BaseFiles) -> BaseModelState:
    """Return the base model as it is, whether or not it should be built again."""
    parts = zip(spec.parts, files.parts, strict=True)
    return joint_state([BaseModelState(part.name, files.digest, settings_text(part)) for part, files in parts])


def _state(project: Project, mothership: Mothership, spec: ModelSpec, eventlog: Eventlog, look: Look) -> BaseModelState:
    """Return the state of one model."""
    settings = settings_text(spec)
    if spec.name != CORPUS_STATIC:
        return BaseModelState(spec.name, cached_model(mothership, spec).digest, settings)
    digest, reasons, drift = _corpus_model(project, eventlog, look)
    return BaseModelState(spec.name, digest, settings, reasons, drift)


@dataclass(frozen=True)
class Unseen:
    """What the frozen corpus model has not seen of today's texts.

    Attributes:
        words: The share of words that are unknown to it.
        texts: The share of texts that it was not built from; None where an older version did not note from which.
        exact: Whether it was built from exactly the texts that there are.
    """

    words: float = 0.0
    texts: float | None = 0.0
    exact: bool = True

    def reasons(self) -> tuple[Reason, ...]:
        """Return why the model must be built anew; nothing where it has seen enough."""
        found = []
        if self.words > REBUILD_ABOVE:
            found.append(Reason(ReasonKind.UNKNOWN_WORDS, before=REBUILD_ABOVE, after=self.words))
        if self.texts is not None and self.texts > REBUILD_ABOVE_NEW_TEXTS:
            found.append(Reason(ReasonKind.NEW_TEXTS, before=REBUILD_ABOVE_NEW_TEXTS, after=self.texts))
        return tuple(found)

    def drift(self) -> tuple[Reason, ...]:
        """Return what it has seen, as a reason; nothing where that is all there is."""
        if self.exact:
            return ()
        if self.texts is None:
            return (Reason(ReasonKind.UNKNOWN_WORDS, before=REBUILD_ABOVE, after=self.words),)
        return (Reason(ReasonKind.LEARNED_FROM, before=self.words, after=1 - self.texts),)


def _corpus_model(
    project: Project, eventlog: Eventlog, look: Look
) -> tuple[str | None, tuple[Reason, ...], tuple[Reason, ...]]:
    """Return the digest of the model that is built here, why it must be built, and its drift; None if it is no use."""
    paths = corpus_model_paths(project)
    try:
        record = read_manifest(paths.manifest).get(MODEL_STAGE)
    except BuiltElsewhereError:
        return None, (Reason(ReasonKind.BUILT_ELSEWHERE),), ()
    except PatinaError:
        return None, (Reason(ReasonKind.DAMAGED, paths.manifest.name),), ()
    if record is None:
        return None, (Reason(ReasonKind.NEVER_BUILT),), ()
    damage = damage_reasons(paths, record)
    if damage:
        return None, damage, ()
    unseen = _unseen(project, eventlog, look, record)
    return record.digest, unseen.reasons(), unseen.drift()


def damage_reasons(paths: ProjectionPaths, record: StageRecord) -> tuple[Reason, ...]:
    """Return what is wrong with a stage's files as reasons to build it."""
    kinds = {"missing": ReasonKind.MISSING, "damaged": ReasonKind.DAMAGED}
    return tuple(Reason(kinds[damage.state], damage.file) for damage in damages(paths, record))


def build_model(project: Project, eventlog: Eventlog, report: Report) -> StageRecord:
    """Build the corpus model from all texts of the eventlog and put it in its place. The caller holds the mutex.

    Raises:
        PatinaError: The eventlog has no text.
    """
    from patina_resources.corpus.model import build_corpus_model

    rows = eventlog.read(corpus_sources())
    texts = corpus_texts({name: source.rows for name, source in rows.items()})
    report(Progress(f"model/{CORPUS_STATIC}", 0, 0, "", f"learning words from {len(texts)} texts"))
    model = build_corpus_model(texts)
    paths = corpus_model_paths(project)
    contents = {paths.folder / "model.onnx": model.onnx, paths.folder / "tokenizer.json": model.tokenizer}
    digests = {path: sha256(data) for path, data in contents.items()}
    digest = model_digest(*digests.values())
    contents[paths.folder / TEXTS] = encode_sample(sample_of(text_hashes(texts)))
    digests[paths.folder / TEXTS] = sha256(contents[paths.folder / TEXTS])
    inputs = {"texts": StageInput(_texts_digest({name: read.digest for name, read in rows.items()}), len(texts))}
    facts = {"texts": len(texts), "model_bytes": len(model.onnx), "tokenizer_bytes": len(model.tokenizer)}
    record = StageRecord(digest, inputs, digest, {}, facts=facts)
    return publish_stage(paths, MODEL_STAGE, record, contents, digests)


def _teaching_types() -> list[PairType]:
    """Return the pair types whose items are read."""
    return [entry for entry in PAIR_TYPES.values() if entry.teaches_corpus_model]


def _unseen(project: Project, eventlog: Eventlog, look: Look, record: StageRecord) -> Unseen:
    """Return what the frozen corpus model has not seen; remembered until the texts change."""
    sources = corpus_sources()
    digest = _texts_digest({source.name: look.digests[source.name].digest for source in sources})
    memory = project.corpus_model_folder() / "unseen.json"
    counts = {source.name: look.digests[source.name].rows for source in sources}
    if record.inputs["texts"].value == digest:
        remember_unseen(memory, record, counts, look.last_seq, Unseen())
        return Unseen()
    counted = recalled_unseen(memory, record, counts, look.last_seq)
    if counted is not None:
        return counted
    from patina_resources.corpus.model import unknown_share  # who counts nothing must not wait for it

    rows = eventlog.rows(sources)
    today = corpus_texts(rows)
    paths = corpus_model_paths(project)
    words = unknown_share(verified_path(paths, record, "tokenizer.json").read_bytes(), today)
    texts = None
    if TEXTS in record.outputs:
        texts = 1 - drift_between(decode_sample(read_output(paths, record, TEXTS)), sample_of(text_hashes(today))).known
    unseen = Unseen(words, texts, exact=False)
    remember_unseen(memory, record, counts, look.last_seq, unseen)
    return unseen


def remember_unseen(
    memory: Path, record: StageRecord, rows: Mapping[str, int], last_seq: int | None, unseen: Unseen
) -> None:
    """Remember what a model has not seen of an eventlog with so many rows of each source."""
    found = {"model": record.digest, "last_seq": last_seq, "rows": rows, "words": unseen.words, "texts": unseen.texts}
    with suppress(PatinaError):  # what cannot be remembered is counted again
        write_if_changed(memory, json.dumps(found).encode())


def recalled_unseen(memory: Path, record: StageRecord, rows: Mapping[str, int], last_seq: int | None) -> Unseen | None:
    """Return what was counted last; None where so much has changed since then that it is to be counted again.

    To count takes longer than all else that is decided after one commit, and few events cannot change the answer.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = json_value(memory.read_bytes())
        before, last_seq_before = found["rows"], found["last_seq"]
        # Of all sources together: a few rows are a large share of a small source, and teach the model no more for it.
        changed = sum(abs(rows[name] - before[name]) for name in before.keys() | rows.keys())
        is_near = changed <= RECOUNT_ABOVE * sum(before.values())
        is_near &= abs(last_seq - last_seq_before) <= RECOUNT_ABOVE * last_seq_before
        if found["model"] == record.digest and is_near:
            texts = found["texts"]
            return Unseen(float(found["words"]), None if texts is None else float(texts), exact=False)
    return None


def _texts_digest(digests: Mapping[str, str]) -> str:
    return sha256(json.dumps(sorted(digests.items())).encode())
