"""A run as one HTML page, for a telephone as for a desktop, in the dark as in the light."""

from conformance.model import Result, Run
from conformance.reports import pages, summary
from conformance.reports.redact import redacted


def render(run: Run) -> str:
    """The page: tables first, then the results, those that did not go well at the top. Without a script it shows all;
    with it, results can be filtered and searched and commands copied."""
    run = redacted(run)
    sections: dict[str, list[Result]] = {}
    for verdict in summary.VERDICTS:
        results = [result for result in run.results if summary.verdict(result) == verdict]
        if results:
            sections[verdict] = results
    categories = list(dict.fromkeys(result.case.category.value for result in run.results))
    return pages.render("report.html.j2", run=run, sections=sections, categories=categories)
