"""The environment, such as dev or prod: one variable chooses files' overrides and begins every name in AWS."""

from __future__ import annotations

import os
import re

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import SkipJsonSchema

VARIABLE = "PIPELINES_ENV"
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST = 16
ALLOWED = f"lower-case letters, digits and hyphens between them, {LONGEST} characters at most"
_TEMPLATE = re.compile(r"\{\{\s*env\s*\}\}")


class NoEnvironmentError(ValueError):
    """The variable names none. ``str()`` says what was found, and what is allowed."""


def is_environment(name: str) -> bool:
    """Tell whether something can be called so.

    Args:
        name: The name.
    """
    return len(name) <= LONGEST and _NAME.fullmatch(name) is not None


def current_environment() -> str:
    """Return the environment that the variable PIPELINES_ENV names; empty where it is not set.

    Raises:
        NoEnvironmentError: No environment can be called so.
    """
    name = os.environ.get(VARIABLE, "")
    if name and not is_environment(name):
        raise NoEnvironmentError(f"{VARIABLE}: found {name!r}; allowed {ALLOWED}; nothing is used until it is mended")
    return name


def aws_name(environment: str, name: str) -> str:
    """Return what a pipeline is called in AWS: what its jobs, models and endpoint configs begin with, and its tag says.

    Args:
        environment: The environment; empty for none.
        name: The pipeline's name.
    """
    return f"{environment}-{name}" if environment else name


def is_of_environment(name: str, environment: str) -> bool:
    """Tell whether a name that a file gives to something in AWS is the environment's own.

    Args:
        name: The name, or a template of it.
        environment: The environment.
    """
    return name.startswith(f"{environment}-") or _TEMPLATE.search(name) is not None


class InEnvironment(BaseModel):
    """What a pipeline knows of its environment. No file says it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    environment: SkipJsonSchema[str] = ""

    @property
    def aws_name(self) -> str:
        """What it is called in AWS."""
        return aws_name(self.environment, self.name)  # type: ignore[attr-defined]
