"""Values of YAML's nodes; for records each with a line of its own, which is what the operator is told."""

from collections.abc import Iterator

import yaml

from registry.settings.secrets import SUFFIX, SecretFile
from registry.settings.sources import Place
from registry.settings.values import Record, shape_of

NULL, MERGE, _MAP, _SEQ = (f"tag:yaml.org,2002:{tag}" for tag in ("null", "merge", "map", "seq"))

MOST = 100_000
"""Values in one list of records: aliases of aliases say in a few lines what nothing could hold."""

DEEPEST = 24
"""Names and numbers on the way to a value: no record goes that deep, but an alias of itself does."""


def constructed(loader: yaml.SafeLoader, node: yaml.Node) -> object:
    """Raises `ValueError` for what is not what its tag says."""
    if node.tag == NULL and not node.value:
        return ""  # a key without a value, which is no null
    try:
        return loader.construct_object(node, deep=True)
    except (ValueError, LookupError, AttributeError):
        if isinstance(node.value, str):  # a date that is none, perhaps: let the setting say what it wanted
            return node.value
        raise ValueError("holds a value that is not what its tag says") from None


class Refused(ValueError):
    """With place, line and reason: there is no value."""


class RecordReader:
    """Reads the value of the setting `name`, which consists of records and whose key is on this line of the file."""

    def __init__(self, loader: yaml.SafeLoader, patience: float, name: str, line: int) -> None:
        self._loader = loader
        self._patience = patience
        self._nodes = 0
        self.lines: dict[Place, int] = {(name,): line}
        """Of each value: where its key stands, or itself in a list."""
        self.problems: list[tuple[Place, int, str]] = []
        """Place, line, and what is wrong there that the value does not show."""

    def read(self, node: yaml.Node, place: Place, record: type[Record] | None) -> object:
        """The value of a node; mappings in it have the keys of `record`, or any if it is None. Raises `Refused`."""
        line = node.start_mark.line + 1
        self._nodes += 1
        if self._nodes > MOST:
            raise Refused(
                place[:1], self.lines[place[:1]], f"has more than {MOST:,} values, or aliases that stand for them"
            )
        if len(place) > DEEPEST:
            raise Refused(place[:1], self.lines[place[:1]], "is nested too deep")
        self.lines.setdefault(place, line)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return [self.read(each, (*place, number), record) for number, each in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return dict(self._entries(node, place, record))
        try:
            return constructed(self._loader, node)
        except ValueError as error:
            raise Refused(place, line, str(error)) from None

    def _entries(self, node: yaml.Node, place: Place, record: type[Record] | None) -> Iterator[tuple[str, object]]:
        shape = shape_of(record) if record else None
        seen: dict[str, tuple[str, int]] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == MERGE:
                self.problems.append((place, line, "merge keys are not read: write the keys themselves"))
            elif not isinstance(key.value, str):
                self.problems.append((place, line, "has a key that is no text"))
            else:
                secret = shape and shape.secret_of(key.value)
                name = secret or key.value
                if name in seen:
                    before, there = seen[name]
                    both = f": {name} or {name}{SUFFIX}, not both" if key.value != before else ""
                    self.problems.append(((*place, key.value), line, f"was already set at line {there}{both}"))
                    continue
                seen[name] = key.value, line
                self.lines[*place, name] = line
                read = self.read(value, (*place, name), shape.records.get(name) if shape else None)
                yield name, SecretFile(read, self._patience) if secret and isinstance(read, str) else read
