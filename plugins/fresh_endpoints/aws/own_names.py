"""Whose a resource is: a pipeline's, by the name that it has and by those that it had before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fresh_endpoints.aws import tags


@dataclass(frozen=True)
class OwnNames:
    """The names under which a pipeline has made something.

    Attributes:
        name: Its name.
        former: The names that it had before: ``renamed_from`` of its file.
    """

    name: str
    former: tuple[str, ...] = ()

    def __contains__(self, pipeline: object) -> bool:
        return pipeline in self.all

    @property
    def all(self) -> tuple[str, ...]:
        """All of them, its name first."""
        return (self.name, *self.former)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """What the names of its jobs, models and endpoint configs begin with."""
        return tuple(f"{name}-" for name in self.all)

    def may_have_named(self, resource: str) -> bool:
        """Tell whether a resource may be the pipeline's by its name: of all others, the tags need not be readable.

        Args:
            resource: The name of a job, a model or an endpoint config.
        """
        return resource.startswith(self.prefixes)

    def own(self, found: Mapping[str, str]) -> bool:
        """Tell whether a resource is the pipeline's, which its tags say.

        Args:
            found: Tag values by tag key.
        """
        return found.get(tags.PIPELINE) in self.all
