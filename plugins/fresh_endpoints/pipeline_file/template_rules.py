"""What a template may do: a part of Jinja that ends soon, makes little of little, and reaches only what is named here.

A template is rendered by the check and again by each task, where it stands beside Airflow's own objects: from a task, a
task instance or a module it is one step to connections, environment variables and programs. So names, members, filters
and methods are allowed one by one. And what is allowed repeats nothing: without loops and powers, the most that each
expression can become follows from its parts, and all of them together have a budget.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from jinja2 import nodes

from fresh_endpoints.problems import near_misses

LONGEST_TEMPLATE = 4096
# Of what a template's expressions become, taken together. SageMaker's longest string that holds one has 2,500.
BUDGET = 100_000
_DEEPEST = 40
_MOST_IN_RANGE = 1000
# What is reckoned for a value that only a run knows; the person who runs it decides how long that is.
_UNKNOWN = 100

# https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html: what of each object is a fact of the run.
_RUN = ("dag_id", "run_id")
_TASK_INSTANCE = (*_RUN, "map_index", "max_tries", "task_id", "try_number")
OBJECTS: dict[str, tuple[str, ...]] = {
    "dag": ("dag_id",),
    "dag_run": (
        *_RUN, "clear_number", "conf", "data_interval_end", "data_interval_start", "logical_date", "partition_key",
        "run_after", "run_type", "start_date",
    ),
    "macros": (
        "datetime.fromisoformat", "datetime.strptime", "datetime_diff_for_humans", "ds_add", "ds_format",
        "ds_format_locale", "random", "timedelta", "uuid.uuid4",
    ),
    "task": ("task_id",),
    "task_instance": _TASK_INSTANCE,
    "ti": _TASK_INSTANCE,
}  # fmt: skip

Sizes = list[int]


def _as_long(size: int, arguments: Sizes) -> int:
    return size + sum(arguments)


def _times(factor: int) -> Callable[[int, Sizes], int]:
    return lambda size, arguments: factor * (size + sum(arguments))


def _each(size: int, arguments: Sizes) -> int:
    return size * (1 + sum(arguments))


def _number(size: int, arguments: Sizes) -> int:
    # 1e308 has 309 digits as an integer.
    return size + sum(arguments) + 310


# One character may have three in upper case.
_UPPER = _times(3)
# The C library's strftime is given up to 256 characters for each of the format.
_FORMATTED = _times(256)
# What a text, number, date, list or mapping may be asked to do, and how long the answer is at most.
_METHODS: dict[str, Callable[[int, Sizes], int]] = {
    **dict.fromkeys(
        [
            "append", "count", "date", "endswith", "find", "get", "index", "isdigit", "isoformat", "isoweekday",
            "items", "keys", "lower", "lstrip", "removeprefix", "removesuffix", "rsplit", "rstrip", "split",
            "startswith", "strip", "values", "weekday",
        ], _as_long
    ),
    **dict.fromkeys(["capitalize", "title", "upper"], _UPPER),
    "join": _each, "replace": _each, "strftime": _FORMATTED,
}  # fmt: skip
# The same of filters, each with the most arguments that it may have: some take the name of a member, or a width.
_FILTERS: dict[str, tuple[int, Callable[[int, Sizes], int]]] = {
    **dict.fromkeys(
        [
            "abs", "count", "first", "float", "last", "length", "list", "lower", "max", "min", "reverse", "sort",
            "string", "sum", "trim", "unique", "ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz",
        ], (0, _as_long)
    ),
    **dict.fromkeys(["capitalize", "title", "upper"], (0, _UPPER)),
    "d": (2, _as_long), "default": (2, _as_long), "int": (1, _number), "round": (0, _as_long),
    "truncate": (1, _as_long), "tojson": (0, _times(6)), "urlencode": (0, _times(12)),
    "join": (1, _each), "replace": (2, _each),
}  # fmt: skip
_NUMBERS = frozenset({"abs", "count", "float", "int", "length", "round"})
_STATEMENTS = {
    nodes.For: "for", nodes.Macro: "macro", nodes.CallBlock: "call", nodes.FilterBlock: "filter", nodes.Block: "block",
    nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends",
    nodes.With: "with", nodes.ScopedEvalContextModifier: "autoescape", nodes.Scope: "with", nodes.AssignBlock: "set",
}  # fmt: skip
_TOO_DEEP = "it is too deeply nested; make it simpler"
_WAY_OUT = "rendered fields are shown in Airflow's UI, and from there a template would reach secrets and programs"


class _Refused(Exception):  # noqa: N818 - never leaves this module
    """A template does what none may; the rest of it is not looked at."""


def find_refused(tree: nodes.Template, names: Collection[str], why_not: Callable[[str], str]) -> Iterator[str]:
    """Find what a template does that none may.

    Args:
        tree: The template, parsed. Nothing of it has been run, nor may be if something is found here.
        names: The names that it may use.
        why_not: Says why a name may not be used.

    Yields:
        One sentence for each name that it may not use, and one for the first of everything else.
    """
    walk = _Walk(names)
    try:
        walk.statements(tree.body)
    except _Refused as error:
        yield str(error)
    except RecursionError:
        yield _TOO_DEEP
    for name in sorted(walk.unknown):
        yield why_not(name)


class _Walk:
    """Goes through a template as a run would, and reckons how long everything can become.

    Attributes:
        unknown: The names that it may not use.
    """

    def __init__(self, names: Collection[str]) -> None:
        self.unknown: set[str] = set()
        self._names = names
        self._local: dict[str, int] = {}
        self._spent = 0
        self._depth = 0

    def statements(self, body: list[Any]) -> None:
        """Go through statements, and what stands between them."""
        for node in body:
            if isinstance(node, nodes.Output):
                self._all(node.nodes)
            elif isinstance(node, nodes.ExprStmt):
                self._size(node.node)
            elif isinstance(node, nodes.Assign):
                self._assign(node)
            elif isinstance(node, nodes.If):
                self._size(node.test)
                with self._one_deeper():
                    for part in (node.body, node.elif_, node.else_):
                        self.statements(part)
            else:
                keyword = _STATEMENTS.get(type(node), type(node).__name__)
                raise _Refused(
                    f"'{{% {keyword} %}}' is not allowed; allowed {{{{ … }}}}, {{% if … %}} and {{% set NAME = … %}}"
                )

    def _assign(self, node: nodes.Assign) -> None:
        if not isinstance(node.target, nodes.Name):
            raise _Refused("allowed one name in {% set NAME = … %}")
        name = node.target.name
        if name in self._names or name == "range":
            raise _Refused(f"{{% set %}} may not change what {name!r} is; choose another name")
        self._local[name] = max(self._size(node.node), self._local.get(name, 0))

    def _all(self, some: list[Any]) -> Sizes:
        return [self._size(node) for node in some if node is not None]

    def _size(self, node: Any) -> int:
        """Return how long an expression can become, and take it off the budget."""
        with self._one_deeper():
            size = max(self._size_of(node), 1)
        self._spend(size)
        return size

    @contextlib.contextmanager
    def _one_deeper(self) -> Iterator[None]:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _Refused(_TOO_DEEP)
        yield
        self._depth -= 1

    def _spend(self, size: int) -> None:
        self._spent += size
        if self._spent > BUDGET:
            raise _Refused(f"what it becomes may have more than {BUDGET} characters; make it simpler")

    def _size_of(self, node: Any) -> int:
        if isinstance(node, (nodes.Const, nodes.TemplateData)):
            return len(str(node.value if isinstance(node, nodes.Const) else node.data))
        if isinstance(node, nodes.Name):
            return self._name(node)
        if isinstance(node, (nodes.Getattr, nodes.Getitem)):
            return self._member(node)
        if isinstance(node, nodes.Call):
            return self._call(node)
        if isinstance(node, nodes.Filter):
            return self._filter(node)
        if isinstance(node, (nodes.Pow, nodes.Mul, nodes.Mod)):
            _demand_numbers(node)
        elif not isinstance(node, _PLAIN):
            raise _Refused(f"{type(node).__name__} is not allowed in a template")
        return sum(2 + size for size in self._all(list(node.iter_child_nodes())))

    def _name(self, node: nodes.Name) -> int:
        if node.name in self._local:
            return self._local[node.name]
        if node.name in OBJECTS and node.name in self._names:
            raise _Refused(
                f"{node.name!r} by itself is not allowed, because {_WAY_OUT}; {_choice('', _paths(node.name))}"
            )
        if node.name not in self._names:
            self.unknown.add(node.name)
        return _UNKNOWN

    def _member(self, node: nodes.Getattr | nodes.Getitem) -> int:
        root, members = _unwound(node)
        if len(members) > _DEEPEST:
            raise _Refused(_TOO_DEEP)
        for member in members:
            if isinstance(member, str) and member.startswith("_"):
                raise _Refused(f"the member {member!r} is not allowed, because it begins with an underscore")
            if isinstance(member, nodes.Node):
                self._size(member)
        objects = OBJECTS.keys() & set(self._names) - self._local.keys()
        if not (isinstance(root, nodes.Name) and root.name in objects):
            return self._size(root)
        path = ".".join(member if isinstance(member, str) else "[…]" for member in members)
        # Of a module or class only what is listed, of a fact whatever it has.
        found = path if root.name == "macros" else path.partition(".")[0]
        if found not in OBJECTS[root.name]:
            found = f"{root.name}.{found}"
            raise _Refused(f"{found!r} is not allowed, because {_WAY_OUT}; {_choice(found, _paths(root.name))}")
        return _UNKNOWN

    def _call(self, node: nodes.Call) -> int:
        if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise _Refused("'*' before an argument is not allowed; write the arguments out")
        arguments = self._all([*node.args, *(keyword.value for keyword in node.kwargs)])
        called = node.node
        if isinstance(called, nodes.Name) and called.name == "range":
            return _size_of_range(node)
        if not isinstance(called, nodes.Getattr):
            name = called.name if isinstance(called, nodes.Name) else "…"
            raise _Refused(f"'{name}(…)' is not allowed; {_choice('', _METHODS)}")
        found = self._member(called)
        if getattr(_unwound(called)[0], "name", "") == "macros":
            return _FORMATTED(found, arguments) if "format" in called.attr else found
        if called.attr not in _METHODS:
            raise _Refused(f"the method {called.attr!r} is not allowed; {_choice(called.attr, _METHODS)}")
        if called.attr == "append":  # The list may stand in as many places as have been reckoned so far.
            self._spend(sum(arguments) * self._spent)
        return _METHODS[called.attr](self._size(called.node), arguments)

    def _filter(self, node: nodes.Filter) -> int:
        if node.name not in _FILTERS:
            raise _Refused(f"the filter {node.name!r} is not allowed; {_choice(node.name, _FILTERS)}")
        most, size = _FILTERS[node.name]
        keywords = [keyword.key for keyword in node.kwargs if keyword.key not in ("boolean", "default_value")]
        if len(node.args) + len(node.kwargs) > most or keywords or node.dyn_args or node.dyn_kwargs:
            raise _Refused(f"the filter {node.name!r} has more arguments than are allowed, {most}; leave them out")
        arguments = self._all([*node.args, *(keyword.value for keyword in node.kwargs)])
        return size(self._size(node.node), arguments)


_PLAIN = (
    nodes.Tuple, nodes.List, nodes.Dict, nodes.Pair, nodes.CondExpr, nodes.Test, nodes.Slice, nodes.Concat,
    nodes.Compare, nodes.Operand, nodes.Add, nodes.Sub, nodes.Div, nodes.FloorDiv, nodes.And, nodes.Or, nodes.Not,
    nodes.Neg, nodes.Pos, nodes.Keyword,
)  # fmt: skip


def _paths(name: str) -> list[str]:
    return [f"{name}.{member}" for member in OBJECTS[name]]


def _choice(found: str, allowed: Collection[str]) -> str:
    near = near_misses(found, sorted(allowed))
    return f"did you mean {near}?" if near else f"allowed {', '.join(sorted(allowed))}"


def _unwound(node: Any) -> tuple[Any, list[Any]]:
    """Return what a member is taken of in the end, and the members on the way: texts, or expressions."""
    members: list[Any] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            members.append(node.attr)
        else:
            is_text = isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str)
            members.append(node.arg.value if is_text else node.arg)  # type: ignore[attr-defined]
        node = node.node
    return node, members[::-1]


def _demand_numbers(node: nodes.BinExpr) -> None:
    if isinstance(node, nodes.Pow):
        raise _Refused("'**' is not allowed; write the number")
    if not (_is_number(node.left) and _is_number(node.right)):
        raise _Refused(
            f"'{node.operator}' is allowed between numbers only, because it may repeat a text; write (… | int) of what "
            "is one"
        )


def _is_number(node: Any) -> bool:
    if isinstance(node, nodes.Const):
        return isinstance(node.value, (int, float))
    if isinstance(node, nodes.BinExpr):
        return _is_number(node.left) and _is_number(node.right)
    if isinstance(node, (nodes.Neg, nodes.Pos)):
        return _is_number(node.node)
    return isinstance(node, nodes.Filter) and node.name in _NUMBERS


def _size_of_range(node: nodes.Call) -> int:
    given = [argument.value for argument in node.args if isinstance(argument, nodes.Const)]
    if len(given) == len(node.args) and all(isinstance(value, int) and abs(value) <= _MOST_IN_RANGE for value in given):
        return 4 * _MOST_IN_RANGE
    raise _Refused(f"'range' is allowed with numbers up to {_MOST_IN_RANGE} only; write them")
