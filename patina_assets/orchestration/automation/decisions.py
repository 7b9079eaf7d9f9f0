"""Decides what is rebuilt without being asked for, and when. Values in, decisions out; `sensors` carries them out."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.stage import TrainedStage
from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict, recipe_inputs, stale_stages
from patina_assets.pipeline.workspace import Survey, Workspace
from patina_resources.models.stores import stores
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

# A failed projection is tried again after these waits, then left alone until one of its inputs changes.
# Between what is said of one stage and of the next.
BETWEEN_REASONS = " | "
RETRY_SECONDS = (30.0, 120.0, 600.0, 3600.0)
LEFT_ALONE = float("inf")
# An eventlog that cannot be read now may be readable soon.
UNREADABLE_RETRY_SECONDS = 60.0


@dataclass(frozen=True)
class Probe:
    """What tells cheaply whether anything changed at all.

    Attributes:
        text: Changes whenever a file that matters does.
        newest: When the latest of them was written (seconds since 1970).
    """

    text: str
    newest: float


@dataclass(frozen=True)
class Attempt:
    """What was tried for one projection and did not make it fresh.

    Attributes:
        inputs: Hash of all that went in.
        count: How often it was asked for.
        retry_at: When it is asked for again; None right after it was asked for.
    """

    inputs: str
    count: int
    retry_at: float | None = None


@dataclass(frozen=True)
class Memory:
    """What one tick leaves to the next, as the sensor's cursor.

    Attributes:
        seen: The last probe.
        seen_at: When it was first seen.
        handled: The probe that was last acted on.
        due: When to look again although nothing changed; None for never.
        requests: How many runs have been asked for.
        attempts: By projection.
    """

    seen: str = ""
    seen_at: float = 0.0
    handled: str = ""
    due: float | None = None
    requests: int = 0
    attempts: Mapping[str, Attempt] = field(default_factory=dict)

    @property
    def run_key(self) -> str:
        """The key of the run that was asked for last: Dagster starts one run for each key.

        A tick that dies after its run was launched is evaluated again with the same cursor, and asks for the same key.
        """
        return f"{self.seen_at:.3f}-{self.requests}"


@dataclass(frozen=True)
class Decision:
    """What to do now.

    Attributes:
        memory: For the next tick.
        verdicts: The stages to build; empty for none.
        reason: In words, why these or why none.
    """

    memory: Memory
    verdicts: tuple[StageVerdict, ...]
    reason: str


def encode_memory(memory: Memory) -> str:
    """Return a memory as a cursor."""
    return json.dumps(asdict(memory))


def decode_memory(cursor: str | None) -> Memory:
    """Return the memory in a cursor; an empty one where there is none, or one of another version."""
    try:
        document = json.loads(cursor or "{}")
        attempts = {name: Attempt(**entry) for name, entry in document.pop("attempts", {}).items()}
        return Memory(**document, attempts=attempts)
    except (ValueError, TypeError, AttributeError):
        return Memory()


def definitions_digest(root: Path, home: Mothership) -> str:
    """Return the SHA-256 (hex) of the files that the definitions are made from: recipe, settings, registry."""
    digest = hashlib.sha256()
    for path in (root / ".patina" / "oxidize.yaml", root / ".patina" / "config.toml", home.registry, home.settings):
        digest.update(path.read_bytes() if path.is_file() else b"\0none")
        digest.update(b"\0")
    return digest.hexdigest()


def look_for_changes(workspace: Workspace) -> Probe:
    """Return the state of the eventlog, the recipe, the models and everything built, from the file system alone."""
    project = workspace.project
    watched = [workspace.eventlog.path, workspace.eventlog.path.with_name(workspace.eventlog.path.name + "-wal")]
    newest = max((path.stat().st_mtime for path in watched if path.is_file()), default=0.0)
    entries = [workspace.eventlog.probe()]
    for path in _other_files(project, workspace.home, workspace.spec.name):
        status = path.stat()
        entries.append(f"{path}:{status.st_ino}:{status.st_size}:{status.st_mtime_ns}")
        newest = max(newest, status.st_mtime)
    return Probe(hashlib.sha256("\n".join(entries).encode("utf-8", "surrogateescape")).hexdigest(), newest)


def _other_files(project: Project, home: Mothership, model: str) -> list[Path]:
    built = project.embeddings_folder(model)
    cache = project.embedding_cache(model)
    folders = [built, built / "projections", project.corpus_model_folder()]
    found = [
        path
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith((cache.name, ".tmp-"))
    ]
    shared = [path for store in stores(home) for path in (store.models_lock, store.registry)]
    single = (project.recipe, project.config_file, project.lock, *shared)
    return sorted([*found, *(path for path in single if path.is_file())])


def before_survey(memory: Memory, probe: Probe, now: float, settle_seconds: float) -> tuple[Memory, str]:
    """Return the memory with the probe in it, and why the project is not surveyed now ("" where it should be).

    Args:
        memory: Of the last tick.
        probe: Of this one.
        now: Seconds since 1970.
        settle_seconds: How long nothing must have been written.
    """
    if now < memory.seen_at:
        memory = _after_clock_went_back(memory, now)
    if probe.text == memory.handled and (memory.due is None or now < memory.due):
        waiting = _waiting_words(memory.attempts, now)
        return memory, f"nothing new{'; ' if waiting else ''}{waiting}"
    if probe.text != memory.seen:
        memory = replace(memory, seen=probe.text, seen_at=now)
    # The second is for clocks that disagree: a file from the future counts from when it was first seen.
    if now - probe.newest < settle_seconds and now - memory.seen_at < settle_seconds:
        return memory, f"something changed; waiting until nothing is written for {settle_seconds:g} s"
    return memory, ""


def _after_clock_went_back(memory: Memory, now: float) -> Memory:
    """Return the memory with every moment in it that would now be waited for until the clock has caught up."""
    attempts = {
        name: attempt if attempt.retry_at in (None, LEFT_ALONE) else replace(attempt, retry_at=now)
        for name, attempt in memory.attempts.items()
    }
    return replace(memory, seen_at=now, due=None if memory.due is None else now, attempts=attempts)


def decide(
    memory: Memory, probe: Probe, verdicts: Iterable[StageVerdict], inputs: Mapping[str, str], now: float
) -> Decision:
    """Return what to build of what is stale.

    Args:
        memory: Of the last tick.
        probe: The state of the files that `verdicts` are about.
        verdicts: Of all stages.
        inputs: Hash of all that goes into each projection, and into `base` and the lock.
        now: Seconds since 1970.
    """
    stale = stale_stages(verdicts)
    # Model and lock are built along with any projection; the lock may also be all that is stale.
    names = sorted({verdict.projection for verdict in stale} - {MODEL, LOCK}) or [LOCK] * bool(stale)
    attempts = {name: _next_attempt(memory.attempts.get(name), inputs[name], now) for name in names}
    asked = [name for name, attempt in attempts.items() if attempt.retry_at is None]
    retries = [attempt.retry_at for attempt in attempts.values() if attempt.retry_at not in (None, LEFT_ALONE)]
    due = now if asked else min((at for at in retries if at is not None), default=None)
    memory = replace(memory, handled=probe.text, due=due, attempts=attempts, requests=memory.requests + bool(asked))
    if not asked:
        waiting = _waiting_words(attempts, now)
        return Decision(memory, (), f"nothing is stale{'' if not waiting else f' but {waiting}'}")
    chosen = tuple(verdict for verdict in stale if verdict.projection in {MODEL, LOCK, *asked})
    return Decision(memory, chosen, _reason(chosen))


def unreadable(memory: Memory, probe: Probe, sentence: str, now: float) -> Decision:
    """Return the decision for a project that cannot be surveyed: look again later, or when something changes."""
    return Decision(replace(memory, handled=probe.text, due=now + UNREADABLE_RETRY_SECONDS), (), sentence)


def inputs_of(workspace: Workspace, found: Survey) -> dict[str, str]:
    """Return a hash of all that goes into each projection, into `base` and into the lock."""
    hashes = {projection.name: _inputs_hash(found, projection) for projection in workspace.projections}
    return hashes | {LOCK: _hash([*hashes.items()])}


def _inputs_hash(found: Survey, projection: ProjectionStages) -> str:
    recipe = [recipe_inputs(stage) for stage in projection.stages]
    policies = [stage.refresh for stage in projection.stages if isinstance(stage, TrainedStage)]
    sources = [found.look.digests[source.name].digest for source in projection.sources]
    return _hash([repr(recipe), repr(policies), sources, found.model.digest, found.model.settings])


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _next_attempt(last: Attempt | None, inputs: str, now: float) -> Attempt:
    """Return what becomes of a stale projection: `retry_at` None asks for it now."""
    if last is None or last.inputs != inputs:
        return Attempt(inputs, 1)
    if last.retry_at is None:
        wait = RETRY_SECONDS[last.count - 1] if last.count <= len(RETRY_SECONDS) else LEFT_ALONE
        return replace(last, retry_at=now + wait)
    return Attempt(inputs, last.count + 1) if now >= last.retry_at else last


def _waiting_words(attempts: Mapping[str, Attempt], now: float) -> str:
    words = []
    for name, attempt in attempts.items():
        if attempt.retry_at == LEFT_ALONE:
            words.append(f"{name} failed {attempt.count} times and is left alone until one of its inputs changes")
        elif attempt.retry_at is not None:
            words.append(f"{name} failed and is tried again in {attempt.retry_at - now:.0f} s")
    return "; ".join(words)


def _reason(verdicts: Iterable[StageVerdict]) -> str:
    words = []
    for verdict in verdicts:
        reasons = [reason for reason in verdict.reasons if not reason.follows]
        if reasons:
            place = verdict.stage if verdict.projection == LOCK else f"{verdict.projection}/{verdict.stage}"
            words.append(f"{place}: {reasons_text(reasons)}")
    return BETWEEN_REASONS.join(words)
