"""Sections of settings on the command line."""

import re

import pytest

from registry.settings.fields import Settings
from registry.settings.sections import Section, by_section, setting
from tests.cli.conftest import Run


def panels(shown: str) -> dict[str, list[str]]:
    """The flags in each panel of a help."""
    return {
        title: re.findall(r"^│ (--[a-z-]+)", body, re.M)
        for title, body in re.findall(r"^╭─ ([A-Z][\w ]*) ─+╮\n(.*?)^╰", shown, re.M | re.S)
    }


@pytest.mark.spec("SETTING-9")
def test_help_has_a_panel_for_each_section(run: Run) -> None:
    wanted = {
        section.value: ["--" + name.replace("_", "-") for name in names]
        for section, names in by_section(Settings).items()
    }
    for command in ("serve", "config show"):
        shown = panels(run(*command.split(), "--help").stdout)
        own = shown.pop("Options")
        assert own[-1] == "--help"
        assert "--config" in own
        assert shown == wanted
        assert list(shown) == [section.value for section in Section]
    assert panels(run("db", "upgrade", "--help").stdout)["Storage"] == ["--data", "--database"]


@pytest.mark.spec("SETTING-9")
@pytest.mark.parametrize("form", ["text", "yaml"])
def test_what_is_shown_has_a_heading_for_each_section(form: str, run: Run) -> None:
    paragraphs = run("config", "show", "--format", form, "--workers", "1").stdout.rstrip("\n").split("\n\n")
    shown = {}
    for paragraph in paragraphs:
        heading, *lines = paragraph.splitlines()
        shown[heading] = [re.split(r":| ", line.removeprefix("# "))[0] for line in lines]
    assert shown == {f"# {section.value}": names for section, names in by_section(Settings).items()}


def test_every_setting_is_in_a_section_and_says_what_it_does() -> None:
    class Sectionless(Settings):
        loose: int = 5

    class Undescribed(Settings):
        silent: int = setting(Section.LOG, 5, "")

    models: dict[type[Settings], str] = {Sectionless: "loose", Undescribed: "silent"}
    for model, name in models.items():
        with pytest.raises(TypeError, match=f"the setting {name} is not made by setting"):
            by_section(model)
