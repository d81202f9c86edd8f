"""What asks a new model: the smoke test."""

from __future__ import annotations

from collections.abc import Iterator

import regex

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import variants


def check_smoke_test(rendered: Rendered) -> Iterator[str]:
    """Check that the smoke test can ask the run's model.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    test, config = rendered.pipeline.smoke_test, rendered.sections["endpoint_config"]
    if test is None:
        return
    if test.expect is not None and (problem := _problem_of_pattern(test.expect)):
        yield f"smoke_test.expect: found {test.expect!r}; it is no regular expression: {problem}"
    ours = [path for path, variant in variants(config) if "ModelName" not in variant]
    # https://docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html
    if ours and all(path[0] == "ShadowProductionVariants" for path in ours):
        yield (
            "smoke_test: found, while the run's model is in ShadowProductionVariants only, which answer no request; "
            "remove smoke_test, or leave ModelName out of a production variant"
        )
    execution = rendered.sections["model"].get("InferenceExecutionConfig")
    # https://docs.aws.amazon.com/sagemaker/latest/dg/multi-container-direct.html
    if isinstance(execution, dict) and execution.get("Mode") == "Direct":
        yield (
            "smoke_test: found with model.InferenceExecutionConfig.Mode 'Direct', in which a request must name a "
            "container, as the smoke test does not; remove smoke_test, or write Serial"
        )
    # https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_runtime_InvokeEndpointAsync.html
    if "AsyncInferenceConfig" in config and test.body is not None:
        yield (
            "smoke_test.body: found with endpoint_config.AsyncInferenceConfig; an asynchronous endpoint reads its "
            "requests from S3, so write them to a file there, and give its key in the place of body"
        )


def _problem_of_pattern(pattern: str) -> str | None:
    """Compile a pattern by what will match it, which can be stopped; it is Python's already."""
    try:
        regex.compile(pattern)
    except (regex.error, RecursionError) as error:
        return str(error)
    return None
