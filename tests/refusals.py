"""How wrong input is refused: by a `PatinaError` of one sentence."""

from collections.abc import Callable

import pytest

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
