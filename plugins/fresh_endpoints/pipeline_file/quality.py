"""Rules that a trained model must keep to be deployed, and what they say about one. Pure: no AWS, no Airflow.

A rule is one comparison, in a grammar of its own because no text of a file is ever executed::

    rule    METRIC OPERATOR BOUND
    METRIC  a name of MetricDefinitions, such as validation:accuracy
    BOUND   a number, or live, or live plus or minus a number
    OPERATOR  >= > <= <

``validation:accuracy >= live - 0.02`` reads: no worse than the live model by more than 0.02. For a loss it is
``validation:loss <= live + 0.02``; the operator says which direction is the better one.
"""

from __future__ import annotations

import logging
import math
import operator
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_log = logging.getLogger(__name__)

# By name. A value may be no number: not finite, or the text NaN where JSON has carried it.
Metrics = Mapping[str, "float | str"]

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_RULE = re.compile(
    r"\s*(?P<metric>[^\s<>=]+)\s*(?P<operator>>=|<=|>|<)\s*"
    rf"(?:(?P<number>[+-]?{_NUMBER})|(?P<live>live)(?:\s*(?P<sign>[+-])\s*(?P<tolerance>{_NUMBER}))?)\s*"
)
_OPERATORS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
# Metrics are 32-bit floats in SageMaker, so a bound that is met exactly may be missed by a rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rule:
    """One rule.

    Attributes:
        text: The rule as the file has it.
        metric: The metric's name.
        operator: ``>=``, ``>``, ``<=`` or ``<``.
        number: The bound, or what is added to the live model's value.
        against_live: Whether the bound counts from the live model's value.
    """

    text: str
    metric: str
    operator: str
    number: float
    against_live: bool

    def broken_by(self, metrics: Metrics, live: Metrics | None = None) -> str | None:
        """Judge a model. Of what is no number no rule holds: a training that has diverged is not deployed.

        Args:
            metrics: The model's final metrics by name.
            live: The live model's; a rule against a live model whose metric is not known holds.

        Returns:
            One sentence with rule, value and threshold where the model breaks the rule; None where it keeps it.
        """
        if self.metric not in metrics:
            found = ", ".join(sorted(metrics)) or "none"
            return f'Rule "{self.text}": the training job has no metric "{self.metric}"; its metrics are: {found}.'
        value = _number(metrics[self.metric])
        if value is None:
            return (
                f'Rule "{self.text}": {self.metric} is {metrics[self.metric]}, which is no number; no rule holds of it.'
            )
        bound, origin = self.number, ""
        if self.against_live:
            live_value = _number((live or {}).get(self.metric))
            if live_value is None:
                return None
            bound += live_value
            origin = f" (the live model's is {live_value:.6g})"
        if _OPERATORS[self.operator](value, bound) or (
            "=" in self.operator and math.isclose(value, bound, rel_tol=_ROUNDING)
        ):
            return None
        return f'Rule "{self.text}": {self.metric} is {value:.6g}, the threshold is {bound:.6g}{origin}.'

    def unjudged(self, live: Metrics | None) -> str | None:
        """Tell why the rule cannot be judged, and so holds.

        Args:
            live: The live model's metrics; None where they are not known.

        Returns:
            One sentence where the bound counts from a value that is not known; None where the rule can be judged.
        """
        if not self.against_live or _number((live or {}).get(self.metric)) is not None:
            return None
        found = f"is {live[self.metric]}, which is no number" if live and self.metric in live else "is not known"
        return f'Rule "{self.text}": the live model\'s {self.metric} {found}; the rule holds.'


def parse_rule(text: str) -> Rule:
    """Read a rule.

    Args:
        text: The rule as the file has it.

    Returns:
        The rule.

    Raises:
        ValueError: The text is no rule; the message says what one looks like.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(
            'it is no rule; allowed METRIC >= BOUND, with >=, >, <= or <, where BOUND is a number or "live", '
            '"live - NUMBER" or "live + NUMBER", such as "validation:accuracy >= 0.9"'
        )
    number = float(found["number"] or (found["sign"] or "+") + (found["tolerance"] or "0"))
    if not math.isfinite(number):
        raise ValueError("its number is too large")
    return Rule(" ".join(text.split()), found["metric"], found["operator"], number, bool(found["live"]))


def broken_rules(rules: Iterable[str], metrics: Metrics, *, live: Metrics | None, against_live: bool) -> list[str]:
    """Judge a model by the absolute rules of a file, or by those against the live model; log those that hold unjudged.

    Args:
        rules: The file's rules.
        metrics: The model's final metrics by name.
        live: The live model's metrics; None where they are not known.
        against_live: Which of the rules.

    Returns:
        One sentence for each rule that the model breaks.
    """
    chosen = [rule for rule in map(parse_rule, rules) if rule.against_live is against_live]
    for unjudged in filter(None, (rule.unjudged(live) for rule in chosen)):
        _log.warning("%s", unjudged)
    return [broken for rule in chosen if (broken := rule.broken_by(metrics, live))]


def _number(value: float | str | None) -> float | None:
    """Return a metric's value; None where it is none, not finite, or no number at all."""
    try:
        number = float(value)  # type: ignore[arg-type]  # None is a TypeError
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
