"""The processes of one Dagster run: its steps run one at a time, and wait for what is built at once beside them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import dagster as dg

from patina_assets.pipeline.progress import Report
from patina_assets.pipeline.runner import ModelOutcome, model_on_disk, run_model
from patina_assets.pipeline.staleness import MODEL
from patina_assets.pipeline.workers.workers import Workers, assignments
from patina_assets.pipeline.workspace import Workspace
from patina_resources.errors import PatinaError
from patina_resources.resources import BuildOptions


class RunWorkers:
    """The workers of a project; of one run at a time.

    Attributes:
        model: What became of the base model, where it was built for them; None where that is left to its own step.
    """

    def __init__(self, workspace: Workspace, model: dg.AssetKey, stages: Mapping[dg.AssetKey, tuple[str, str]]) -> None:
        """Take what the project has; nothing is started before a step asks.

        Args:
            workspace: The project.
            model: The key of its base model.
            stages: Projection and stage of each other key, in the order of building.
        """
        self._workspace, self._model, self._stages = workspace, model, stages
        self._run_id = ""
        self._workers = Workers(())
        self.model: ModelOutcome | None = None

    def of(
        self, context: dg.AssetExecutionContext, build: BuildOptions, prefix: Sequence[str], report: Report
    ) -> Workers:
        """Return the workers of a run; its first step starts them.

        Args:
            context: Of any step.
            build: What the run was told.
            prefix: What stands before each asset key of the project.
            report: Told how far the model is.

        Raises:
            PatinaError: The run was told to build what the recipe does not have.
        """
        if context.run.run_id == self._run_id:
            return self._workers
        self._workers.stop()
        selection = context.run.asset_selection

        def is_selected(key: dg.AssetKey) -> bool:
            return selection is None or dg.AssetKey([*prefix, *key.path]) in selection

        wanted: dict[str, list[str]] = defaultdict(list)
        for key, (projection, stage) in self._stages.items():
            if is_selected(key):
                wanted[projection].append(stage)
        names = [*self._workspace.names(), MODEL]
        builds_model = is_selected(self._model)
        assigned = assignments(
            self._workspace,
            wanted,
            lambda name: build.forced(name, names),
            renew=build.renew,
            model_is_stale=builds_model and not model_on_disk(self._workspace).digest,
        )
        self._run_id, self._workers, self.model = context.run.run_id, Workers(assigned), None
        # Not left to its own step: a step before that one may wait for a process that waits for the model.
        if assigned and builds_model:
            try:
                with self._workers.while_model_is_built():
                    forced = build.forced(MODEL, names)
                    self.model = run_model(self._workspace, report, full=forced, renew=build.renew)
            except PatinaError:  # its own step says why
                self._workers = Workers(())
        self._workers.model_is_ready()
        return self._workers
