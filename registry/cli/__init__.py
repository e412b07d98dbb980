"""The command line: `registry serve` and the commands around it."""

import gc
import os
import sys
from importlib import import_module
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from registry import __version__
from registry.errors import OperatorError

EXAMPLES = """
Examples:

registry serve --data /srv/registry

registry config show --config registry.yaml

registry db upgrade --data /srv/registry
"""

MODULES = {"serve": "serve", "config": "config", "db": "database", "openapi": "openapi"}
"""The module of each command or group of commands: `app` in it is the command."""


class Commands(TyperGroup):
    """Imports the module of a command when the command is asked for, so that none pays for another."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        # An unknown name is compared with those of all the commands, to suggest the nearest.
        for name in [cmd_name] if cmd_name in MODULES else MODULES:
            if name not in self.commands:
                module = import_module(f"{__name__}.{MODULES[name]}")
                self.commands[name] = get_command(module.app)
        return self.commands.get(cmd_name)


HELP = {"help_option_names": ["--help", "-h"]}

app = typer.Typer(cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False, context_settings=HELP)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"holdfast {__version__}")
        raise typer.Exit


@app.callback(epilog=EXAMPLES)
def registry(
    version: Annotated[
        bool,
        typer.Option(
            "--version", metavar="", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Holdfast, an OCI registry: keeps container images and other artifacts, and serves them."""


def main() -> None:
    """The command `registry`: what the operator must mend is told in one line, exit status 1."""
    # What modules are made of stays: looking for garbage in it is a tenth of the start. `server.work` goes on with it.
    gc.disable()
    # Closed by whoever has started this. A server serves all the same.
    if sys.stdout is None and sys.argv[1:2] != ["serve"]:
        fail("cannot write to standard output: it is closed")
    try:
        try:
            app(prog_name="registry")
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except OperatorError as error:
        fail(*str(error).split())
    except OSError as error:
        # The interpreter would try to write the rest once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        fail(f"cannot write to {error.filename or 'standard output'}: {error.strerror}")


def fail(*words: str) -> NoReturn:
    print("registry: error:", *words, file=sys.stderr)
    sys.exit(1)
