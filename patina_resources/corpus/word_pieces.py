"""The words of a project's own texts: a WordPiece tokenizer that splits code as it splits prose."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from patina_resources.arrays import Int64

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ENCODE_TEXTS = 1024

PADDING, UNKNOWN = "[PAD]", "[UNK]"
# No text gives them: words have no brackets.
SPECIAL = (PADDING, UNKNOWN)
CONTINUES = "##"
_CAMEL_CASE = r"(?=\p{Lu})(?:(?<=[\p{Ll}\p{N}])|(?<=\p{Lu})(?=\p{Lu}\p{Ll}))"
# Longer runs (encoded data) are cut, because the trainer's time grows with the length of a word.
_WORD = r"[\p{L}\p{N}]{1,32}"


def piece_tokenizer(vocabulary: Sequence[str]) -> "Tokenizer":
    """Return a WordPiece tokenizer of words in lower case: camelCase and whatever is no letter or digit split."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ids = {piece: position for position, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(_CAMEL_CASE), " "), normalizers.BertNormalizer(lowercase=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    return tokenizer


def train_vocabulary(texts: Sequence[str], size: int) -> list[str]:
    """Return the pieces of a WordPiece vocabulary, in an order that depends on the texts alone.

    Args:
        texts: To learn from.
        size: At most so many pieces come from merging.
    """
    from tokenizers import normalizers, trainers

    tokenizer = piece_tokenizer(SPECIAL)
    normalized = [tokenizer.normalizer.normalize_str(text) for text in texts]
    tokenizer.normalizer = normalizers.Sequence([])
    counts: Counter[str] = Counter()
    for text in normalized:
        counts.update(text)
    by_count = sorted(counts, key=lambda character: (-counts[character], character))
    alphabet = sorted([character for character in by_count if character.isalnum()][: size // 8])
    dropped = dict.fromkeys(map(ord, counts.keys() - set(alphabet)), " ")
    # The trainer numbers continuing characters as its hash map happens to give them, and breaks ties by
    # number. Naming them as special tokens numbers them beforehand, so that every run merges alike.
    first = [*SPECIAL, *(CONTINUES + character for character in alphabet)]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator((text.translate(dropped) for text in normalized), trainer)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])


def encoded(tokenizer: "Tokenizer", texts: Sequence[str]) -> Iterator[tuple[Int64, Int64]]:
    """Yield, for some texts at a time, all their ids int64 [tokens] and each text's count of them int64 [texts]."""
    for start in range(0, len(texts), ENCODE_TEXTS):
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts[start : start + ENCODE_TEXTS])]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        yield np.fromiter((token for row in rows for token in row), np.int64, int(lengths.sum())), lengths
