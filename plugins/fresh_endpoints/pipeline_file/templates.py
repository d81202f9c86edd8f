"""What a template of a pipeline file may say, and what it renders to as far as a sample run's facts reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox

from fresh_endpoints.problems import Where, format_path, near_misses

# The names that the operators add to Airflow's context, with the facts of a sample run.
SAMPLE_DATES = {"data_date": "2019-03-04", "date": "2019-03-05"}
# Another day, month and year: what does not differ by each of them will one day be another day's.
_OTHER_DATES = (
    {"data_date": "2019-03-05", "date": "2019-03-06"},
    {"data_date": "2019-04-04", "date": "2019-04-05"},
    {"data_date": "2020-03-04", "date": "2020-03-05"},
)
OUR_NAMES = frozenset({*SAMPLE_DATES, "pipeline", "bucket"})
# https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html
AIRFLOW_NAMES = frozenset({
    "asset_state_store", "dag", "dag_run", "exception", "expanded_ti_count", "inlet_events", "inlets", "macros",
    "map_index_template", "outlet_events", "outlets", "params", "partition_date", "partition_key",
    "prev_end_date_success", "prev_start_date_success", "reason", "run_id", "task", "task_instance",
    "task_instance_key_str", "task_reschedule_count", "task_state_store", "templates_dict", "test_mode", "ti",
    "triggering_asset_events", "try_number", "var",
})  # fmt: skip
# Airflow has these only in runs with a logical date, and their dates are UTC's.
UTC_NAMES = frozenset({
    "data_interval_end", "data_interval_start", "ds", "ds_nodash", "logical_date", "prev_data_interval_end_success",
    "prev_data_interval_start_success", "ts", "ts_nodash", "ts_nodash_with_tz",
})  # fmt: skip
# The fields of the trigger forms; batch_predict's has no deploy.
PARAMS = frozenset({"data_date", "deploy", "wait_minutes"})
_PREDICTION_PARAMS = PARAMS - {"deploy"}
# https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html#airflow-variables-in-templates
_VAR = frozenset({"value", "json"})
_DICT_METHODS = frozenset({"get", "items", "keys", "values"})
SECRET_NAMES = frozenset({"conn"})
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# What is the same in all of a pipeline's runs, or in all scheduled ones.
_SAME_EVERY_DAY = frozenset({"bucket", "params", "pipeline", "var"})
_AIRFLOW_FILTERS = frozenset({"ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz"})


def is_unknown(text: str) -> bool:
    """Tell whether a text is a template that was left as it is, because only a run knows its value.

    Args:
        text: A text from a section that was rendered for the check.

    Returns:
        Whether there is a template in it.
    """
    return "{{" in text or "{%" in text


def without_templates(text: str) -> str:
    """Blank out a text's templates, so that what stands around them can be looked at.

    Args:
        text: The text.

    Returns:
        A text of the same length.
    """
    return _TEMPLATE.sub(lambda found: "…" * len(found[0]), text)


def _members(tree: jinja2.nodes.Template, name: str) -> set[str]:
    """Return the members that a template takes of a name, but for those that it takes care of if they are missing."""
    guarded = {id(node.node) for node in tree.find_all(jinja2.nodes.Filter) if node.name in ("default", "d")}
    guarded |= {id(node.node) for node in tree.find_all(jinja2.nodes.Test) if node.name in ("defined", "undefined")}
    called = {id(node.node) for node in tree.find_all(jinja2.nodes.Call)}
    found: set[str] = set()
    spared: set[str] = set()
    nodes: list[jinja2.nodes.Getattr | jinja2.nodes.Getitem] = [
        *tree.find_all(jinja2.nodes.Getattr),
        *tree.find_all(jinja2.nodes.Getitem),
    ]
    for node in nodes:
        if not (isinstance(node.node, jinja2.nodes.Name) and node.node.name == name):
            continue
        member = node.attr if isinstance(node, jinja2.nodes.Getattr) else getattr(node.arg, "value", None)
        if isinstance(member, str) and not (id(node) in called and member in _DICT_METHODS):
            (spared if id(node) in guarded else found).add(member)
    return found - spared


class Templates:
    """Renders templates as far as sample facts reach, and collects what is wrong with them.

    Attributes:
        known: The names with sample values, and the values.
        allowed: The names that a template may use.
        problems: What was wrong so far.
    """

    def __init__(self, known: dict[str, str]) -> None:
        self.known = known
        self.allowed = AIRFLOW_NAMES | known.keys()
        self.problems: list[str] = []
        # As airflow.sdk's create_template_env makes it, without the cost of importing Airflow.
        self._environment = jinja2.sandbox.SandboxedEnvironment(
            undefined=jinja2.StrictUndefined, extensions=["jinja2.ext.do"], autoescape=False
        )
        self._environment.filters.update(dict.fromkeys(_AIRFLOW_FILTERS, str))

    def render(self, value: Any, path: Where) -> Any:
        """Render every string in a value; one whose value only a run knows stays a template."""
        if isinstance(value, Mapping):
            return {key: self.render(item, (*path, str(key))) for key, item in value.items()}
        if isinstance(value, list):
            return [self.render(item, (*path, position)) for position, item in enumerate(value)]
        if isinstance(value, str) and ("{#" in value or is_unknown(value)):
            return self._render_text(value, path)
        return value

    def on_sample_days(self, text: str) -> list[str] | None:
        """Render a text for some days of which each differs from another in one way: day, month, year.

        Args:
            text: A template.

        Returns:
            The text of each day; None where only a run knows it, or where it cannot be rendered.
        """
        try:
            tree = self._environment.parse(text)
            if not self._is_known(tree):
                return None
            template = self._environment.from_string(tree)
            return [template.render({**self.known, **dates}) for dates in (SAMPLE_DATES, *_OTHER_DATES)]
        except Exception:  # a template may raise anything; render() reports it
            return None

    def differs_by_day(self, text: str) -> bool:
        """Tell whether a template gives each day a text of its own; True where that cannot be told.

        Args:
            text: A template.
        """
        days = self.on_sample_days(text)
        if days is not None:
            return len(set(days)) == len(days)
        try:
            names = self._names(self._environment.parse(text))
        except jinja2.TemplateSyntaxError:
            return True
        return bool(names & SAMPLE_DATES.keys() or names - _SAME_EVERY_DAY)

    def _names(self, tree: jinja2.nodes.Template) -> set[str]:
        """Return the names that a template takes from outside."""
        return jinja2.meta.find_undeclared_variables(tree) - self._environment.globals.keys()

    def _is_known(self, tree: jinja2.nodes.Template) -> bool:
        """Tell whether the sample facts are all that a template needs."""
        filters = {node.name for node in tree.find_all(jinja2.nodes.Filter)}
        return not (self._names(tree) - self.known.keys() or filters & _AIRFLOW_FILTERS)

    def _render_text(self, text: str, path: Where) -> str:
        try:
            tree = self._environment.parse(text)
            template = self._environment.from_string(tree)
        except jinja2.TemplateSyntaxError as error:
            self._report(path, text, f"it is not a Jinja template: {error.message}")
            return text
        for name in sorted(self._names(tree) - self.allowed):
            self._report(path, text, self._why_not(name))
        for problem in self._misspelt_members(tree, is_prediction=path[0] == "transform"):
            self._report(path, text, problem)
        if not self._is_known(tree):
            return text
        try:
            return template.render(self.known)
        except Exception as error:  # a template may raise anything
            self._report(path, text, f"rendering it fails: {error}")
            return text

    def _misspelt_members(self, tree: jinja2.nodes.Template, *, is_prediction: bool) -> Iterator[str]:
        params = sorted(_PREDICTION_PARAMS if is_prediction else PARAMS)
        for member in sorted(_members(tree, "params") - set(params)):
            near = near_misses(member, params)
            hint = f"did you mean {near}?" if near else f"allowed {', '.join(params)}"
            yield (
                f"the trigger form has no {member!r}, so a scheduled run fails; {hint}; what only a trigger's "
                f"configuration may hold is params.get({member!r}, DEFAULT)"
            )
        for member in sorted(_members(tree, "var") - _VAR):
            near = near_misses(member, sorted(_VAR))
            hint = f"; did you mean {near}?" if near else ""
            yield f"'var' has no {member!r}; allowed var.value.NAME and var.json.NAME{hint}"

    def _why_not(self, name: str) -> str:
        if name in SECRET_NAMES:
            return (
                f"{name!r} is not allowed, because rendered fields are shown in Airflow's UI and connections hold "
                "secrets; let the container read AWS Secrets Manager"
            )
        if name in UTC_NAMES:
            return (
                f"{name!r} is not allowed, because it is in UTC and missing in runs without a logical date; use "
                "data_date or date"
            )
        near = near_misses(name, sorted(self.allowed))
        hint = (
            f"did you mean {near}?" if near else f"allowed {', '.join(sorted(self.allowed & OUR_NAMES))}, var, params"
        )
        return f"the name {name!r} is not known; {hint}"

    def _report(self, path: Where, text: str, problem: str) -> None:
        self.problems.append(f"{format_path(path)}: found {text!r}; {problem}")
