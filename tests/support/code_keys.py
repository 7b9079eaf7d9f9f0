"""What is read of a piece of source code, by its names."""

from collections.abc import Sequence

from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME

# What stands for the facts of a kind: its source_ids without the file.
Keys = Sequence[str]


def keys(language: str, source: str, kind: str) -> Keys:
    return [fact.key for fact in read_facts(BY_NAME[language], source.encode()).facts if fact.event_type == kind]


def functions(language: str, source: str) -> Keys:
    return keys(language, source, "code.function")


def calls(language: str, source: str) -> Keys:
    return keys(language, source, "code.call")
