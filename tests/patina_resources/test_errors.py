"""Sentences that several errors share."""

import pytest

from patina_resources.errors import PATH_CHARACTERS, PatinaError, check_known, shown, shown_path

KNOWN = ("temporal", "semantic")


def test_names_that_are_known_are_accepted() -> None:
    check_known((), KNOWN, "projection")
    check_known(["semantic", "temporal"], KNOWN, "projection")


@pytest.mark.parametrize(
    ("where", "name", "sentence"),
    [
        ("", "x", "unknown projection 'x': expected one of temporal, semantic"),
        ("--only", "temporl", "--only: unknown projection 'temporl' (did you mean 'temporal'?): expected one of "),
        ("map", "n" * 200, f"map: unknown projection '{'n' * 57}...': expected one of temporal, semantic"),
    ],
)
def test_the_first_unknown_name_is_told(where: str, name: str, sentence: str) -> None:
    with pytest.raises(PatinaError) as error:
        check_known(["semantic", name, "y"], KNOWN, "projection", where)
    assert str(error.value).startswith(sentence)


def test_a_path_is_shown_to_its_end() -> None:
    long = "/folder" * 100
    assert shown_path(f"{long}/'file") == f'"{long}/\'file"'
    assert shown_path("x" * (PATH_CHARACTERS + 1)) == f"'{'x' * (PATH_CHARACTERS - 3)}...'"


def test_what_a_file_says_is_no_command_of_the_sentence() -> None:
    assert shown("run `x`") == r"'run \x60x\x60'"
    assert shown_path("a`b") == r"'a\x60b'"
