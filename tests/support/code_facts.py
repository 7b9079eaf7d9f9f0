"""What is read of one source text."""

from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME


def facts(language: str, source: str, kind: str) -> list[str]:
    return [fact.key for fact in read_facts(BY_NAME[language], source.encode()).facts if fact.event_type == kind]
