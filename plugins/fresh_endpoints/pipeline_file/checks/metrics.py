"""What is measured: the metrics of a training, and the rules on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.quality import parse_rule
from fresh_endpoints.pipeline_file.templates import is_unknown
from fresh_endpoints.problems import near_misses


def check_quality(rendered: Rendered) -> Iterator[str]:
    """Check that the rules of ``quality`` are about metrics that the training has.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    quality, training = rendered.pipeline.quality, rendered.sections["training"]
    algorithm = training.get("AlgorithmSpecification")
    definitions = algorithm.get("MetricDefinitions") if isinstance(algorithm, Mapping) else None
    if quality is None or not isinstance(definitions, list):
        return  # SageMaker's own algorithms bring metrics that no file names.
    names = [str(definition.get("Name")) for definition in definitions if isinstance(definition, Mapping)]
    if any(map(is_unknown, names)):
        return
    for position, text in enumerate(quality.rules):
        metric = parse_rule(text).metric
        if metric not in names:
            near = near_misses(metric, names)
            hint = f"did you mean {near}?" if near else f"allowed {', '.join(names) or 'none'}"
            yield (
                f"quality.rules[{position}]: found {text!r}; training.AlgorithmSpecification.MetricDefinitions names "
                f"no metric {metric!r}; {hint}"
            )
