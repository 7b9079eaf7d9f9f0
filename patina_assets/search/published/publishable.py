"""What of a project can be published: the passages of `base`, with vectors of a model that all projects share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Passage
from patina_assets.search.built import BASE
from patina_assets.search.index import index_vectors
from patina_assets.search.indexes import Indexes
from patina_assets.search.published.store import SharedModel
from patina_resources.errors import PatinaError
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.project.project import Project
from patina_resources.store.manifests import read_manifest


@dataclass(frozen=True)
class Publishable:
    """What is built of a project, as far as it is published.

    Attributes:
        model: Whose vectors they are.
        digest: Of the index; equal for equal contents.
        passages: In the order of the vectors.
        vectors: float32 [passages, dims].
    """

    model: SharedModel
    digest: str
    passages: Sequence[Passage]
    vectors: NDArray[np.float32]


def publishable_model(name: str, indexes: Indexes) -> SharedModel:
    """Return the model that a project's vectors are of.

    Raises:
        PatinaError: It was made from the project's own texts, or is not what its index was built with.
    """
    spec = indexes.spec
    if any(part.name == CORPUS_STATIC for part in spec.parts):
        raise PatinaError(
            f"{name}: its model {spec.name} is made of its own texts, so that its vectors cannot be compared with "
            "those of other projects: set a model that all can share, such as english-static or all-minilm-l6-v2"
        )
    facts = indexes.opened(BASE).file.facts
    return SharedModel(spec.reference, facts["model_digest"], facts["model_settings"], spec.dims)


def publishable(name: str, project: Project) -> Publishable:
    """Return what is built of a project.

    Raises:
        PatinaError: It is not built or damaged, or its model cannot be shared.
    """
    indexes = Indexes(project)
    model = publishable_model(name, indexes)
    record = read_manifest(project.base_paths(indexes.spec.name).manifest).get("index")
    file, opened = indexes.passages(), indexes.opened(BASE)
    passages = [file.passage(key) for key in range(file.count)]
    vectors = index_vectors(opened.index, file.count)
    return Publishable(model, record.digest if record is not None else "", passages, vectors)
