"""How much may be asked for, and is given."""

from typing import Any

from patina_resources.errors import PatinaError

AnswerDocument = dict[str, Any]
MOST_RESULTS = 50
# A question has fewer; what is typed without end is not searched for.
MOST_QUESTION_CHARACTERS = 2_000


def between(name: str, value: int, least: int, most: int) -> int:
    """Return a number that was asked for.

    Raises:
        PatinaError: It is less than the least, or more than the most.
    """
    if not least <= value <= most:
        raise PatinaError(f"{name}: expected a whole number from {least} to {most}, got {value}")
    return value


def question(text: str) -> str:
    """Return a question.

    Raises:
        PatinaError: It is longer than questions are.
    """
    if len(text) > MOST_QUESTION_CHARACTERS:
        raise PatinaError(f"query: expected at most {MOST_QUESTION_CHARACTERS} characters, got {len(text)}")
    return text


def cut(text: str, characters: int) -> AnswerDocument:
    """Return the beginning of a text, and whether there is more of it."""
    return {"text": text[:characters], "cut": len(text) > characters}
