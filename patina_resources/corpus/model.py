"""The embedded default model: vectors learned from the project's own texts, as ONNX and tokenizer.json.

WordPiece vocabulary (word_pieces.py) -> co-occurrence within a text -> PPMI -> truncated SVD (cooccurrence.py) ->
weighted by idf. The vector of a text is the sum of its pieces' vectors, scaled to unit length.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from patina_resources.arrays import Float32, Int64
from patina_resources.corpus.cooccurrence import Contexts, contexts_of, learn_directions
from patina_resources.corpus.word_pieces import CONTINUES, SPECIAL, UNKNOWN, encoded, piece_tokenizer, train_vocabulary
from patina_resources.embedding.embedder import clean_text
from patina_resources.errors import PatinaError
from patina_resources.models.registry import CORPUS_STATIC, ModelSpec

CORPUS_SPEC = ModelSpec(CORPUS_STATIC, dims=384, max_tokens=512, pooling="model")

# Bounds on what is read, so that time and memory stay the same however long the eventlog grows.
MAX_CHARACTERS = 5_000_000
MAX_TEXT_CHARACTERS = 8_000

# Stands in the vocabulary between pieces that the build texts use and pieces left over from merging.
# No text gives it: words have no brackets.
_LEFT_OVER = "[LEFT-OVER]"


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
    merged = train_vocabulary(chosen, vocabulary_size)
    contexts = contexts_of(encoded(piece_tokenizer(merged), chosen), len(merged), len(SPECIAL))
    frequency = np.bincount(contexts.piece, minlength=len(merged))
    used = np.flatnonzero(frequency)
    if len(used) == 0:
        raise PatinaError(
            f"{CORPUS_STATIC}: the eventlog has no text with a word in it to learn from: commit some, "
            "then run `patina materialize`"
        )
    left_over = np.setdiff1d(np.arange(len(SPECIAL), len(merged)), used)
    vocabulary = [*SPECIAL, *(merged[i] for i in used), _LEFT_OVER, *(merged[i] for i in left_over)]
    dense = Contexts(contexts.context, np.searchsorted(used, contexts.piece), contexts.count)
    learned = learn_directions(dense, len(used), dims, seed)
    table = _weighted_table(learned, frequency[used], contexts.count, len(left_over), seed)
    tokenizer = piece_tokenizer(vocabulary).to_str().encode()
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
    continues = np.array([piece.startswith(CONTINUES) for piece in pieces])
    has_digit = np.array([any(map(str.isdigit, piece)) for piece in pieces])
    foreign = np.arange(len(pieces)) > vocabulary[_LEFT_OVER]
    foreign[vocabulary[UNKNOWN]] = True
    words = foreign_words = 0
    for ids, _ in encoded(tokenizer, [clean_text(text[:MAX_TEXT_CHARACTERS]) for text in texts]):
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


def _weighted_table(learned: Float32, frequency: Int64, contexts: int, left_over: int, seed: int) -> Float32:
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


def _onnx_graph(table: Float32) -> bytes:
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
