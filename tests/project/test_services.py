"""What a registry can be asked stands on one page, `registry/services/registry.py`: all of it, and nothing else."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import errors
from registry.services import blobs, manifests, referrers, registry, repositories, tags, uploads
from tests.project.test_spec import requirements

API = Path(__file__).parents[2] / "registry" / "api"

ANSWERED: dict[type, type] = {
    registry.Blobs: blobs.Blobs,
    registry.Uploads: uploads.Uploads,
    registry.Manifests: manifests.Manifests,
    registry.Referrers: referrers.Referrers,
    registry.Tags: tags.Tags,
    registry.Repositories: repositories.Repositories,
}
"""Each service as it is asked, and who answers."""

EVERYWHERE = {"Unavailable", "StorageFull", "ReadOnly"}
"""What the head of the page says of all verbs."""


def verbs(asked: type) -> dict[str, str]:
    """The docstring of each."""
    functions = {name: verb for name, verb in vars(asked).items() if inspect.isfunction(verb) and name[0] != "_"}
    return {name: inspect.getdoc(verb) or "" for name, verb in functions.items()}


VERBS = [(asked, name) for asked in ANSWERED for name in verbs(asked)]


def raised(docstring: str) -> set[str]:
    """The errors that it names."""
    return {name for name in re.findall(r"`([A-Z]\w+)`", docstring) if isinstance(vars(errors).get(name), type)}


def called() -> Iterator[tuple[str, str]]:
    """Noun and verb of each `ctx.app.noun.verb` in `api`."""
    for path in API.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Attribute(
                    value=ast.Attribute(value=ast.Attribute(value=ast.Name("ctx"), attr="app"), attr=noun), attr=verb
                ) if noun != "settings":
                    yield noun, verb


def test_some_errors_are_those_of_all() -> None:
    assert raised(inspect.getdoc(registry) or "") == EVERYWHERE


def test_every_verb_that_handlers_use_is_there_and_no_other() -> None:
    assert set(called()) == {(asked.__name__.lower(), name) for asked, name in VERBS}


@pytest.mark.parametrize(("asked", "name"), VERBS)
def test_a_verb_names_requirements_and_errors_that_there_are(asked: type, name: str) -> None:
    told = verbs(asked)[name]
    named = set(re.findall(r"\b[A-Z]+-[0-9]+\b", told))
    assert named
    assert named <= set(requirements())
    assert set(re.findall(r"`([A-Z]\w+)`", told)) == raised(told)
    assert ("raises" in told.lower()) == bool(raised(told))


@pytest.mark.parametrize(("asked", "name"), VERBS)
def test_who_answers_names_no_other_error(asked: type, name: str) -> None:
    own = raised(verbs(ANSWERED[asked])[name])
    assert own <= raised(verbs(asked)[name]) | EVERYWHERE
