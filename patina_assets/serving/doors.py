"""What the search page and its API know of the projects that are served."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from patina_assets.orchestration.instance import location_names
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.project.project import Project
from patina_resources.project.user_settings import editor_link, notes_from_page
from patina_resources.store.mothership import mothership


@dataclass(frozen=True)
class Doors:
    """The projects that are served.

    Attributes:
        projects: Answers by the name of the project's code location; the first is asked where none is named.
        editor: The link of the user's editor, with `{path}` and `{line}` in it.
        takes_notes: Whether the user has switched on that notes are written from the page.
    """

    projects: dict[str, ProjectAnswers]
    editor: str
    takes_notes: bool = False

    def answers(self, name: str | None) -> ProjectAnswers:
        """Return the answers of a project; None for the first.

        Raises:
            PatinaError: There is no such project here.
        """
        if name is None:
            return next(iter(self.projects.values()))
        if name not in self.projects:
            hint = did_you_mean(name, self.projects)
            raise PatinaError(f"project: {shown(name)}{hint}: expected one of {', '.join(self.projects)}")
        return self.projects[name]

    @cached_property
    def are_several(self) -> bool:
        """Whether there are several: then the keys of assets begin with the name of the project."""
        return len(self.projects) > 1


def doors_of(projects: Sequence[Project]) -> Doors:
    """Return what is known of projects.

    Raises:
        PatinaError: The user's settings are wrong.
    """
    named = {name: ProjectAnswers(project) for name, project in location_names(projects).items()}
    settings = mothership().settings
    return Doors(named, editor_link(settings), notes_from_page(settings))
