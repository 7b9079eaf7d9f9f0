"""The small files of a sentence-transformers folder: dimensions, pooling, longest text, prefixes.

Layout: sbert.net, "Structure of Sentence Transformer models" (modules.json and one config.json per module).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from patina_resources.documents.checks import ANYTHING, TEXT, InvalidError, faults_named, list_of, table
from patina_resources.documents.document import Document, Fault
from patina_resources.documents.json_file import read_json
from patina_resources.errors import PatinaError, shown
from patina_resources.models.registry import ModelSpec, Pooling

MODULES = "modules.json"
SETTINGS = (
    MODULES,
    "config.json",
    "tokenizer_config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
)
POOLINGS: Mapping[str, Pooling] = {
    "mean": "mean",
    "cls": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
}
KNOWN_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})
QUERY_PROMPTS = ("query", "search_query")
PASSAGE_PROMPTS = ("document", "passage", "search_document")
NO_LIMIT = 1_000_000  # tokenizer_config.json says 10^30 where there is none
DEFAULT_MAX_TOKENS = 512
_MODULES = list_of(table({"type": TEXT, "path": ANYTHING}, foreign_keys=True), "a list of modules")
_MODULE_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class SentenceFacts:
    """What the files say; None where they do not."""

    dims: int | None = None
    max_tokens: int | None = None
    pooling: Pooling | None = None
    query_prefix: str = ""
    passage_prefix: str = ""


def pooling_file(folder: Path) -> str | None:
    """Return the name of the pooling module's config.json inside `folder`, or None where modules.json has none.

    Raises:
        PatinaError: modules.json is damaged, names a folder outside, or a module that changes the vectors.
    """
    document = _document(folder / MODULES, [])
    with faults_named(document):
        modules = _MODULES.read(document.data, ())
        places = [_pooling_place(module, number) for number, module in enumerate(modules)]
    return next((place for place in reversed(places) if place is not None), None)


def _pooling_place(module: Mapping[str, Any], number: int) -> str | None:
    kind = module.get("type", "").rpartition(".")[2]
    if kind not in KNOWN_MODULES:
        known = ", ".join(sorted(KNOWN_MODULES))
        text = f"has a module {shown(kind)}, which changes the vectors: expected only {known}"
        raise InvalidError(Fault("rule", (number,), expected=text))
    if kind != "Pooling":
        return None
    place = module.get("path")
    if not isinstance(place, str) or not _MODULE_FOLDER.fullmatch(place):
        raise InvalidError(Fault("value", (number, "path"), place, "a folder name"))
    return f"{place}/config.json"


def read_sentence_folder(folder: Path) -> SentenceFacts:
    """Return what the settings files in `folder` say.

    Raises:
        PatinaError: One of them is damaged, or says something that cannot be done here.
    """
    config = _table(folder / "config.json")
    prompts = _table(folder / "config_sentence_transformers.json").get("prompts")
    texts = {str(key): text for key, text in (prompts if isinstance(prompts, dict) else {}).items()}
    place = pooling_file(folder)
    return SentenceFacts(
        dims=_whole(config.get("hidden_size")),
        max_tokens=_max_tokens(folder, config),
        pooling=None if place is None else _pooling(folder / place),
        query_prefix=_first_text(texts, QUERY_PROMPTS),
        passage_prefix=_first_text(texts, PASSAGE_PROMPTS),
    )


def complete_spec(name: str, facts: SentenceFacts, settings: Mapping[str, Any]) -> ModelSpec:
    """Return the spec of a model that the registry does not describe.

    Args:
        name: Its folder name.
        facts: What its files say.
        settings: What the user's `[models.NAME]` table says; it comes first.

    Raises:
        PatinaError: Dimensions or pooling are said nowhere: the table to write is named.
    """
    known = {
        key: settings[key]
        for key in ("dims", "max_tokens", "pooling", "query_prefix", "passage_prefix")
        if key in settings
    }
    spec = ModelSpec(
        name,
        facts.dims or 0,
        facts.max_tokens or DEFAULT_MAX_TOKENS,
        facts.pooling or "mean",
        facts.query_prefix,
        facts.passage_prefix,
    )
    if facts.pooling is None and "pooling" not in known:
        raise PatinaError(
            f"model {spec.reference}: its files do not say how token vectors are pooled: "
            f'set pooling = "mean" or "cls" in [models."{spec.reference}"] of ~/.patina/registry.toml'
        )
    spec = replace(spec, **known)
    if spec.dims == 0:
        raise PatinaError(
            f"model {spec.reference}: its files do not say how long a vector is: "
            f'set dims in [models."{spec.reference}"] of ~/.patina/registry.toml'
        )
    return spec


def _max_tokens(folder: Path, config: Mapping[str, Any]) -> int | None:
    stated = _whole(_table(folder / "sentence_bert_config.json").get("max_seq_length"))
    tokenizer = _whole(_table(folder / "tokenizer_config.json").get("model_max_length"))
    positions = _whole(config.get("max_position_embeddings"))
    if positions is not None and "roberta" in str(config.get("model_type")):
        positions -= 2  # its positions begin after the padding id, 1
    limits = [limit for limit in (tokenizer, positions) if limit is not None]
    return stated or (min(limits) if limits else None)


def _pooling(path: Path) -> Pooling:
    config = _table(path)
    mode = config.get("pooling_mode")
    chosen = (
        [mode]
        if isinstance(mode, str)
        else [key for key, on in config.items() if key.startswith("pooling_mode_") and on is True]
    )
    if len(chosen) != 1 or chosen[0] not in POOLINGS:
        raise PatinaError(f"{path}: pools by {', '.join(map(str, chosen)) or 'nothing'}: expected mean or cls")
    return POOLINGS[chosen[0]]


def _table(path: Path) -> Mapping[str, Any]:
    document = _document(path, {})
    if not isinstance(document.data, dict):
        raise PatinaError(f"{path}: expected a JSON object, got {shown(document.data)}")
    return document.data


def _document(path: Path, default: object) -> Document:
    try:
        return read_json(path)
    except FileNotFoundError:
        return Document(path, "JSON", default, dict)


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 1 <= value < NO_LIMIT else None


def _first_text(texts: Mapping[str, object], keys: tuple[str, ...]) -> str:
    return next((text for key in keys if isinstance(text := texts.get(key), str)), "")
