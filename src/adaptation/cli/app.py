"""The list of commands, and how a command's end becomes an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Group, Parameter

from adaptation import __version__
from adaptation.cli import exits, output, remote
from adaptation.cli.imports import uncollected
from adaptation.errors import AdaptationError

COMMANDS = (
    ("encode", "encode:encode", "Make one HLS + DASH asset of a video, here and now."),
    ("plan", "plan:plan", "Tell what `encode` would do and cost; nothing is made."),
    ("demo", "demo:demo", "Encode a real clip to see the engine work."),
    ("play", "play:play", "Play an asset in the browser."),
    ("submit", "submit:submit", "Store a job for a running service."),
    ("top", "top.here:top", "Show the queue and the fleet live in the terminal."),
    ("ls", "jobs:ls", "List the newest jobs."),
    ("show", "jobs:show", "Show a job and its tasks."),
    ("quality", "quality:quality", "Show how good each segment of a job's asset is."),
    ("logs", "logs:logs", "Print what a job has logged."),
    ("watch", "watch:watch", "Print a job's notifications as they come, one JSON a line."),
    ("cancel", "control:cancel", "Stop a job for good and drop its finished pieces."),
    ("pause", "control:pause", "Hold a job; what runs is stopped and handed back."),
    ("resume", "control:resume", "Let a paused job go on."),
    ("retry", "control:retry", "Run again what failed of a job; finished tasks are kept."),
    ("rerun", "control:rerun", "Run a job anew, with the same parameters."),
    ("priority", "control:priority", "Make a job more or less urgent."),
    ("queue", "queue:queue", "Tell whether the whole queue is paused, pause it, or let it go on."),
    ("settings", "settings:settings", "List the settings of the whole fleet, or change one."),
    ("callbacks", "callbacks:callbacks", "List what was told to a job's end points, or stop it."),
    ("redeliver", "callbacks:redeliver", "Send a callback once more."),
    ("client", "clients:client", "Say who may use the API, with which keys, in what limits."),
    ("storage", "storages:storage", "Say which storages jobs may use besides local folders."),
    ("keys", "keys:keys", "Make, list and change the keys that seal stored secrets."),
    ("serve", "service:serve", "Run jobs in this process, and answer the API, until stopped."),
    ("api", "service:api", "Answer the API's requests until it is stopped; run no jobs."),
    ("worker", "service:worker", "Take tasks from a broker until it is stopped."),
    ("controller", "service:controller", "Start jobs and send tasks of a fleet; run none."),
    (
        "workers",
        "workers:workers",
        "List the workers and what they run; drain, resume or stop one.",
    ),
    ("workflows", "workflows:workflows", "List what can be submitted, or show one workflow."),
    ("profiles", "profiles:profiles", "List the encoding profiles, or show one."),
    ("cache", "cache:cache", "Tell what the cache of encoded chunks holds, or empty it."),
    ("migrate", "migrate:migrate", "Bring the database up to date with this version."),
    ("doctor", "doctor:doctor", "Tell what this machine can do, and what is missing."),
)
"""Name, place in this package, one line of help; in the order of the help."""
EPILOGUE = """\
Exit status: 0 done, 1 the job failed, 2 bad usage or input, 3 the database, broker or server \
cannot be reached, 4 not found, 130 interrupted.
Settings are environment variables ADAPTATION_…; `adaptation doctor` shows the state of things."""
EVERYWHERE = Group("For every command", sort_key=9)
Level = Literal["debug", "info", "warning", "error", "critical"]
Words = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]
LogLevel = Annotated[
    Level | None, Parameter(group=EVERYWHERE, help="Least severe log line shown on stderr.")
]
LogJson = Annotated[bool, Parameter(group=EVERYWHERE, help="Log as one JSON object a line.")]
SERVER_HELP = "Ask this server's API, such as https://adaptation.example.org, not this machine."
Server = Annotated[str, Parameter(group=EVERYWHERE, help=SERVER_HELP)]
RemoteServer = Annotated[str, Parameter(group=EVERYWHERE, help=SERVER_HELP, env_var=remote.SERVER)]
AskingClient = Annotated[
    str,
    Parameter(
        group=EVERYWHERE,
        help="As this client; its key is read from ADAPTATION_API_KEY, or from the file that"
        " ADAPTATION_API_KEY_FILE names.",
        env_var=remote.CLIENT,
    ),
]


def make_app(*, is_remote: bool = False) -> App:
    """The commands, none of them imported yet.

    Args:
        is_remote: those that ask a server, instead of what is on this machine.
    """
    app = App(
        name="adaptation",
        help="A video in, one HLS + DASH asset out: a durable task engine for video on demand.",
        help_epilogue=EPILOGUE,
        help_format="plaintext",
        version=__version__,
        version_format="plaintext",
        default_parameter=Parameter(negative=(), show_default=False),
    )
    for rank, (name, here, line) in enumerate(COMMANDS):
        place = remote.COMMANDS.get(name) if is_remote else here
        if place is None:
            continue
        app.command(f"{__package__}.{place}", name=name, help=line, sort_key=rank)
    app["--help"].group = app["--version"].group = EVERYWHERE
    app.meta.default(_remote_launcher(app) if is_remote else _launcher(app))
    return app


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns its exit status.

    Args:
        arguments: without the program's name; those of this process when not given.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        status = _status(words)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our stdout has gone; what is still buffered must not be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE
    return status


def _status(words: list[str]) -> int:
    try:
        names = [name for name, _, _ in COMMANDS]
        app = make_app(is_remote=remote.is_meant(words, names))
        outcome = app.meta(
            words, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        known = [name for name, _, _ in COMMANDS if name in words[:1]]
        hint = f"Try: {' '.join(['adaptation', *known])} --help"
        output.show_error({"message": str(error), "code": "usage", "hint": hint})
        return exits.USAGE
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except AdaptationError as error:
        output.show_error({"message": error.message, "code": error.code, "hint": error.hint})
        return exits.status_of(error)
    except Exception as error:
        facts = _unreachable(error)
        if facts is None:
            raise
        output.show_error(facts)
        return exits.UNREACHABLE
    return outcome if isinstance(outcome, int) else exits.DONE


def _unreachable(error: Exception) -> dict[str, str] | None:
    """What to say of an error of the database or the broker; None for any other."""
    # Imported only now: most commands that fail so have imported them already.
    from kombu.exceptions import OperationalError
    from sqlalchemy.exc import SQLAlchemyError

    if isinstance(error, SQLAlchemyError):
        what, code = "database", "database_unavailable"
    elif isinstance(error, OperationalError):
        what, code = "broker", "broker_unavailable"
    else:
        return None
    reason = error.__cause__ or error
    hint = "`adaptation doctor` tells what is wrong with it."
    return {"message": f"the {what} does not answer: {reason}", "code": code, "hint": hint}


def _run(app: App, words: Sequence[str]) -> object:
    with uncollected():
        app.parse_commands(words, include_parent_meta=False)  # imports what is named
    return app(words, exit_on_error=False, print_error=False, result_action="return_value")


def _launcher(app: App) -> Callable[..., object]:
    def launch(
        *words: Words,
        log_level: LogLevel = None,
        log_json: LogJson = False,
        server: Server = "",  # noqa: ARG001 - stands here for the help
    ) -> object:
        output.log_choice = output.LogChoice(log_level, log_json)
        return _run(app, words)

    return launch


def _remote_launcher(app: App) -> Callable[..., object]:
    def launch(
        *words: Words,
        log_level: LogLevel = None,
        log_json: LogJson = False,
        server: RemoteServer = "",
        client: AskingClient = "",
    ) -> object:
        output.log_choice = output.LogChoice(log_level, log_json)
        remote.choice = remote.Choice(server, client)
        return _run(app, words)

    return launch
