"""`registry openapi`."""

import json

import yaml

from tests.cli.conftest import Run


def test_yaml_and_json_are_the_same_document(run: Run) -> None:
    written = run("openapi")
    assert (written.returncode, written.stderr) == (0, "")
    document = yaml.safe_load(written.stdout)
    assert document == json.loads(run("openapi", "--format", "json").stdout)
    assert document["openapi"].startswith("3.")
    assert written.stdout.startswith("openapi:")
    assert "/v2/" in document["paths"]
