"""One vocabulary for SQL: binds are named like columns, and statements are executed with the binds that they have.

The rule stands at `registry.database.contract.Statement`."""

import ast
import importlib
import inspect
import operator
import textwrap
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import pytest
from sqlalchemy import BindParameter, Column, Delete, Insert, Select, Update, bindparam, delete, insert, select, update
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import BinaryExpression, ClauseElement, Tuple
from sqlalchemy.sql.expression import Executable

from registry.database.contract import Statement
from registry.models import Blob, Repository, Tag, Upload, table
from tests.project.test_layers import modules
from tests.scale.plans import statements

WORDS = {
    operator.eq: "",
    operator.ne: "",
    operator.gt: "_after",
    operator.ge: "_from",
    operator.lt: "_before",
    operator.le: "_up_to",
}
"""What is added to the column's name, by how the column is compared with the bind."""

TURNED = {operator.gt: operator.lt, operator.lt: operator.gt, operator.ge: operator.le, operator.le: operator.ge}

WAS = "_was"


class Use(NamedTuple):
    """What a bind is for: the table and column that it sets or is compared with, and the word that goes with it."""

    bind: str
    table: str
    column: str
    word: str


def required(core: ClauseElement) -> set[str]:
    """The binds that have to be given."""
    return {each.key for each in visitors.iterate(core) if isinstance(each, BindParameter) and each.required}


def parts(element: ClauseElement) -> list[ClauseElement]:
    return list(element.clauses) if isinstance(element, Tuple) else [element]


def sets(core: Insert | Update) -> dict[str, str | None]:
    """The columns that it sets, and the binds that it sets them to; None for what is none."""
    # SQLAlchemy tells it in no other way.
    values: dict[Any, object] = dict(core._values or {})
    return {
        getattr(column, "key", column): value.key if isinstance(value, BindParameter) and value.required else None
        for column, value in values.items()
    }


def uses(core: ClauseElement) -> Iterator[Use]:
    """Of every bind that is compared with a column or sets one."""
    for each in visitors.iterate(core):
        if isinstance(each, Insert | Update):
            yield from (Use(bind, str(each.table), column, "") for column, bind in sets(each).items() if bind)
        if isinstance(each, Insert) and isinstance(each.select, Select):
            for column, value in zip(each._select_names or [], each.select._raw_columns, strict=True):
                if isinstance(value, BindParameter):
                    yield Use(value.key, str(each.table), column, "")
        if not isinstance(each, BinaryExpression):
            continue
        for left, right in zip(parts(each.left), parts(each.right), strict=True):
            compared: Any = each.operator
            if isinstance(left, BindParameter):
                left, right, compared = right, left, TURNED.get(compared, compared)
            if isinstance(left, Column) and isinstance(right, BindParameter) and right.required and compared in WORDS:
                yield Use(right.key, left.table.name, left.name, WORDS[compared])


def misnamed(core: ClauseElement) -> list[str]:
    """What is wrong with the names of a statement's binds."""
    found = set(uses(core))
    limits = {each.key for each in visitors.iterate(core) if isinstance(each, Select) for each in limited(each)}
    wrong = [f"{bind} is for no column" for bind in required(core) - {use.bind for use in found} - limits]
    wrong += [f"{bind} limits" for bind in limits - {"limit", "offset"}]
    changed = sets(core) if isinstance(core, Update) else {}
    alike = defaultdict(set)
    for use in found:
        alike[use.column, use.word].add(use.bind.removesuffix(WAS))
    for use in found:
        name, bind = f"{use.column}{use.word}", use.bind
        if isinstance(core, Update | Delete) and use.word == "" and bind.endswith(WAS):
            bind = bind.removesuffix(WAS)
        elif changed.get(use.column, bind) != bind:
            wrong.append(f"{bind} is what {use.column} was")
        wanted = name if len(alike[use.column, use.word]) == 1 else f"{use.table}_{name}"
        if bind != wanted:
            wrong.append(f"{use.bind} is {wanted}")
    return wrong


def limited(query: "Select[Any]") -> list[BindParameter[Any]]:
    return [
        each
        for each in (query._limit_clause, query._offset_clause)
        if isinstance(each, BindParameter) and each.required
    ]


@pytest.mark.parametrize("name", statements())
def test_a_bind_is_named_like_its_column(name: str) -> None:
    core = statements()[name].core
    assert isinstance(core, ClauseElement)
    assert misnamed(core) == []


blob, repository, tag, upload = table(Blob), table(Repository), table(Tag), table(Upload)


@pytest.mark.parametrize(
    "core",
    [
        select(blob.c.id).where(blob.c.digest == bindparam("named")),
        select(blob.c.id).where(blob.c.size + bindparam("size") > 7),
        select(blob.c.id).where(blob.c.id > bindparam("id")),
        select(blob.c.id).where(bindparam("id_before") < blob.c.id),
        select(blob.c.id).where(blob.c.digest == bindparam("digest")).limit(bindparam("most")),
        select(blob.c.id).where(blob.c.digest == bindparam("digest_was")),
        select(tag.c.name).where(repository.c.name == bindparam("name"), tag.c.name == bindparam("tag")),
        select(tag.c.name).where(tag.c.name == bindparam("tag_name")),
        update(upload).where(upload.c.claim == bindparam("by")).values(claimed_until=bindparam("claimed_until")),
        update(upload).where(upload.c.claim == bindparam("claim")).values(claim=None),
        update(upload).where(upload.c.id == bindparam("id")).values(size=bindparam("length")),
        insert(blob).values(digest=bindparam("digest_of")),
        insert(blob).from_select(["digest"], select(bindparam("digest_of"))),
        delete(blob).where(blob.c.id == bindparam("this")),
    ],
)
def test_another_name_is_noticed(core: ClauseElement) -> None:
    assert misnamed(core) != []


METHODS = {"first", "all", "execute", "insert", "execute_many", "lookup", "lookup_all"}
RECEIVERS = {"tx", "database", "_database"}


class Call(NamedTuple):
    """An execution: where, of which statements (one of them, as a condition says), and the names that it gives."""

    line: int
    statements: list[Statement]
    names: set[str] | None
    """None: they cannot be read there."""


class Calls(ast.NodeVisitor):
    """Every execution in a module whose names stand for these values."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self._known = known
        self._local: dict[str, list[ast.expr]] = {}
        self.found: list[Call] = []

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        before, self._local = self._local, defaultdict(list, self._local)
        for each in ast.walk(node):
            if isinstance(each, ast.Assign | ast.For):
                targets = each.targets if isinstance(each, ast.Assign) else [each.target]
                source = each.value if isinstance(each, ast.Assign) else each.iter
                for name in (name for target in targets for name in ast.walk(target)):
                    if isinstance(name, ast.Name):
                        self._local[name.id].append(source)
        for statement in node.body:
            self.visit(statement)
        self._local = before

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_Call(self, node: ast.Call) -> None:
        if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            receiver = node.func.value
            name = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
            if name in RECEIVERS:
                of = self._statements(node.args[0])
                if node.func.attr == "execute_many":
                    names = self._keys(node.args[1])
                else:
                    names = {each.arg for each in node.keywords if each.arg is not None}
                    if len(names) < len(node.keywords) or len(node.args) > 1:
                        names = None
                self.found.append(Call(node.lineno, of, names))
        self.generic_visit(node)

    def _statements(self, expression: ast.expr) -> list[Statement]:
        """Those that it may be."""
        found: list[Statement] = []
        for each in ast.walk(expression):
            value = self._value(each)
            if isinstance(value, Statement):
                found.append(value)
            elif isinstance(each, ast.Name) and each.id in self._local:
                found += [one for source in self._local[each.id] for one in self._statements(source)]
        return found

    def _value(self, node: ast.AST) -> object:
        if isinstance(node, ast.Name) and node.id not in self._local:
            return self._known.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            return getattr(self._value(node.value), node.attr, None)
        return None

    def _keys(self, rows: ast.expr) -> set[str] | None:
        """Those of the only literal dict in it, or in what is called so."""
        if isinstance(rows, ast.Name):
            sources = self._local.get(rows.id, [])
            return self._keys(sources[0]) if len(sources) == 1 else None
        made = rows.elt if isinstance(rows, ast.ListComp) else None
        if not isinstance(made, ast.Dict):
            return None
        keys = {key.value for key in made.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
        return keys if len(keys) == len(made.keys) else None


def calls(source: str, known: Mapping[str, object]) -> list[Call]:
    found = Calls(known)
    found.visit(ast.parse(source))
    return found.found


def names_of(core: Executable) -> set[str]:
    assert isinstance(core, ClauseElement)
    return required(core)


def wrong(call: Call) -> list[str]:
    if call.names is None or not call.statements:
        return [f"line {call.line}: what is executed, and with which names, cannot be read here"]
    return [
        f"line {call.line}: given {sorted(call.names)}, wanted {sorted(names_of(each.core))}"
        for each in call.statements
        if names_of(each.core) != call.names
    ]


# Those that keep the contract hand through what they are given.
EXECUTING = [f"registry.{module}" for module in modules() if module.split(".")[0] not in ("database", "__main__")]


def executed(module: str) -> list[Call]:
    loaded = importlib.import_module(module)
    return calls(inspect.getsource(loaded), vars(loaded))


@pytest.mark.parametrize("module", EXECUTING)
def test_a_statement_is_executed_with_the_binds_that_it_has(module: str) -> None:
    assert [each for call in executed(module) for each in wrong(call)] == []


def test_every_statement_is_executed_somewhere_in_sight() -> None:
    """So none is handed on to where its names are not looked at."""
    seen = {id(each) for module in EXECUTING for call in executed(module) for each in call.statements}
    assert [name for name, statement in statements().items() if id(statement) not in seen] == []


@pytest.mark.parametrize(
    "source",
    [
        "tx.first(FIND, digest=digest)",
        "tx.first(FIND, named=digest, name=name)",
        "tx.first(FIND, digest=digest, name=name, of=1)",
        "self._database.lookup(FIND, **values)",
        "database.lookup(blobs.FIND, digest=digest)",
        "tx.first(FIND if known else STORED, digest=digest)",
        "tx.first(query, digest=digest)",
        "tx.execute_many(LINK, [{'repository_id': 1, 'blob_id': one, 'now': 2} for one in found])",
        "tx.execute_many(LINK, [{**key, 'renewed': 2} for key in found])",
        "tx.execute_many(LINK, rows)",
    ],
)
def test_other_names_are_noticed(source: str) -> None:
    blobs = importlib.import_module("registry.services.blobs")
    function = f"def made_up():\n    query = FIND\n{textwrap.indent(source, '    ')}"
    found = calls(function, {**vars(blobs), "blobs": blobs})
    assert found
    assert [each for call in found for each in wrong(call)] != []
