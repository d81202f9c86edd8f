"""What asks a new model: the smoke test."""

from __future__ import annotations

from collections.abc import Iterator

from fresh_endpoints.pipeline_file.checks.rendered import Rendered
from fresh_endpoints.pipeline_file.checks.sections import variants


def check_smoke_test(rendered: Rendered) -> Iterator[str]:
    """Check that the run's model can be asked: requests reach production variants only.

    Args:
        rendered: The pipeline.

    Yields:
        One sentence for each problem.
    """
    if rendered.pipeline.smoke_test is None:
        return
    ours = [path for path, variant in variants(rendered.sections["endpoint_config"]) if "ModelName" not in variant]
    # https://docs.aws.amazon.com/sagemaker/latest/dg/model-shadow-deployment.html
    if ours and all(path[0] == "ShadowProductionVariants" for path in ours):
        yield (
            "smoke_test: found, while the run's model is in ShadowProductionVariants only, which answer no request; "
            "remove smoke_test, or leave ModelName out of a production variant"
        )
