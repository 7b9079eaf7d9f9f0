"""Which base model `patina init` takes: what is asked for, what config.toml has, or what a person chooses."""

import os
from dataclasses import dataclass

from patina_assets.commands.models.project_models import missing_models
from patina_assets.passages.expected import expected_passages
from patina_assets.terminal.questions import ask, say_on_stderr, somebody_there
from patina_resources.embedding.side_by_side import part_names
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Eventlog
from patina_resources.models.add.add import add_model
from patina_resources.models.references import is_hub_name
from patina_resources.models.registry import CORPUS_STATIC, EMBEDDED
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.mothership import mothership

OFFLINE_VARIABLE = "HF_HUB_OFFLINE"


@dataclass(frozen=True)
class Offer:
    """A model that `init` proposes.

    Attributes:
        name: As config.toml has it.
        seconds: Processor seconds for a passage, on the processor of docs/benchmarks.md.
        gain: What was measured with it: docs/search-figures.md, docs/quality.md.
    """

    name: str
    seconds: float
    gain: str


OFFERS = (
    Offer(EMBEDDED, 0.001, "47 % of the questions in plain words had an answer in the first ten"),
    Offer("all-minilm-l6-v2", 0.005, "64 % had one"),
    Offer(
        f"all-minilm-l6-v2+{CORPUS_STATIC}",
        0.006,
        "61 % had one, no clear difference; projections better in 15 of 24 comparisons, worse in none",
    ),
)
RECOMMENDED = OFFERS[-1].name


def settled_model(project: Project, asked_for: str | None) -> str | None:
    """Return the model that was asked for or that config.toml has; None where nobody has chosen one.

    Raises:
        PatinaError: It is unknown, or config.toml has another one.
    """
    configured = project.config.embedding_model
    if asked_for and configured and asked_for != configured:
        raise PatinaError(f"{project.config_file}: [embeddings] model is {configured!r}: change it there")
    model = asked_for or configured
    return _known(project, model) if model else None


def choose_model(project: Project) -> str:
    """Return the model that a person chooses from what is offered, brought into the cache; elsewhere the embedded one.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    if not somebody_there():
        return EMBEDDED
    offers = [offer for offer in OFFERS if not (_is_offline() and missing_models(project, offer.name))]
    if len(offers) < len(OFFERS):
        say_on_stderr(f"{OFFLINE_VARIABLE} is set: a model that would be downloaded is not offered")
    if len(offers) == 1:
        say_on_stderr(f"the base model is {EMBEDDED}, which needs no download")
        return EMBEDDED
    for line in offer_lines(project, offers):
        say_on_stderr(line)
    names = [offer.name for offer in offers]
    default = RECOMMENDED if RECOMMENDED in names else names[-1]
    chosen = _asked_for(project, names, default)
    return _brought(project, chosen) if chosen in names else chosen


def _asked_for(project: Project, names: list[str], default: str) -> str:
    """Return the model that a person types, by number or name; what is none is asked for again."""
    numbered = dict(zip(map(str, range(1, len(names) + 1)), names, strict=True))
    while True:
        answer = ask("base model, by number or name", default=default)
        try:
            return _known(project, numbered.get(answer, answer))
        except PatinaError as error:
            expected = f"expected a number from 1 to {len(names)}, or a name"
            say_on_stderr(f"patina: {expected if answer.isdigit() else error}")


def offer_lines(project: Project, offers: list[Offer]) -> list[str]:
    """Return what each offer costs and gains on this repository, a line each, below a heading."""
    path = project.eventlog()
    passages = expected_passages(Eventlog(path)) if path.exists() else None
    size = f" for about {passages:,} passages" if passages else ""
    lines = [f"base models: the cost{size}, and what was measured on other repositories (docs/models.md)"]
    width = max(len(offer.name) for offer in offers)
    for number, offer in enumerate(offers, 1):
        costs = [_download_text(project, offer), *([_time_text(passages * offer.seconds)] if passages else [])]
        mark = " (recommended)" if offer.name == RECOMMENDED else ""
        lines.append(f"  {number}  {offer.name:<{width}}  {', '.join(costs)}: {offer.gain}{mark}")
    return lines


def _download_text(project: Project, offer: Offer) -> str:
    missing = missing_models(project, offer.name)
    registry = load_registry(mothership(), project)
    megabytes = sum(registry.entry(part).size_mb.get("int8", 0) for part in missing)
    return f"{megabytes} MB to download" if missing else "no download"


def _time_text(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"about {minutes} min of processor time" if minutes else "under a minute of processor time"


def _brought(project: Project, name: str) -> str:
    """Return a model after its missing parts were added; the embedded one, and why, where that failed."""
    home = mothership()
    registry = load_registry(home, project)
    for part in missing_models(project, name):
        try:
            add_model(home, registry, part, say=say_on_stderr)
        except PatinaError as error:
            say_on_stderr(f"patina: {error}")
            say_on_stderr(
                f"{part} could not be added: {EMBEDDED} is used, which needs no download; later: run "
                f"`patina model add {part}` and write {name} into {project.config_file}"
            )
            return EMBEDDED
    return name


def _known(project: Project, model: str) -> str:
    registry = load_registry(mothership(), project)
    for part in part_names(model):
        if not is_hub_name(part):
            registry.resolve(part)
    return model


def _is_offline() -> bool:
    return os.environ.get(OFFLINE_VARIABLE, "").upper() in {"1", "ON", "YES", "TRUE"}
