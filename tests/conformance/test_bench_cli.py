"""The command `registry-bench`: what can be said to it, what it says, and its exit status."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance import __version__
from conformance.bench import cli, measure
from conformance.bench.errors import BenchError
from conformance.bench.model import Run, Scenario
from conformance.bench.reports import compare, html, json_report, markdown
from conformance.bench.scenarios import NAMES, SCENARIOS
from conformance.bench.servers import PEERS, Wanted
from tests.conformance.made_up import EVIL
from tests.conformance.made_up_bench import WRONG, five, saved


def bench(*words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "conformance.bench", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env={**os.environ})


URL = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "which registries?"),
        (["localhost:5000"], "http://localhost:5000"),
        (["ftp://localhost"], "http or https"),
        (["http://me:secret@localhost", "http://localhost/"], "http://localhost is there twice"),
        ([URL, URL + "/"], "twice"),
        ([URL, "--rounds", "0"], "--rounds"),
        ([URL, "--rounds", "many"], "--rounds"),
        ([URL, "--seconds", "0"], "--seconds"),
        ([URL, "--seconds", "nan"], "--seconds"),
        ([URL, "--only", "push-4kb"], "push-4KB?"),
        ([URL, "--reference", "ggcr"], "'ggcr' is not measured"),
        ([URL, "--bogus"], "--bogus"),
        ([URL, "--json", "/dev/null/run.json"], "/dev/null"),
        ([URL, "--json", "-", "--html", "-"], "standard output"),
        (["--peers", "holdfast"], "none of holdfast-1"),
        (["--peers", URL], "URLs stand before --peers"),
        (["--peers="], "which?"),
        (["--peers", "ggcr,ggcr"], "twice"),
        (["compare", "/nowhere/a.json", "/nowhere/b.json"], "cannot read /nowhere/a.json"),
        (["report", "/dev/null"], "not a report of registry-bench"),
        (["report"], "RUN.json"),
        (["report", str(Path(__file__).parent / "nowhere.json"), "--into", "/dev/null"], "cannot read"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> Run:
        raise AssertionError("nothing is measured")

    monkeypatch.setattr(measure, "run", never)
    monkeypatch.setattr("conformance.bench.servers.missing", lambda name: "")
    try:
        status = cli.main(words)
    except SystemExit as end:
        status = int(end.code or 0)
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    [row] = captured.err.splitlines()
    assert said in row
    assert "secret" not in row


def test_help_and_list_are_answered_by_the_program() -> None:
    done = bench("--help")
    assert done.returncode == 0
    assert "examples:" in done.stdout
    listed = bench("--list", "--only", "push-*,mixed")
    assert listed.returncode == 0, listed.stderr
    assert "push-100MB" in listed.stdout
    assert "manifest" not in listed.stdout
    assert all(name in listed.stdout for name in PEERS)


def test_version() -> None:
    done = bench("--version")
    assert (done.returncode, done.stdout) == (0, f"registry-bench {__version__}\n")


def test_quick_is_a_part_of_the_whole() -> None:
    assert set(cli.QUICK) <= set(NAMES)
    assert [one.name for one in cli.chosen(None, quick=True)] == [name for name in NAMES if name in cli.QUICK]
    assert cli.chosen(None, quick=False) == list(SCENARIOS)


class Measuring:
    """Stands in for the measuring half: remembers what was asked, and gives a run that was made up."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.servers: list[Wanted] = []
        self.options: dict[str, object] = {}

    def __call__(self, servers: list[Wanted], scenarios: list[Scenario], **options: object) -> Run:
        self.servers, self.options = servers, {**options, "scenarios": [one.name for one in scenarios]}
        return self.run


@pytest.mark.parametrize(("run", "status"), [(five(), 0), (WRONG, 1)], ids=["right", "wrong"])
def test_a_run_is_measured_shown_and_written(
    run: Run, status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Measuring(run)
    monkeypatch.setattr(measure, "run", asked)
    monkeypatch.setattr("conformance.bench.servers.missing", lambda name: "" if name != "ggcr" else "no crane")
    forms = [word for form in cli.FORMS for word in (f"--{form}", str(tmp_path / form))]
    words = ["http://localhost:5000/", "--peers", "distribution,ggcr", "--quick", "--rounds", "2", *forms]
    assert cli.main(words) == status
    assert asked.servers == [Wanted("distribution"), Wanted("localhost:5000", "http://localhost:5000")]
    assert asked.options["rounds"] == 2
    assert asked.options["seconds"] == 1
    assert asked.options["reference"] == "distribution"
    assert asked.options["scenarios"] == [name for name in NAMES if name in cli.QUICK]
    captured = capsys.readouterr()
    assert "ggcr is left out: no crane" in captured.err
    assert "manifest-get-tag" in captured.out
    assert json_report.load(tmp_path / "json") == run
    assert (tmp_path / "html").read_text() == html.render(run)
    assert (tmp_path / "markdown").read_text() == markdown.render(run)


def test_standard_output_holds_the_report_alone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "run", Measuring(five()))
    assert cli.main([URL, "--json", "-", "--no-progress"]) == 0
    captured = capsys.readouterr()
    assert captured.out == json_report.render(five())
    assert "every answer checked was right" in captured.err


def test_what_cannot_be_measured_is_told_in_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> Run:
        raise BenchError(f"{URL} does not answer:\nstart it {EVIL}")

    monkeypatch.setattr(measure, "run", refuse)
    assert cli.main([URL]) == 2
    [row] = capsys.readouterr().err.splitlines()
    assert "does not answer: start it" in row
    assert row.isprintable()


def test_other_forms_are_made_of_a_kept_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path, five())
    assert cli.main(["report", str(path), "--markdown", "-"]) == 0
    assert capsys.readouterr().out == markdown.render(five())
    assert cli.main(["report", str(path), "--html", str(tmp_path / "run.html")]) == 0
    assert cli.main(["report", str(path)]) == 0
    assert "manifest-get-tag" in capsys.readouterr().out
    other = saved(tmp_path, five(2), "other.json")
    assert cli.main(["compare", str(path), str(other)]) == 0
    assert "2.00×" in capsys.readouterr().out
    assert cli.main(["compare", str(path), str(other), "--markdown", "-"]) == 0
    assert capsys.readouterr().out == compare.render_markdown(compare.compare(five(), five(2)))


def test_a_table_is_put_between_the_marks_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, page = saved(tmp_path, five()), tmp_path / "page.md"
    page.write_text(f"before\n{cli.BEGIN}\nold\n{cli.END}\nafter\n")
    assert cli.main(["report", str(run), "--into", str(page)]) == 0
    assert page.read_text() == f"before\n{cli.BEGIN}\n\n{markdown.render(five())}\n{cli.END}\nafter\n"
    page.write_text("without marks\n")
    assert cli.main(["report", str(run), "--into", str(page)]) == 2
    assert cli.BEGIN in capsys.readouterr().err
    assert page.read_text() == "without marks\n"
