"""A small picture for a README: "OCI conformance | 1.1 passed", "Storage driver | passed"."""

from html import escape

from conformance.model import Run, Subject
from conformance.reports import summary

COLORS = {"passed": "#2c7a3f", "failed": "#b3261e", "broken": "#6b6f76"}

_NARROW, _WIDE = "fijlrt.,:;|! '()1", "mwMWOCDGHNQU%"


def render(run: Run) -> str:
    """The SVG. It says passed only of a run whose exit status is 0."""
    words, verdict = message(run), summary.judgement(run)
    label = run.subject.title
    left, right = _width(label) + 14, _width(words) + 14
    title = escape(f"{label}: {words}")
    whole = left + right
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{whole}" height="20" role="img" aria-label="{title}">
<title>{title}</title>
<clipPath id="r"><rect width="{whole}" height="20" rx="3"/></clipPath>
<g clip-path="url(#r)">
<rect width="{left}" height="20" fill="#3d4248"/>
<rect x="{left}" width="{right}" height="20" fill="{COLORS[verdict]}"/>
</g>
<g fill="#fff" font-family="Verdana,DejaVu Sans,Geneva,sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:g}" y="14" textLength="{left - 14}">{escape(label)}</text>
<text x="{left + right / 2:g}" y="14" textLength="{right - 14}">{escape(words)}</text>
</g>
</svg>
"""


def message(run: Run) -> str:
    """What the badge says: the level that was passed, or how much was not."""
    verdict = summary.judgement(run)
    if verdict == "passed":
        return f"{run.level.value} passed" if run.subject is Subject.REGISTRY else "passed"
    if verdict == "failed":
        return f"{summary.failures(run)} failed"
    if run.trouble or run.idle:
        return "could not run" if run.trouble else "nothing was run"
    return f"{summary.tally(run.results)['broken']} not judged"


def _width(text: str) -> int:
    """About what Verdana of 11 pixels needs; `textLength` makes it fit with any other type."""
    return round(sum(4.4 if letter in _NARROW else 9 if letter in _WIDE else 6.8 for letter in text))
