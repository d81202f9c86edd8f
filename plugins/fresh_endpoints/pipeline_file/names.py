"""The names that a pipeline has, and that it had before."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from fresh_endpoints.pipeline_file import limits

NAME = r"[a-zA-Z0-9](-*[a-zA-Z0-9])*"
# A training job's name is the pipeline's name, a date and a digest; SageMaker takes 63 characters in all.
LONGEST_NAME = 32


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        raise ValueError("allowed letters, digits and hyphens between them, because SageMaker names begin with it")
    if len(value) > LONGEST_NAME:
        raise ValueError(f"it has {len(value)} characters; allowed {LONGEST_NAME}, to leave room in job names")
    return value


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_SCHEMA = {"type": "string", "pattern": f"^{NAME}$", "maxLength": LONGEST_NAME}

Name = Annotated[str, AfterValidator(_name)]
FormerNames = Annotated[
    tuple[Name, ...],
    Field(strict=False, max_length=limits.MOST_FORMER_NAMES),
    BeforeValidator(_as_list),
    WithJsonSchema({"anyOf": [_SCHEMA, {"type": "array", "items": _SCHEMA, "maxItems": limits.MOST_FORMER_NAMES}]}),
]
