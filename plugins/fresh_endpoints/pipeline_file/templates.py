"""What a template of a pipeline file may say, and what it renders to as far as a sample run's facts reach."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jinja2
import jinja2.meta
import jinja2.nodes
import jinja2.sandbox

from fresh_endpoints.pipeline_file.template_rules import LONGEST_TEMPLATE, OBJECTS, find_refused
from fresh_endpoints.problems import Where, format_path, near_misses, quoted

# The names that the operators add to Airflow's context, with the facts of a sample run.
SAMPLE_DATES = {"data_date": "2019-03-04", "date": "2019-03-05"}
# Another day, month and year: what does not differ by each of them will one day be another day's.
_OTHER_DATES = (
    {"data_date": "2019-03-05", "date": "2019-03-06"},
    {"data_date": "2019-04-04", "date": "2019-04-05"},
    {"data_date": "2020-03-04", "date": "2020-03-05"},
)
OUR_NAMES = frozenset({*SAMPLE_DATES, "pipeline", "env", "bucket"})
# https://airflow.apache.org/docs/apache-airflow/stable/templates-ref.html: facts of a run, by themselves or as members.
AIRFLOW_NAMES = frozenset({
    *OBJECTS, "expanded_ti_count", "map_index_template", "params", "partition_date", "partition_key",
    "prev_end_date_success", "prev_start_date_success", "run_id", "task_instance_key_str", "task_reschedule_count",
    "test_mode", "try_number", "var",
})  # fmt: skip
# Objects of which no template has use for a fact, and callbacks' own.
REFUSED_NAMES = frozenset({
    "asset_state_store", "exception", "inlet_events", "inlets", "outlet_events", "outlets", "reason",
    "task_state_store", "templates_dict", "triggering_asset_events",
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
# Each is compiled, by the check and by tasks, and a file may hold ten thousand values.
_MOST_TEMPLATES = 500
_TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# What is the same in all of a pipeline's runs, or in all scheduled ones.
_SAME_EVERY_DAY = frozenset({"bucket", "env", "params", "pipeline", "var"})
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
    if len(text) > LONGEST_TEMPLATE:
        return text  # Refused, and the pattern takes the square of its length.
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
        if (
            isinstance(member, str)
            and not member.startswith("_")
            and not (id(node) in called and member in _DICT_METHODS)
        ):
            (spared if id(node) in guarded else found).add(member)
    return found - spared


class Templates:
    """Renders templates as far as sample facts reach, and collects what is wrong with them.

    Args:
        known: The names with sample values, and the values.
        airflow_names: The names that only a run knows.

    Attributes:
        known: The names with sample values, and the values.
        allowed: The names that a template may use.
        problems: What was wrong so far.
    """

    def __init__(self, known: dict[str, str], airflow_names: frozenset[str] = AIRFLOW_NAMES) -> None:
        self.known = known
        self._airflow_names = airflow_names
        self.allowed = airflow_names | known.keys()
        self.problems: list[str] = []
        self._count = 0
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
            if self._refused(tree) or not self._is_known(tree):
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
            tree = self._environment.parse(text)
            if self._refused(tree):
                return True
            names = self._names(tree)
        except Exception:  # render() reports it
            return True
        return bool(names & SAMPLE_DATES.keys() or names - _SAME_EVERY_DAY)

    def _names(self, tree: jinja2.nodes.Template) -> set[str]:
        """Return the names that a template takes from outside."""
        return jinja2.meta.find_undeclared_variables(tree) - self._environment.globals.keys()

    def _is_known(self, tree: jinja2.nodes.Template) -> bool:
        """Tell whether the sample facts are all that a template needs."""
        filters = {node.name for node in tree.find_all(jinja2.nodes.Filter)}
        return not (self._names(tree) - self.known.keys() or filters & _AIRFLOW_FILTERS)

    def _refused(self, tree: jinja2.nodes.Template) -> list[str]:
        """Return what the template does that none may. Before that is known to be nothing, even compiling may hang."""
        return list(find_refused(tree, self.allowed, self._why_not))

    def _render_text(self, text: str, path: Where) -> str:
        self._count += 1
        if self._count > _MOST_TEMPLATES:
            if self._count == _MOST_TEMPLATES + 1:
                self._report(
                    path, text, f"the file has more than {_MOST_TEMPLATES} templates; make several files of it"
                )
            return text
        if len(text) > LONGEST_TEMPLATE:
            self._report(path, text, f"it has {len(text)} characters; a template has {LONGEST_TEMPLATE} at most")
            return text
        try:
            return self._render_bounded(text, path)
        except (jinja2.TemplateSyntaxError, RecursionError) as error:
            problem = getattr(error, "message", "") or "it is too deeply nested"
            self._report(path, text, f"it is not a Jinja template: {problem}")
        except Exception as error:  # a template may raise anything
            self._report(path, text, f"rendering it fails: {error}")
        return text

    def _render_bounded(self, text: str, path: Where) -> str:
        tree = self._environment.parse(text)
        refused = self._refused(tree)
        for problem in [*refused, *self._misspelt_members(tree, is_prediction=path[0] == "transform")]:
            self._report(path, text, problem)
        if refused:
            return text
        template = self._environment.from_string(tree)
        return template.render(self.known) if self._is_known(tree) else text

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
        if name in SECRET_NAMES and self._airflow_names:
            return (
                f"{name!r} is not allowed, because rendered fields are shown in Airflow's UI and connections hold "
                "secrets; let the container read AWS Secrets Manager"
            )
        if name in UTC_NAMES:
            return (
                f"{name!r} is not allowed, because it is in UTC and missing in runs without a logical date; use "
                "data_date or date"
            )
        if name in REFUSED_NAMES:
            return f"{name!r} is not allowed, because it is no fact of the run's; allowed {self._suggested()}"
        near = near_misses(name, sorted(self.allowed))
        hint = f"did you mean {near}?" if near else f"allowed {self._suggested()}"
        return f"the name {name!r} is not known; {hint}"

    def _suggested(self) -> str:
        if not self._airflow_names:
            return ", ".join(sorted(self.allowed))
        return ", ".join([*sorted(self.allowed & OUR_NAMES), "var", "params"])

    def _report(self, path: Where, text: str, problem: str) -> None:
        self.problems.append(f"{format_path(path)}: found {quoted(text)}; {problem}")
