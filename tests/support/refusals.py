"""How wrong input is refused: by a `PatinaError` of one sentence, which a command prints."""

from collections.abc import Callable

import pytest
from small_project import Ran

from patina_resources.errors import PatinaError


def refusal(action: Callable[[], object]) -> str:
    """Return the sentence with which `action` refuses."""
    with pytest.raises(PatinaError) as caught:
        action()
    sentence = str(caught.value)
    assert sentence == sentence.strip()
    assert sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    return sentence


def refused(ran: Ran, *words: str) -> None:
    """Assert that a command refused wrong input as promised: exit code 2, one line on stderr that has the words."""
    assert ran.code == 2, ran
    assert ran.err.count("\n") == 1, ran.err
    assert "Traceback" not in ran.err
    for word in words:
        assert word in ran.err
