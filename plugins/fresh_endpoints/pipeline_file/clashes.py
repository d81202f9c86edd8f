"""Pipelines that would get into each other's way in AWS: by an endpoint that two deploy to, or by their names there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from fresh_endpoints.pipeline_file.environment import aws_name
from fresh_endpoints.pipeline_file.model import Pipeline
from fresh_endpoints.problems import PipelineFileError

# The connection to AWS, the region and the name.
Endpoint = tuple[str, str, str]
Usable = Mapping[Path, Pipeline]


def find_clashes(usable: Usable, environments: Collection[str]) -> dict[Path, PipelineFileError]:
    """Find the files that cannot be used beside others.

    Args:
        usable: The pipelines by their files.
        environments: All that are known, whichever is the current one.

    Returns:
        The error of each such file.
    """
    return {**_shared_endpoints(usable), **_alike_in_aws(usable, environments)}


def clash_with_any(path: Path, usable: Usable) -> PipelineFileError | None:
    """Tell whether a file deploys to an endpoint of another's, whoever's name it has.

    Args:
        path: The file.
        usable: The pipelines by their files, its own among them.
    """
    endpoint = _endpoint(usable[path])
    others = [other for other in usable if other != path and endpoint and _endpoint(usable[other]) == endpoint]
    return _shared_endpoint(path, usable[path], others[0]) if others else None


def _endpoint(pipeline: Pipeline) -> Endpoint | None:
    """Return what no two pipelines may deploy to; None where the file does not decide it."""
    name = str(pipeline.endpoint["EndpointName"])
    if pipeline.deploy == "never" or "{" in name:
        return None
    # CreateEndpoint does not tell upper case from lower case.
    return pipeline.aws_conn_id, pipeline.region, name.lower()


def _shared_endpoints(usable: Usable) -> dict[Path, PipelineFileError]:
    """Find the files that deploy to an endpoint of another's.

    An endpoint is that of the file whose name it has, for a copy of that file is what names it by mistake; where no
    file has its name, that of the first.
    """
    sharing: dict[Endpoint, list[Path]] = {}
    for path in sorted(usable, key=lambda path: (path.name, path)):
        if endpoint := _endpoint(usable[path]):
            sharing.setdefault(endpoint, []).append(path)
    errors: dict[Path, PipelineFileError] = {}
    for (*_, name), paths in sharing.items():
        owner = next((path for path in paths if usable[path].aws_name.lower() == name), paths[0])
        errors |= {path: _shared_endpoint(path, usable[path], owner) for path in paths if path != owner}
    return errors


def _shared_endpoint(path: Path, pipeline: Pipeline, other: Path) -> PipelineFileError:
    name = str(pipeline.endpoint["EndpointName"])
    problem = f"endpoint.EndpointName: found {name!r}, which {other.name} deploys to; {_what_to_do(pipeline, name)}"
    return PipelineFileError(path, [problem])


def _what_to_do(pipeline: Pipeline, name: str) -> str:
    if pipeline.aws_name.lower() == name.lower():  # Another connection's or region's file may be of the same name.
        return "give one of them another"
    return f"leave it out, and this pipeline's endpoint is named {pipeline.aws_name}; or give it another name"


def _alike_in_aws(usable: Usable, environments: Collection[str]) -> dict[Path, PipelineFileError]:
    """Find the pipelines that are called in AWS as another one is in some environment: dev-churn, and churn in dev."""
    called: dict[str, tuple[Path, str]] = {}
    errors: dict[Path, PipelineFileError] = {}
    # The longer the environment's name, the shorter the pipeline's, which stays.
    for environment in sorted({*environments, ""}, key=lambda name: (-len(name), name)):
        for path, pipeline in usable.items():
            name = aws_name(environment, pipeline.name)
            other, its = called.setdefault(name.lower(), (path, environment))
            if other != path:
                problem = (
                    f"name: found {pipeline.name!r}, and in AWS {name!r} is {other.name} in the environment {its!r}; "
                    "each would touch the other's jobs; choose another name"
                )
                errors[path] = PipelineFileError(path, [problem])
    return errors
