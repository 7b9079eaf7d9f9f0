"""Whether an answer may be old: the index behind the eventlog, or the eventlog behind the repository."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from patina_resources.errors import PatinaError
from patina_resources.eventlog.looks.memory import RecalledLook, recalled_look
from patina_resources.eventlog.news import News, read_news
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.git.head import head_of
from patina_resources.project.project import Project
from patina_resources.store.manifests import StageInput, read_manifest


@dataclass(frozen=True)
class AgeNote:
    """Something that is older than what it is made from.

    Attributes:
        older: What it is.
        text: That in words, as far as it is known with what it lacks.
        command: What brings it up to date.
    """

    older: Literal["index", "eventlog"]
    text: str
    command: str

    @property
    def sentence(self) -> str:
        """Return the text, and what to run."""
        return f"{self.text}: run `{self.command}`"


def age_notes(project: Project, model: str | None) -> list[AgeNote]:
    """Return what is older than what it is made from.

    It costs a few milliseconds: files are looked at, and events counted; nothing is read or hashed as a whole. What
    cannot be told so quickly is not said.

    Args:
        project: The project.
        model: The base model of its indexes; None where the eventlog alone was asked.
    """
    with suppress(PatinaError, OSError):
        eventlog = Eventlog(project.eventlog())
        if model is None:
            return _eventlog_age(project.root, read_news(eventlog.path, None))
        look = recalled_look(project.source_digests.read_bytes())
        news = read_news(eventlog.path, look.last_seq)
        items = read_manifest(project.base_paths(model).manifest).get("items")
        inputs = items.inputs if items is not None else {}
        return [*index_age(inputs, look, eventlog.probe(), news), *_eventlog_age(project.root, news)]
    return []


def index_age(inputs: Mapping[str, StageInput], look: RecalledLook, probe: str, news: News | None) -> list[AgeNote]:
    """Return a note if the index of all items was made from other events than there are now.

    Args:
        inputs: What it was made from.
        look: The last look at the eventlog, which came after that or right before.
        probe: Of the eventlog now.
        news: What is newer in the eventlog than the last look.
    """
    if not look.digests:
        return []
    sources = {name: entry.value for name, entry in inputs.items() if entry.rows is not None}
    sentence = "the index is older than the eventlog"
    if any(look.digests.get(name, value) != value for name, value in sources.items()):
        return [AgeNote("index", sentence, "patina oxidize")]
    if probe == look.probe or news is None or not news.commits + news.others:
        return []
    return [AgeNote("index", f"{sentence}: {_counted(news)}", "patina oxidize")]


def _counted(news: News) -> str:
    commits = f"{news.commits} commit{'' if news.commits == 1 else 's'}"
    if not news.others:
        return commits
    others = f"{news.others} {'other ' if news.commits else ''}event{'' if news.others == 1 else 's'}"
    return f"{commits} and {others}" if news.commits else others


def _eventlog_age(root: Path, news: News | None) -> list[AgeNote]:
    head = head_of(root) if news is not None and news.head else None
    if news is None or head is None or head == news.head:
        return []
    return [AgeNote("eventlog", "the eventlog is older than HEAD", "patina materialize")]
