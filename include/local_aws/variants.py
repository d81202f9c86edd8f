"""A production variant in service, and what it is made from."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from local_aws.resources import Json, Resource
from local_aws.serving import ModelServer

# A ProductionVariant, with the count and the weight that it is to have, and its model.
Definition = tuple[Json, Resource]


@dataclass(eq=False)
class Variant:
    """One production variant in service.

    Attributes:
        config: Its ProductionVariant, with the count and the weight that it has now.
        model: Its model.
        server: The process that answers for it; one stands for all instances.
        deployed: When it was started, epoch seconds.
        in_service: When its endpoint came into service with it, epoch seconds; infinite until then.
        desired: Members of ``config`` that it is to have instead, while that is under way.
    """

    config: Json
    model: Resource
    server: ModelServer
    deployed: float = field(default_factory=time.time)
    in_service: float = float("inf")
    desired: Json = field(default_factory=dict)

    @property
    def name(self) -> str:
        """VariantName."""
        return str(self.config["VariantName"])

    @property
    def weight(self) -> float:
        """Share of the traffic, relative to the other variants."""
        return float(self.config.get("InitialVariantWeight", 1.0))

    @property
    def is_serverless(self) -> bool:
        """Whether it has no instances of its own."""
        return "ServerlessConfig" in self.config

    def settle(self) -> None:
        """Take what it was desired to have."""
        self.config = self.config | self.desired
        self.desired = {}

    def as_json(self) -> Json:
        """Describe it as DescribeEndpoint does.

        Returns:
            Its ProductionVariantSummary.
        """
        told: Json = {"VariantName": self.name, "DeployedImages": [deployed_image(self.model, self.deployed)]}
        for prefix, config in (("Current", self.config), ("Desired", self.config | self.desired)):
            told[f"{prefix}Weight"] = float(config.get("InitialVariantWeight", 1.0))
            if self.is_serverless:
                told[f"{prefix}ServerlessConfig"] = config["ServerlessConfig"]
            else:
                told[f"{prefix}InstanceCount"] = config["InitialInstanceCount"]
        return told


def deployed_image(model: Resource, moment: float) -> Json:
    """Describe the image of a variant.

    Args:
        model: The variant's model.
        moment: When it was started, epoch seconds.

    Returns:
        A DeployedImage.
    """
    image = model.request["PrimaryContainer"]["Image"]
    return {"SpecifiedImage": image, "ResolvedImage": image, "ResolutionTime": moment}
