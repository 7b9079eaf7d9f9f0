"""The embedded default model: vectors learned from the project's own texts, as ONNX and tokenizer.json.

WordPiece vocabulary -> co-occurrence within a text -> PPMI -> truncated SVD -> weighted by idf. The vector of
a text is the sum of its pieces' vectors, scaled to unit length.

Sources: Levy, Goldberg and Dagan 2015 (TACL 3) for PPMI and the weighted eigenvalues; Halko, Martinsson and
Tropp 2011 (SIAM Review 53) for the randomised SVD; Mu and Viswanath 2018 (ICLR) for taking away from the component
that all vectors share.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedder import clean_text
from patina_resources.errors import PatinaError
from patina_resources.registry import CORPUS_STATIC, ModelSpec

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CORPUS_SPEC = ModelSpec(CORPUS_STATIC, dims=384, max_tokens=512, pooling="model")
# Above this `unknown_share` the frozen model has lost touch with the project's words: a rebuild is due.
REBUILD_ABOVE = 0.05

# Bounds on what is read, so that time and memory stay the same however long the eventlog grows.
MAX_CHARACTERS = 5_000_000
MAX_TEXT_CHARACTERS = 8_000
# Pieces co-occur within a text; in a long one, within as many consecutive pieces.
WINDOW_PIECES = 128
EIGENVALUE_POWER = 0.25
# The first component points the same way for nearly all pieces, so that unlike texts look alike. It is weakened and
# not left out, because in a corpus of few texts it may be all that one of them has.
FIRST_COMPONENT = 0.25
POWER_ITERATIONS = 2
OVERSAMPLING = 16
# Elements of one block of rows of the co-occurrence matrix (float32: 32 MB), and pairs counted at once.
BLOCK_ELEMENTS = 8_000_000
ENCODE_TEXTS = 1024

_PAD, _UNKNOWN = "[PAD]", "[UNK]"
_SPECIAL = (_PAD, _UNKNOWN)
# Stands in the vocabulary between pieces that the build texts use and pieces left over from merging.
# No text gives it, nor the special ones: words have no brackets.
_LEFT_OVER = "[LEFT-OVER]"
_CONTINUES = "##"
_CAMEL_CASE = r"(?=\p{Lu})(?:(?<=[\p{Ll}\p{N}])|(?<=\p{Lu})(?=\p{Lu}\p{Ll}))"
# Longer runs (encoded data) are cut, because the trainer's time grows with the length of a word.
_WORD = r"[\p{L}\p{N}]{1,32}"

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class CorpusModel:
    """A built model.

    Attributes:
        onnx: The graph with its weights: input_ids and attention_mask, int64 [b, s], to float32 [b, dims].
        tokenizer: The `tokenizer.json`.
        texts: How many distinct texts it was learned from.
        pieces: Size of the vocabulary.
    """

    onnx: bytes
    tokenizer: bytes
    texts: int
    pieces: int


@dataclass(frozen=True)
class _Contexts:
    """Which pieces occur in which context: distinct entries sorted by context, then piece; int64 [entries]."""

    context: Integers
    piece: Integers
    count: int


@dataclass(frozen=True)
class _Block:
    """Consecutive rows of a sparse square matrix: flat positions int64 [nnz] and their values float32 [nnz]."""

    first_row: int
    rows: int
    positions: Integers
    values: Floats


def build_corpus_model(
    texts: Iterable[str], dims: int = CORPUS_SPEC.dims, vocabulary_size: int = 16_000, seed: int = 0
) -> CorpusModel:
    """Return a model learned from the texts: the same bytes for the same set of texts, in whatever order.

    Args:
        texts: What the project has to say: notes, commit messages, texts of files and of functions.
        dims: Length of a vector. Few texts give fewer components; the rest are zeros.
        vocabulary_size: At most so many pieces come from merging.
        seed: Of the start of the SVD, and of the directions of pieces that no text uses.

    Raises:
        PatinaError: There is no text, or no text has a word in it.
    """
    chosen = _sample(texts)
    merged = _train_vocabulary(chosen, vocabulary_size)
    contexts = _contexts(_tokenizer(merged), chosen)
    frequency = np.bincount(contexts.piece, minlength=len(merged))
    used = np.flatnonzero(frequency)
    if len(used) == 0:
        raise PatinaError(
            f"{CORPUS_STATIC}: there is no text with a word in it to learn from: run `patina materialize` first"
        )
    left_over = np.setdiff1d(np.arange(len(_SPECIAL), len(merged)), used)
    vocabulary = [*_SPECIAL, *(merged[i] for i in used), _LEFT_OVER, *(merged[i] for i in left_over)]
    dense = _Contexts(contexts.context, np.searchsorted(used, contexts.piece), contexts.count)
    learned = _learn_directions(dense, len(used), dims, seed)
    table = _weighted_table(learned, frequency[used], contexts.count, len(left_over), seed)
    tokenizer = _tokenizer(vocabulary).to_str().encode()
    return CorpusModel(_onnx_graph(table), tokenizer, len(chosen), len(vocabulary))


def unknown_share(tokenizer_json: bytes, texts: Sequence[str]) -> float:
    """Return how foreign texts are to a frozen model, between 0 and 1.

    It is the share of word occurrences that the tokenizer cannot spell with pieces that the build texts used:
    a piece is left over from merging, or a character is unknown. It is 0 for the texts of the build, and for
    no texts. Words with a digit (hashes, numbers, dates) are not counted: they are always new. Ask it about
    all texts of a project rather than the newest few, and compare it with `REBUILD_ABOVE`.
    """
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(tokenizer_json.decode())
    vocabulary = tokenizer.get_vocab()
    pieces = sorted(vocabulary, key=lambda piece: vocabulary[piece])
    continues = np.array([piece.startswith(_CONTINUES) for piece in pieces])
    has_digit = np.array([any(map(str.isdigit, piece)) for piece in pieces])
    foreign = np.arange(len(pieces)) > vocabulary[_LEFT_OVER]
    foreign[vocabulary[_UNKNOWN]] = True
    words = foreign_words = 0
    for ids, _ in _encoded(tokenizer, [clean_text(text[:MAX_TEXT_CHARACTERS]) for text in texts]):
        starts = np.flatnonzero(~continues[ids])
        if len(starts) == 0:
            continue
        counted = ~np.logical_or.reduceat(has_digit[ids], starts)
        words += int(counted.sum())
        foreign_words += int((np.logical_or.reduceat(foreign[ids], starts) & counted).sum())
    return foreign_words / words if words else 0.0


def _sample(texts: Iterable[str]) -> list[str]:
    """Return distinct texts in sorted order, chosen by their hash where there are too many."""
    distinct = {clean_text(text[:MAX_TEXT_CHARACTERS]) for text in texts}
    if sum(map(len, distinct)) <= MAX_CHARACTERS:
        return sorted(distinct)
    by_hash = sorted(distinct, key=lambda text: hashlib.sha256(text.encode()).digest())
    lengths = np.cumsum(np.fromiter(map(len, by_hash), np.int64, len(by_hash)))
    return sorted(by_hash[: int(np.searchsorted(lengths, MAX_CHARACTERS, "right"))])


def _tokenizer(vocabulary: Sequence[str]) -> "Tokenizer":
    """Return a WordPiece tokenizer of words in lower case: camelCase and whatever is no letter or digit split."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    ids = {piece: position for position, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=_UNKNOWN))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(_CAMEL_CASE), " "), normalizers.BertNormalizer(lowercase=True)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(_WORD), "removed", invert=True)
    return tokenizer


def _train_vocabulary(texts: Sequence[str], size: int) -> list[str]:
    """Return the pieces of a WordPiece vocabulary, in an order that depends on the texts alone."""
    from tokenizers import normalizers, trainers

    tokenizer = _tokenizer(_SPECIAL)
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
    first = [*_SPECIAL, *(_CONTINUES + character for character in alphabet)]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator((text.translate(dropped) for text in normalized), trainer)
    vocabulary: dict[str, int] = tokenizer.get_vocab()
    return sorted(vocabulary, key=lambda piece: vocabulary[piece])


def _encoded(tokenizer: "Tokenizer", texts: Sequence[str]) -> Iterator[tuple[Integers, Integers]]:
    """Yield, for some texts at a time, all their ids int64 [tokens] and each text's count of them int64 [texts]."""
    for start in range(0, len(texts), ENCODE_TEXTS):
        rows = [encoding.ids for encoding in tokenizer.encode_batch_fast(texts[start : start + ENCODE_TEXTS])]
        lengths = np.fromiter(map(len, rows), np.int64, len(rows))
        yield np.fromiter((token for row in rows for token in row), np.int64, int(lengths.sum())), lengths


def _contexts(tokenizer: "Tokenizer", texts: Sequence[str]) -> _Contexts:
    size = tokenizer.get_vocab_size()
    entries: list[Integers] = [np.zeros(0, np.int64)]
    count = 0
    for ids, lengths in _encoded(tokenizer, texts):
        within = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        windows = -(-lengths // WINDOW_PIECES)
        context = np.repeat(count + np.cumsum(windows) - windows, lengths) + within // WINDOW_PIECES
        known = ids >= len(_SPECIAL)
        entries.append(np.unique(context[known] * size + ids[known]))
        count += int(windows.sum())
    context, piece = np.divmod(np.concatenate(entries), size)
    return _Contexts(context, piece, count)


def _learn_directions(contexts: _Contexts, pieces: int, dims: int, seed: int) -> Floats:
    """Return a unit vector for each piece, float32 [pieces, dims]; zeros where nothing can be learned."""
    blocks = list(_ppmi_blocks(contexts, pieces))
    eigenvalues, vectors = _top_eigenvectors(blocks, pieces, min(dims, pieces), seed)
    scales = np.abs(eigenvalues) ** EIGENVALUE_POWER
    scales[0] *= FIRST_COMPONENT
    scaled = vectors * scales
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit = np.where(norms > np.finfo(np.float32).eps, scaled / np.maximum(norms, 1e-30), 0)
    directions = np.zeros((pieces, dims), np.float32)
    directions[:, : unit.shape[1]] = unit
    directions[~_has_neighbours(blocks, pieces)] = 0
    return directions


def _has_neighbours(blocks: Sequence[_Block], pieces: int) -> NDArray[np.bool_]:
    found = np.zeros(pieces, bool)
    for block in blocks:
        found[block.first_row + block.positions // pieces] = True
    return found


def _ppmi_blocks(contexts: _Contexts, pieces: int) -> Iterator[_Block]:
    """Yield the rows of max(0, log(p(i, j) / (p(i) p(j)))) over pairs of different pieces in one context."""
    size = np.bincount(contexts.context, minlength=contexts.count)
    start = np.cumsum(size) - size
    order = np.argsort(contexts.piece, kind="stable")
    context = contexts.context[order]
    frequency = np.bincount(contexts.piece, minlength=pieces)
    entry = np.concatenate(([0], np.cumsum(frequency)))
    pairs = np.concatenate(([0], np.cumsum(size[context])))[entry]
    neighbours = np.diff(pairs) - frequency
    total = float(neighbours.sum())
    for first, last in pairwise(_row_bounds(pairs, pieces)):
        mine = slice(entry[first], entry[last])
        sizes = size[context[mine]]
        row = np.repeat(np.repeat(np.arange(last - first), frequency[first:last]), sizes)
        member = np.arange(len(row)) + np.repeat(start[context[mine]] - (np.cumsum(sizes) - sizes), sizes)
        counts = np.bincount(row * pieces + contexts.piece[member], minlength=(last - first) * pieces)
        counts[np.arange(last - first) * (pieces + 1) + first] = 0
        positions = np.flatnonzero(counts)
        by_chance = neighbours[first + positions // pieces] * (neighbours[positions % pieces] / total)
        values = np.log(counts[positions] / by_chance).astype(np.float32)
        yield _Block(first, last - first, positions[values > 0], values[values > 0])


def _row_bounds(pairs: Integers, pieces: int) -> list[int]:
    """Return where blocks of rows begin and end, such that no block (of two rows or more) is too large."""
    bounds = [0]
    while bounds[-1] < pieces:
        first = bounds[-1]
        by_pairs = int(np.searchsorted(pairs, pairs[first] + BLOCK_ELEMENTS, "right")) - 1
        bounds.append(max(first + 1, min(by_pairs, first + BLOCK_ELEMENTS // pieces, pieces)))
    return bounds


def _multiply(blocks: Sequence[_Block], right: Floats) -> Floats:
    """Return the square sparse matrix times float32 [pieces, k], by dense blocks (BLAS beats gathering here)."""
    pieces = len(right)
    product = np.empty_like(right)
    for block in blocks:
        dense = np.zeros(block.rows * pieces, np.float32)
        dense[block.positions] = block.values
        product[block.first_row : block.first_row + block.rows] = dense.reshape(-1, pieces) @ right
    return product


def _top_eigenvectors(blocks: Sequence[_Block], pieces: int, wanted: int, seed: int) -> tuple[Floats, Floats]:
    """Return eigenvalues [wanted], largest magnitude first, and eigenvectors [pieces, wanted] of a symmetric matrix."""
    columns = min(wanted + OVERSAMPLING, pieces)
    basis = np.random.default_rng(seed).standard_normal((pieces, columns), dtype=np.float32)
    for _ in range(1 + POWER_ITERATIONS):
        basis = np.linalg.qr(_multiply(blocks, basis))[0]
    small = basis.T @ _multiply(blocks, basis)
    eigenvalues, rotation = np.linalg.eigh((small + small.T) / 2)
    largest = np.argsort(-np.abs(eigenvalues), kind="stable")[:wanted]
    return eigenvalues[largest], basis @ rotation[:, largest]


def _weighted_table(learned: Floats, frequency: Integers, contexts: int, left_over: int, seed: int) -> Floats:
    """Return the vectors of the whole vocabulary, float32 [2 + pieces + 1 + left_over, dims].

    Directions times log(1 + contexts / frequency). A piece that no text uses, or only ever alone, gets a random
    direction: nearly orthogonal to all others, so a word that comes later still finds itself.
    """
    pieces, dims = learned.shape
    directions = np.random.default_rng(seed + 1).standard_normal((pieces + left_over, dims), dtype=np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    known = np.flatnonzero(learned.any(axis=1))
    directions[known] = learned[known]
    weights = np.log1p(contexts / np.concatenate((frequency, np.ones(left_over)))).astype(np.float32)
    nothing = np.zeros((1, dims), np.float32)
    weighted = directions * weights[:, None]
    return np.concatenate((nothing, nothing, weighted[:pieces], nothing, weighted[pieces:]))


def _onnx_graph(table: Floats) -> bytes:
    """Return the model as ONNX: gather rows, sum those that the mask keeps, divide by the length."""
    from onnx import TensorProto, checker, helper, numpy_helper

    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"])
    mask = helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["texts", "tokens"])
    output = helper.make_tensor_value_info("sentence_embedding", TensorProto.FLOAT, ["texts", table.shape[1]])
    constants = [
        numpy_helper.from_array(table.astype(np.float16), "table"),  # half the bytes to load and to verify
        numpy_helper.from_array(np.array([1], np.int64), "token_axis"),
        numpy_helper.from_array(np.array([1e-12], np.float32), "smallest"),
    ]
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["halves"]),
        helper.make_node("Cast", ["halves"], ["pieces"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["attention_mask"], ["kept"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["kept", "token_axis"], ["row"]),
        helper.make_node("MatMul", ["row", "pieces"], ["sums"]),
        helper.make_node("Squeeze", ["sums", "token_axis"], ["sum"]),
        helper.make_node("ReduceL2", ["sum", "token_axis"], ["norm"], keepdims=1),
        helper.make_node("Max", ["norm", "smallest"], ["length"]),
        helper.make_node("Div", ["sum", "length"], ["sentence_embedding"]),
    ]
    graph = helper.make_graph(nodes, CORPUS_STATIC, [ids, mask], [output], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    checker.check_model(model)
    serialized: bytes = model.SerializeToString()
    return serialized
