"""The notifier's class that a pipeline file names: found by its dotted name, and held against Airflow's BaseNotifier.

Finding it runs its module, so nothing does that at the parse of a DAG file: the command ``fresh-endpoints check`` does,
and whoever has something to tell.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from fresh_endpoints.problems import near_misses

if TYPE_CHECKING:
    from airflow.providers.common.compat.notifier import BaseNotifier


class NoNotifierError(ValueError):
    """What a file names is no notifier. ``str()`` says what was found, and what to do."""


def notifier_class(path: str) -> type[BaseNotifier]:
    """Load a notifier's class.

    Args:
        path: Its dotted name.

    Raises:
        NoNotifierError: Its module cannot be imported, or holds no such notifier.
    """
    module_name, _, name = path.rpartition(".")
    module = _import(module_name)
    found = getattr(module, name, None)
    if found is None or not _is_notifier(found):
        kind = "nothing of that name" if found is None else f"a {type(found).__name__}"
        if isinstance(found, type):
            kind = f"the class {found.__name__}, which is no subclass of Airflow's BaseNotifier"
        raise NoNotifierError(f"{module_name} has {kind}{_choice(name, module)}")
    notifier: type[BaseNotifier] = found
    if notifier.notify is _base().notify:
        raise NoNotifierError(f"{name} has no notify() of its own, by which a notifier sends")
    return notifier


def problem_of_arguments(found: type[BaseNotifier], arguments: Mapping[str, Any]) -> str | None:
    """Say why a class does not take some arguments; None where it does.

    Args:
        found: The class.
        arguments: The arguments.
    """
    names, is_all = _parameters(found)
    for unknown in [name for name in arguments if name not in names and is_all]:
        near = near_misses(unknown, names)
        hint = f"did you mean {near}?" if near else f"allowed {', '.join(names)}"
        return f"{found.__name__} has no argument {unknown!r}; {hint}"
    try:
        inspect.signature(found).bind(**arguments)
    except TypeError as error:
        return f"{found.__name__}: {error}; allowed {', '.join(names)}"
    return None


def _parameters(found: type) -> tuple[list[str], bool]:
    """List the arguments that a class takes, and say whether those are all: a class hands on what it does not know."""
    names: list[str] = []
    for init in [each.__dict__["__init__"] for each in found.__mro__ if "__init__" in each.__dict__]:
        _, *parameters = inspect.signature(init).parameters.values()
        names += [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
        if not any(each.kind == each.VAR_KEYWORD for each in parameters):
            return [name for name in dict.fromkeys(names) if name != "context"], True
    return list(dict.fromkeys(names)), False


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        hint = ""
        if name.startswith("airflow.providers."):
            provider = "-".join(name.split(".")[2:3])
            hint = f"; is apache-airflow-providers-{provider} installed here, and where Airflow runs?"
        raise NoNotifierError(f"no module {error.name!r} is found{hint}") from None
    except Exception as error:  # A module may do anything.
        raise NoNotifierError(f"importing {name} fails: {type(error).__name__}") from error


def _base() -> type[BaseNotifier]:
    from airflow.providers.common.compat.notifier import BaseNotifier

    return BaseNotifier


def _is_notifier(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, _base())


def _choice(name: str, module: ModuleType) -> str:
    names = [each for each, value in vars(module).items() if _is_notifier(value) and value is not _base()]
    if near := near_misses(name, names):
        return f"; did you mean {near}?"
    return f"; its notifiers are {', '.join(sorted(names))}" if names else ""
