"""Makes HTML pages that need nothing but themselves: one file, no network, no script of anybody else's."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from conformance.reports import explain, summary
from conformance.reports.curl import command
from conformance.reports.text import line, visible

LIMIT, BRIEF = 2048, 256
"""Bytes of a body that a page shows, and of one that nothing was wrong with."""


def render(template: str, **values: object) -> str:
    """The page. What the registry said is escaped twice over: as text by `visible` and `line`, as HTML by Jinja."""
    style, script = _part("style.css"), _part("filter.js")
    policy = f"default-src 'none'; style-src {_allowed(style)}; script-src {_allowed(script)}; base-uri 'none'"
    page: str = _environment().get_template(template).render(style=style, script=script, policy=policy, **values)
    return page


@cache
def _environment() -> Environment:
    """Made once: compiling a template takes longer than filling it in."""
    environment = Environment(
        loader=PackageLoader("conformance.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"line": line, "visible": visible}
    environment.globals |= {"explain": explain, "summary": summary, "command": command, "limit": LIMIT, "brief": BRIEF}
    return environment


def _part(name: str) -> Markup:
    """A file of ours that goes into the page as it is."""
    return Markup(files("conformance.reports").joinpath("templates", name).read_text("utf-8"))  # noqa: S704


def _allowed(part: str) -> str:
    """The part's hash: the browser runs nothing else, even if something had got through the escaping."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()}'"
