"""What else can be searched: item sources of installed packages (entry points of the group `patina.item_sources`)."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from patina_assets.passages.passage import Passage
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Row, Source
from patina_resources.plugins import broken, plugins

GROUP = "patina.item_sources"


@dataclass(frozen=True)
class ItemSource:
    """A kind of things that search can return, beside code, documents, commits and notes.

    Attributes:
        name: What it is called.
        purpose: What it finds, in a few words.
        sources: The sources whose rows it reads.
        passages: Rows by source name, and texts of the files of code and documents by path -> passages. Pure. Each
            passage has a `path`, a `commit` or a `session`, by which it is found again.
        version: Raised when `passages` gives something else for the same rows and texts.
        origin: The distribution and version of the plugin that it comes from.
    """

    name: str
    purpose: str
    sources: tuple[Source, ...]
    passages: Callable[[Mapping[str, Sequence[Row]], Mapping[str, str]], Iterable[Passage]]
    version: int
    origin: str = ""

    @property
    def fingerprint(self) -> str:
        """Name and version, as they enter a fingerprint: with those of the plugin that it comes from."""
        return f"{self.name}@{self.version} ({self.origin})"


@dataclass(frozen=True)
class ItemSources:
    """The item sources that are installed.

    Attributes:
        found: Those that can be used.
        problems: A sentence for each that is left out.
    """

    found: tuple[ItemSource, ...]
    problems: tuple[str, ...]


def installed_item_sources(known: Iterable[Source]) -> ItemSources:
    """Return the item sources of installed packages.

    Args:
        known: The sources that there are: none of their names can mean another query.
    """
    installed = plugins(GROUP)
    by_name = {source.name: source for source in known}
    found: dict[str, ItemSource] = {}
    problems = list(installed.problems)
    for plugin in installed.found:
        value = plugin.value
        if not isinstance(value, ItemSource):
            problems.append(broken(plugin.name, plugin.origin, f"expected an ItemSource, got {type(value).__name__}"))
        elif value.name in found:
            problems.append(broken(plugin.name, plugin.origin, f"there is an item source {value.name} already"))
        elif other := next((s.name for s in value.sources if by_name.get(s.name, s) != s), None):
            problems.append(broken(plugin.name, plugin.origin, f"there is another source {other} already"))
        else:
            found[value.name] = replace(value, origin=plugin.origin)
            by_name |= {source.name: source for source in value.sources}
    return ItemSources(tuple(found.values()), tuple(problems))


def passages_of(source: ItemSource, rows: Mapping[str, Sequence[Row]], texts: Mapping[str, str]) -> Iterator[Passage]:
    """Yield the passages of an item source.

    Args:
        source: The item source.
        rows: By name of a source; it gets those that it asked for.
        texts: Text of files by path.

    Raises:
        PatinaError: It failed, or gave what is no passage that can be found again.
    """
    try:
        for passage in source.passages({one.name: rows[one.name] for one in source.sources}, texts):
            if not isinstance(passage, Passage):
                raise TypeError(f"expected a Passage, got {type(passage).__name__}")
            if passage.path is None and passage.commit is None and passage.session is None:
                raise ValueError("a passage has no path, no commit and no session")
            yield passage
    except Exception as error:  # whatever the foreign program does
        distribution = source.origin.partition(" ")[0]
        raise PatinaError(
            f"the item source {source.name} of {source.origin} failed ({type(error).__name__}: {error}): update it, or "
            f"run `pip uninstall {distribution}`"
        ) from error
