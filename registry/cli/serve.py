"""`registry serve`: run the registry."""

import typer

from registry.cli.flags import SOURCES, given, settings_flags
from registry.settings.fields import Settings
from registry.settings.loading import load

EXAMPLES = """
Examples:

registry serve

registry serve --data /srv/registry --host 0.0.0.0 --port 5000 --public-url https://registry.example.org

registry serve --storage memory: --port 0 --log-format json

registry serve --config registry.yaml --read-only
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog=SOURCES + EXAMPLES)
@settings_flags()
def serve(ctx: typer.Context, **flags: object) -> None:
    """Serve the registry until SIGTERM or SIGINT; then let running requests end."""

    settings = load(given(ctx)).settings
    from registry.server import serve as run

    def reload() -> Settings:
        # Meanwhile nobody watches over the workers.
        return load(given(ctx), patience=1.0).settings

    raise typer.Exit(run(settings, reload))
