"""What the fleet's tools answer to agents: JSON texts of a few kilobytes. No SDK here."""

from collections.abc import Sequence

from patina_assets.serving.answers.bounds import between
from patina_assets.serving.fleet.answers import FILTERS, FleetAnswers
from patina_assets.serving.mcp.short import MOST_BYTES, Room, ShortAnswer, bytes_for, fitted, hit_of, without_nothing
from patina_assets.serving.mcp.tools import MOST_RESULTS, NOTHING_MATCHES, RESULTS

MOST_PROJECTS = 200
TEXT_CHARACTERS = 400


class FleetTools:
    """The tools for one asker. Each returns JSON, and raises PatinaError, one sentence, where it cannot answer."""

    def __init__(self, answers: FleetAnswers, groups: Sequence[str]) -> None:
        """Take what answers, and the groups of who asks."""
        self._answers, self._groups = answers, groups

    def search(
        self,
        query: str,
        k: int = RESULTS,
        project: str | None = None,
        group: str | None = None,
        kinds: Sequence[str] = (),
        filters: Sequence[str | None] = (None,) * len(FILTERS),
    ) -> str:
        """Return what fits a question best, each with its project.

        Args:
            query: The question.
            k: Number of results.
            project: A glob over names of projects; None for all.
            group: Only projects that this group may see; None for all groups of who asks.
            kinds: Only these; empty for all.
            filters: The values of FILTERS; None where nothing is limited.
        """
        found = self._answers.search(
            self._groups,
            {"q": query, "limit": between("k", k, 1, MOST_RESULTS), "project": project, "group": group, "kind": kinds,
             "characters": TEXT_CHARACTERS, **dict(zip(FILTERS, filters, strict=True))},
        )  # fmt: skip

        def made(room: Room) -> ShortAnswer:
            hits = [{"project": hit["project"], **hit_of(hit, room)} for hit in found["hits"][: room.results]]
            left_out = len(found["hits"]) - len(hits)
            notes = [NOTHING_MATCHES] if found["doubtful"] else []
            told = {"projects": found["projects"], "left_out": left_out, "notes": notes}
            return {"hits": hits} | without_nothing(told)

        return fitted(made, bytes_for(k))

    def projects(self, pattern: str | None = None) -> str:
        """Return the projects that the asker may see, by name."""
        found = self._answers.projects(self._groups, pattern)["projects"]

        def made(room: Room) -> ShortAnswer:
            shown = found[: min(MOST_PROJECTS, room.results * room.entries)]
            return {"projects": shown} | without_nothing({"left_out": len(found) - len(shown)})

        return fitted(made, MOST_BYTES)
