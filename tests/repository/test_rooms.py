"""The house: a room of the package imports only the rooms below it, and no two modules import each other."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "plugins" / "fresh_endpoints"
# From the top floor down. What has no room of its own stands beside the package's doors.
FLOORS = [
    (
        "__main__",
        "preload",
        "status",
        "redeploy_command",
        "invoke_command",
        "check_command",
        "new_command",
        "plan_command",
        "iam_command",
        "adopt_command",
        "show_command",
        "remove_command",
    ),
    ("planning",),
    ("steps",),
    ("telling",),
    ("page",),
    ("live", "history", "permissions", "adoption", "removal"),
    ("run", "model_facts", "deployment"),
    ("waiting",),
    ("pipeline_file",),
    ("aws",),
    ("problems",),
]
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
LONGEST_MODULE = 350


def modules():
    """Every module by its dotted name within the package."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in PACKAGE.rglob("*.py")
    }


def imports_of(path, names):
    """The package's own modules that a module imports, anywhere in it, but for those that only types need."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fresh_endpoints"):
            module = node.module.removeprefix("fresh_endpoints").lstrip(".")
            below = {f"{module}.{alias.name}".lstrip(".") for alias in node.names} & names
            found |= below or {module}
        elif isinstance(node, ast.Import):
            found |= {alias.name.removeprefix("fresh_endpoints.") for alias in node.names} & names
    return found - {""}


def test_a_room_imports_only_rooms_below_it():
    found = modules()
    wrong = []
    for name, path in found.items():
        room = name.partition(".")[0]
        for imported in imports_of(path, found.keys()) if name != "__init__" else ():
            other = imported.partition(".")[0]
            if FLOOR_OF[other] < FLOOR_OF[room]:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_no_two_modules_import_each_other():
    found = modules()
    edges = {name: imports_of(path, found.keys()) for name, path in found.items()}

    def reach(start):
        seen, todo = set(), [start]
        while todo:
            for following in edges.get(todo.pop(), ()):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)
        return seen

    assert [name for name in edges if name in reach(name)] == []


def test_no_module_is_longer_than_a_person_reads_at_once():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules().items()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_MODULE} == {}
