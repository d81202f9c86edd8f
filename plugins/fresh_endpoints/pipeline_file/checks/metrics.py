"""What is measured: the metrics of a training, and the rules on them."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.model import Quality
from fresh_endpoints.pipeline_file.patterns import problem_of
from fresh_endpoints.pipeline_file.quality import parse_rule
from fresh_endpoints.pipeline_file.templates import is_unknown
from fresh_endpoints.problems import Where, format_path, near_misses, quoted

# AWS takes no more, as the check of the request says:
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_AlgorithmSpecification.html
_MOST_DEFINITIONS = 40
_DEFINITIONS = ("training", "AlgorithmSpecification", "MetricDefinitions")


def check_metrics(rendered: Rendered) -> Iterator[str]:
    """Check that each metric can be found in the training's log, and that the rules of ``quality`` are about them.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    algorithm = rendered.sections["training"].get("AlgorithmSpecification")
    definitions = algorithm.get("MetricDefinitions") if isinstance(algorithm, dict) else None
    if not isinstance(definitions, list):
        return  # SageMaker's own algorithms bring metrics that no file names.
    for position, definition in enumerate(definitions[:_MOST_DEFINITIONS]):
        pattern = definition.get("Regex") if isinstance(definition, dict) else None
        if isinstance(pattern, str) and not is_unknown(pattern):
            yield from _check_pattern(pattern, (*_DEFINITIONS, position, "Regex"))
    yield from _check_rules(
        rendered.pipeline.quality,
        [str(definition.get("Name")) for definition in definitions if isinstance(definition, dict)],
    )


def _check_pattern(pattern: str, path: Where) -> Iterator[str]:
    # https://docs.aws.amazon.com/sagemaker/latest/dg/automatic-model-tuning-define-metrics-variables.html
    where = f"{format_path(path)}: found {pattern!r}"
    if problem := problem_of(pattern):
        yield f"{format_path(path)}: found {quoted(pattern)}; {problem}"
        return
    try:
        groups = regex.compile(pattern).groups
    except (regex.error, RecursionError) as error:
        yield f"{where}; it is no regular expression: {error}"
        return
    if groups == 0:
        yield f"{where}; it captures nothing; put the number in parentheses, as in accuracy=([0-9.]+)"


def _check_rules(quality: Quality | None, names: list[str]) -> Iterator[str]:
    if quality is None or any(map(is_unknown, names)):
        return
    for position, text in enumerate(quality.rules):
        metric = parse_rule(text).metric
        if metric not in names:
            near = near_misses(metric, names)
            hint = f"did you mean {near}?" if near else f"allowed {', '.join(names) or 'none'}"
            yield (
                f"quality.rules[{position}]: found {text!r}; {format_path(_DEFINITIONS)} names "
                f"no metric {metric!r}; {hint}"
            )
