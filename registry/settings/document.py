"""The file of settings: YAML, a mapping of names to values, each with the line that it is from."""

import re
from pathlib import Path

import yaml

from registry.settings.file import read_bounded
from registry.settings.messages import brief, nearest, place_text
from registry.settings.nodes import MERGE, NULL, RecordReader, Refused, constructed
from registry.settings.secrets import SUFFIX, SecretFile
from registry.settings.sources import CONFIG, Given, Sources

_NAMED = re.compile(r"(alias|tag|handle|anchor) ['\"].*", re.DOTALL)


def from_file(file: Given, sources: Sources) -> None:
    """Adds what the file says."""
    path = Path(str(file.value))
    try:
        loader = yaml.SafeLoader(read_bounded(path, sources.patience))
        node = loader.get_single_node()
        if node is None or node.tag == NULL:
            return
        if not isinstance(node, yaml.MappingNode):
            sources.problems.append(f"{path}: holds no mapping of settings to values, such as port: 5001")
            return
        for key, value in node.value:
            _from_line(loader, key, value, path, sources)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sources.refuse(CONFIG, file.origin, f"{brief(str(file.value))}: {reason}")
    except yaml.MarkedYAMLError as error:
        line = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
        sources.problems.append(f"{path}{line}: is not YAML: {_told(error.problem or '')}")
    except yaml.YAMLError as error:
        sources.problems.append(f"{path}: is not YAML: {' '.join(str(error).split())}")
    except RecursionError:
        sources.problems.append(f"{path}: is nested too deep")


def _told(problem: str) -> str:
    """What YAML takes for the name of an alias may be a secret that has no quotes around it, and a `*` at its head."""
    return _NAMED.sub(r"\1; text that begins so needs quotes", problem)


def _from_line(loader: yaml.SafeLoader, key: yaml.Node, value: yaml.Node, path: Path, sources: Sources) -> None:
    shape = sources.shape
    origin = f"{path} line {key.start_mark.line + 1}"
    written = key.value.replace("-", "_") if isinstance(key.value, str) else "?"
    shown = written if written.isidentifier() else brief(written)
    secret = shape.secret_of(written)
    name = secret or written
    if key.tag == MERGE:
        sources.refuse(shown, origin, "merge keys are not read: write the settings themselves")
    elif name not in shape.names:
        sources.refuse(shown, origin, f"unknown setting{nearest(written, shape.keys)}")
    elif name in sources.given:
        before = sources.given[name][0]
        both = f": {name} or {name}{SUFFIX}, not both" if isinstance(before.value, SecretFile) != bool(secret) else ""
        sources.refuse(written, origin, f"was already set at {before.origin}{both}")
    elif name in shape.records:
        reader = RecordReader(loader, sources.patience, name, key.start_mark.line + 1)
        _add_records(reader, name, value, origin, path, sources)
    else:
        try:
            read = constructed(loader, value)
        except ValueError as error:
            sources.refuse(written, origin, str(error))
        else:
            is_path = secret and isinstance(read, str)
            sources.add(name, Given(SecretFile(str(read), sources.patience) if is_path else read, origin))


def _add_records(reader: RecordReader, name: str, node: yaml.Node, origin: str, path: Path, sources: Sources) -> None:
    problems = reader.problems
    try:
        value = reader.read(node, (name,), sources.shape.records[name])
        sources.add(name, Given(value, origin, str(path), reader.lines))
    except Refused as refused:
        problems = [*problems, refused.args]
    for place, line, reason in problems:
        sources.refuse(place_text(place), f"{path} line {line}", reason)
