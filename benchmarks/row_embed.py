"""Embedding with all-minilm-l6-v2, ours against sentence-transformers and fastembed, in int8 and fp32."""

from functools import partial
from pathlib import Path

from bench_models import (
    MODEL,
    PEER_FOLDERS,
    PRECISIONS,
    Embed,
    fastembed_peers,
    ours,
    prepare,
    sentence_transformers_peer,
)
from eventlogs import original, texts_of
from measure import Section, Setting, Spent, progress, ratio, thread_count, timed, turns_table

# Wanted of each precision: times faster than sentence-transformers, and than fastembed of the same precision.
WANTED = {"int8": (2.0, 1.3), "fp32": (1.2, 1.0)}
SENTENCE_TRANSFORMERS = "sentence-transformers"


def measure(setting: Setting) -> Section:
    """Return the figures; a round is a part of the texts, so that contenders take turns within one pass."""
    path, origin = original(setting.scratch, setting.eventlogs)
    folder = setting.scratch / "minilm"
    if not (folder / PEER_FOLDERS["int8"]).is_dir() or not (folder / "texts.json").is_file():
        progress(f"preparing {MODEL}")
        prepare(folder, path)
    count, parts = setting.pick(10_000, 200), 10
    texts = texts_of(path, count)
    section = Section(f"Embed {len(texts):,} texts, {MODEL}")
    contenders = _contenders(folder, section)
    for embed in contenders.values():
        embed(texts[:8])
    spent: dict[str, list[Spent]] = {name: [] for name in contenders}
    for part in range(parts):
        # Every tenth text: parts are alike.
        for name, embed in contenders.items():
            spent[name].append(timed(partial(embed, texts[part::parts])))
        progress(f"part {part + 1} of {parts}")
    for precision in PRECISIONS:
        mine = f"patina {precision}"
        other = "fp32" if precision == "int8" else "int8"
        peers = [name for name in spent if not name.startswith("patina") and not name.endswith(other)]
        table = turns_table({name: spent[name] for name in (mine, *peers)}, mine, "texts", len(texts) // parts)
        section.table += table if not section.table else table[1:]
        for name, wanted in zip((SENTENCE_TRANSFORMERS, f"fastembed {precision}"), WANTED[precision], strict=True):
            if name in spent:
                found = ratio(spent[name], spent[mine])
                section.verdicts.append((f"{precision} >= {wanted}x {name}", f"{found:.2f}x", found >= wanted))
    section.notes.append(
        f"The texts are notes and messages of {origin}, mixed so that none repeats. Each round embeds a tenth of "
        f"them. {thread_count()} threads. fastembed runs our fp32 graph. Its int8 graph has the same weights by "
        "onnxruntime's dynamic quantization, like published models."
    )
    return section


def _contenders(folder: Path, section: Section) -> dict[str, Embed]:
    threads = thread_count()
    found = {f"patina {precision}": ours(folder, precision, threads) for precision in PRECISIONS}
    for name, make in ((SENTENCE_TRANSFORMERS, sentence_transformers_peer), ("fastembed", fastembed_peers)):
        try:
            peers = make(folder, threads)
        except Exception as error:  # a peer's own failure, of whatever kind, must not end ours
            peers = {}
            section.skipped.append(f"{name}: {type(error).__name__}: {error}")
        if not peers and not section.skipped:
            section.skipped.append(f"{name}: not installed")
        found |= peers
    return found
