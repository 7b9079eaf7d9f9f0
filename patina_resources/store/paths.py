"""Names of the files of one projection."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ProjectionPaths:
    """The files of one projection (or of `base`), all in one folder."""

    folder: Path
    name: str

    @property
    def pairs(self) -> Path:
        """Training triplets, one JSON object with anchor, positive and negative a line."""
        return self.folder / f"{self.name}.pairs.jsonl"

    @property
    def items(self) -> Path:
        """What search can return, one JSON object a line; line number is the item's row."""
        return self.folder / f"{self.name}.items.jsonl"

    @property
    def relations(self) -> Path:
        """Triplets and contexts as row numbers, with their split (safetensors)."""
        return self.folder / f"{self.name}.relations.safetensors"

    @property
    def embeddings(self) -> Path:
        """Vectors of the unique texts (safetensors)."""
        return self.folder / f"{self.name}.embeddings.safetensors"

    @property
    def weights(self) -> Path:
        """The trained projection (safetensors)."""
        return self.folder / f"{self.name}.safetensors"

    @property
    def onnx(self) -> Path:
        """The same projection for other runtimes (ONNX)."""
        return self.folder / f"{self.name}.onnx"

    @property
    def index(self) -> Path:
        """The USearch index."""
        return self.folder / f"{self.name}.usearch"

    @property
    def search(self) -> Path:
        """What search needs beside the index: items by key and the projection that made it (SQLite)."""
        return self.folder / f"{self.name}.search.db"

    @property
    def manifest(self) -> Path:
        """Per stage: fingerprint, inputs, output digests (JSON)."""
        return self.folder / f"{self.name}.manifest.json"

    @property
    def mutex(self) -> Path:
        """File that a process holds while it builds a stage of this projection."""
        return self.folder / f"{self.name}.mutex"
