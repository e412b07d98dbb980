"""`registry openapi`: the description of the API for other programs."""

from enum import StrEnum
from typing import Annotated

import typer

EXAMPLES = """
Examples:

registry openapi > openapi.yaml

registry openapi --format json
"""

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Format(StrEnum):
    """How the document is printed."""

    YAML = "yaml"
    JSON = "json"


@app.command(epilog=EXAMPLES)
def openapi(form: Annotated[Format, typer.Option("--format", help="Form of the output.")] = Format.YAML) -> None:
    """Print the OpenAPI document of the registry."""
    from registry.openapi import document
    from registry.routes import APIS

    if form is Format.JSON:
        import json

        print(json.dumps(document(APIS), indent=2))
    else:
        import yaml

        print(yaml.safe_dump(document(APIS), sort_keys=False, allow_unicode=True), end="")
