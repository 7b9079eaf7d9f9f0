"""The `patina` command. It translates between a terminal and the rest of the program, and computes nothing itself."""

import argparse
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from patina_assets.plain_text import guarded_output, json_text, one_line
from patina_resources.errors import PatinaError
from patina_resources.project import find_project
from patina_resources.user_settings import EVENTLOG_VARIABLE

EXIT_OK, EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


@guarded_output()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    0 is success, 1 a build in which something failed, 2 wrong input (one sentence on stderr).
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name or text may hold what this terminal cannot show
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    if getattr(options, "eventlog", None) is not None:
        os.environ[EVENTLOG_VARIABLE] = str(options.eventlog.absolute())  # child processes read it, too
    try:
        return command(options)
    except PatinaError as error:
        if options.debug:
            traceback.print_exc()
        print(f"patina: {one_line(str(error))}", file=sys.stderr)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        print("patina: interrupted; what was built before is untouched", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output (`head`) has seen enough; Python would complain again at exit.
        sys.stderr.close()
        return EXIT_OK


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(prog="patina", description="Search what your project knows.")
    top.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    init = commands.add_parser("init", help="prepare this repository: .patina/config.toml, .patina/oxidize.yaml")
    init.add_argument("path", nargs="?", type=Path, default=Path(), help="the repository (default: here)")
    init.add_argument("--model", help="the base model (default: asked for on a terminal, else corpus-static)")
    init.set_defaults(command=_init)

    materialize = commands.add_parser("materialize", help="append what happened in the repository to the eventlog")
    materialize.add_argument("path", nargs="?", type=Path, help="the repository (default: this project)")
    materialize.add_argument("--full", action="store_true", help="read everything again, not only what is new")
    materialize.add_argument("--only", type=_names, help="comma-separated: git,sessions,code")
    materialize.add_argument("--oxidize", action="store_true", help="then rebuild what is stale")
    _add_eventlog(materialize)
    materialize.set_defaults(command=_materialize)

    oxidize = commands.add_parser("oxidize", help="build what is stale: pairs, embeddings, weights, indexes")
    oxidize.add_argument("--only", nargs="+", metavar="NAME", help="only these projections")
    oxidize.add_argument("--full", action="store_true", help="build everything, the corpus model included")
    oxidize.add_argument("--dry-run", action="store_true", help="show what would be built, and why")
    _add_eventlog(oxidize)
    oxidize.add_argument("--yes", action="store_true", help="add a missing model that the registry names")
    oxidize.set_defaults(command=_oxidize)

    evaluate = commands.add_parser("evaluate", help="how well each projection ranks what it has not seen")
    evaluate.add_argument("--only", nargs="+", metavar="NAME", help="only these projections")
    evaluate.add_argument("--json", action="store_true", help="print JSON")
    _add_eventlog(evaluate)
    evaluate.set_defaults(command=_evaluate)

    scry = commands.add_parser("scry", help="search")
    scry.add_argument("query", help="what you are looking for, in your own words")
    scry.add_argument("--projection", help="search one projection, `base` or `lexical` (default: all, merged)")
    scry.add_argument("-k", type=_positive, default=10, help="number of results (default 10)")
    scry.add_argument("--explain", action="store_true", help="show the rank and score that each list gave")
    scry.add_argument("--json", action="store_true", help="print JSON")
    scry.set_defaults(command=_scry)

    export = commands.add_parser("export", help="write a projection with its base model for other programs")
    export.add_argument("name", help="a projection that is built")
    export.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="a new folder")
    export.add_argument(
        "--weights", type=Path, metavar="FOLDER", help="the base model's original config.json and model.safetensors"
    )
    export.set_defaults(command=_export)

    trust = commands.add_parser("trust", help="accept what another installation built in this project")
    trust.add_argument("--yes", action="store_true", help="do not ask")
    trust.set_defaults(command=_trust)

    _add_model_parser(commands.add_parser("model", help="base models: list, add, remove, status, verify"))

    mapping = commands.add_parser("map", help="draw the items of a projection as a page to hover over")
    mapping.add_argument("projection", help="a projection, or `base`")
    mapping.add_argument("--out", type=Path, default=Path("map.html"), help="the page (default map.html)")
    mapping.set_defaults(command=_map)

    ui = commands.add_parser("ui", help="open the web UI on 127.0.0.1; what goes stale meanwhile is rebuilt")
    ui.add_argument("--port", type=_port, default=3000)
    ui.add_argument("--project", type=Path, action="append", metavar="PATH", help="this one; again for several")
    ui.set_defaults(command=_ui)
    return top


def _add_eventlog(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--eventlog", type=Path, metavar="FILE", help="the eventlog, wherever it is (default: the project's)"
    )


def _add_model_parser(model: argparse.ArgumentParser) -> None:
    actions = model.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="the registry, and what is in the cache")
    listing.add_argument("--json", action="store_true", help="print JSON")
    listing.set_defaults(command=_model_list)
    add = actions.add_parser("add", help="bring a model into the cache")
    add.add_argument("name", help="a name of the list, an alias, or hf:org/name[@revision]")
    add.add_argument("--precision", choices=("int8", "fp32"))
    add.add_argument("--yes", action="store_true", help="do not ask, even where only the project says where it is")
    add.add_argument("--from", dest="folder", type=Path, metavar="FOLDER", help="take the files from a folder")
    add.set_defaults(command=_model_add)
    remove = actions.add_parser("remove", help="delete a model's files from the cache")
    remove.add_argument("name")
    remove.add_argument("--yes", action="store_true", help="do not ask")
    remove.set_defaults(command=_model_remove)
    actions.add_parser("status", help="the cache, and what each known project needs").set_defaults(
        command=_model_status
    )
    verify = actions.add_parser("verify", help="hash every file again")
    verify.add_argument("name", nargs="?", help="one model (default: all)")
    verify.set_defaults(command=_model_verify)


def _model_list(options: argparse.Namespace) -> int:
    from patina_assets.model_commands import list_models

    print(list_models(as_json=options.json))
    return EXIT_OK


def _model_add(options: argparse.Namespace) -> int:
    from patina_assets.model_commands import add

    print(add(options.name, options.precision, options.folder, yes=options.yes))
    return EXIT_OK


def _model_remove(options: argparse.Namespace) -> int:
    from patina_assets.model_commands import remove

    print(remove(options.name, yes=options.yes))
    return EXIT_OK


def _model_status(_: argparse.Namespace) -> int:
    from patina_assets.model_commands import status

    text, ready = status()
    print(text)
    return EXIT_OK if ready else EXIT_FAILED


def _model_verify(options: argparse.Namespace) -> int:
    from patina_assets.model_commands import verify

    text, intact = verify(options.name)
    print(text)
    return EXIT_OK if intact else EXIT_FAILED


def _init(options: argparse.Namespace) -> int:
    from patina_assets.initialise import initialise

    for line in initialise(options.path, options.model):
        print(line)
    return EXIT_OK


def _materialize(options: argparse.Namespace) -> int:
    from patina_assets.terminal import ProgressLine, report_table
    from patina_resources.materialize.run import materialize
    from patina_resources.materialize.tracked import refuse_tracked

    project = find_project(options.path)
    refuse_tracked(project.root)
    project.refuse_unwritable()
    with ProgressLine() as progress:
        reports = materialize(
            project.root,
            project.eventlog(),
            only=options.only,
            full=options.full,
            progress=progress.show,
            session_globs=project.config.session_globs,
        )
    print(report_table(reports))
    if not options.oxidize:
        return EXIT_OK
    from patina_assets.oxidize import oxidize

    return EXIT_OK if oxidize(project) else EXIT_FAILED


def _oxidize(options: argparse.Namespace) -> int:
    from patina_assets.oxidize import oxidize

    fresh = oxidize(
        find_project(), only=options.only, full=options.full, dry_run=options.dry_run, may_add_model=options.yes
    )
    return EXIT_OK if fresh else EXIT_FAILED


def _evaluate(options: argparse.Namespace) -> int:
    from patina_assets.evaluation import evaluate

    return EXIT_OK if evaluate(find_project(), options.only, as_json=options.json) else EXIT_FAILED


def _scry(options: argparse.Namespace) -> int:
    from patina_assets.search import Searcher
    from patina_assets.terminal import answer_lines, hit_document

    answer = Searcher(find_project()).answer(options.query, options.projection, options.k)
    if options.json:
        documents = [hit_document(rank, hit) for rank, hit in enumerate(answer.hits, 1)]
        print(json_text(documents))
    else:
        print("\n".join(answer_lines(answer, explain=options.explain)))
    return EXIT_OK


def _trust(options: argparse.Namespace) -> int:
    from patina_assets.trust_command import trust

    print(trust(find_project(), yes=options.yes))
    return EXIT_OK


def _export(options: argparse.Namespace) -> int:
    from patina_assets.export import export

    print("\n".join(export(find_project(), options.name, options.to, options.weights)))
    return EXIT_OK


def _map(options: argparse.Namespace) -> int:
    from patina_assets.map_command import write_map

    print(write_map(find_project(), options.projection, options.out))
    return EXIT_OK


def _ui(options: argparse.Namespace) -> int:
    from patina_assets.serving.server import serve
    from patina_assets.trust import admit

    projects = [find_project(path) for path in options.project or [None]]
    for project in projects:
        for line in admit(project):
            print(f"patina: {line}", file=sys.stderr)
    return serve(projects, options.port)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number >= 1, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 1 to 65535, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
