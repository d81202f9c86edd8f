"""Models and endpoint configs: records that endpoints and transform jobs are made from."""

from __future__ import annotations

from typing import Any

from local_aws.model_data import ModelData, refuse_unsound
from local_aws.resources import Collection, Json, Kind, Request, Resource
from local_aws.unsupported import refuse_unsupported
from local_aws.wire import validation_error

_ANY = None
_CONTAINER: dict[str, Any] = {
    "ContainerHostname": _ANY,
    "Image": _ANY,
    "Mode": {"SingleModel"},
    "ModelDataUrl": _ANY,
    "ModelDataSource": {"S3DataSource": {"S3Uri": _ANY, "S3DataType": _ANY, "CompressionType": _ANY}},
    "Environment": _ANY,
}
_MODEL: dict[str, Any] = {
    "ModelName": _ANY,
    "PrimaryContainer": _CONTAINER,
    "ExecutionRoleArn": _ANY,
    "Tags": _ANY,
    "VpcConfig": _ANY,
    "EnableNetworkIsolation": _ANY,
}
_ENDPOINT_CONFIG: dict[str, Any] = {
    "EndpointConfigName": _ANY,
    "ProductionVariants": {
        "VariantName": _ANY,
        "ModelName": _ANY,
        "InitialInstanceCount": _ANY,
        "InstanceType": _ANY,
        "InitialVariantWeight": _ANY,
        "ServerlessConfig": _ANY,
        "VolumeSizeInGB": _ANY,
        "ModelDataDownloadTimeoutInSeconds": _ANY,
        "ContainerStartupHealthCheckTimeoutInSeconds": _ANY,
        "EnableSSMAccess": {False},
        "RoutingConfig": _ANY,
    },
    "DataCaptureConfig": {
        "EnableCapture": {False},
        "InitialSamplingPercentage": _ANY,
        "DestinationS3Uri": _ANY,
        "KmsKeyId": _ANY,
        "CaptureOptions": _ANY,
        "CaptureContentTypeHeader": _ANY,
    },
    "AsyncInferenceConfig": {
        "ClientConfig": _ANY,  # one request at a time gives the same output
        "OutputConfig": {"KmsKeyId": _ANY, "S3OutputPath": _ANY, "S3FailurePath": _ANY},
    },
    "Tags": _ANY,
    "KmsKeyId": _ANY,
    "ExecutionRoleArn": _ANY,
    "VpcConfig": _ANY,
    "EnableNetworkIsolation": _ANY,
}


class _Records(Collection[Resource]):
    """Resources that are made at once and never change."""

    resource = Resource
    operation: str
    supported: dict[str, Any]

    def create(self, request: Request) -> Json:
        """Answers the Create operation.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: AWS would refuse it, or local AWS cannot do it.
        """
        refuse_unsupported(self.operation, request, self.supported)
        name = request[self.kind.member]
        with self.region.lock:
            if name.lower() in self.items:
                raise self.already_exists(name)
        self.check(request)
        kept = {member: value for member, value in request.items() if member != "Tags"}
        resource = Resource(name, self.region.arn(self.kind.arn, name), kept)
        with self.region.lock:
            return {self._arn_member: self.add(resource, request.get("Tags", []))}

    def check(self, request: Request) -> None:
        """Check what only this kind knows.

        Args:
            request: The checked input.

        Raises:
            AwsError: AWS would refuse it.
        """

    def describe(self, request: Request) -> Json:
        """Answers the Describe operation.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is none of that name.
        """
        with self.region.lock:
            found = self.find(request[self.kind.member])
            told = self.told(found.request)
            return {**told, self._arn_member: found.arn, "CreationTime": found.creation_time}

    def told(self, request: Request) -> Json:
        """Tell what Describe says of a request.

        Args:
            request: The Create operation's input, without tags.

        Returns:
            It, with what AWS adds.
        """
        return request

    def delete(self, request: Request) -> Json:
        """Answers the Delete operation. Endpoints in service go on, as on AWS.

        Args:
            request: The checked input.

        Returns:
            The output.

        Raises:
            AwsError: There is none of that name.
        """
        with self.region.lock:
            self.remove(request[self.kind.member])
        return {}

    @property
    def _arn_member(self) -> str:
        return f"{self.kind.member.removesuffix('Name')}Arn"


class Models(_Records):
    """The models of a region."""

    kind = Kind("model", "ModelName", "Models", "model")
    operation = "CreateModel"
    supported = _MODEL

    def check(self, request: Request) -> None:
        """Check that the image and the model data exist, as AWS does.

        Args:
            request: The checked input.

        Raises:
            AwsError: One is missing.
        """
        container = request.get("PrimaryContainer")
        if not container or "Image" not in container:
            raise validation_error("local AWS: CreateModel needs PrimaryContainer.Image.")
        if not self.region.host.has_image(container["Image"]):
            raise validation_error(f"Requested image {container['Image']} not found. {self.region.host.advice()}")
        refuse_unsound(container)
        if data := ModelData.of(container):
            arn = self.region.arn(self.kind.arn, request["ModelName"])
            data.refuse_missing(self.region.s3(request.get("ExecutionRoleArn", ""), arn))

    def told(self, request: Request) -> Json:
        """Tell what DescribeModel says of a request, as recorded answers have it.

        Args:
            request: CreateModel's input, without tags.

        Returns:
            It, with what AWS adds.
        """
        container = {"Mode": "SingleModel", "Environment": {}, **request["PrimaryContainer"]}
        if url := container.get("ModelDataUrl"):
            source = {"S3Uri": url, "S3DataType": "S3Object", "CompressionType": "Gzip"}
            container["ModelDataSource"] = {"S3DataSource": source}
        return {"EnableNetworkIsolation": False, **request, "PrimaryContainer": container}


class EndpointConfigs(_Records):
    """The endpoint configs of a region."""

    kind = Kind("endpoint-config", "EndpointConfigName", "EndpointConfigs", "endpoint configuration")
    operation = "CreateEndpointConfig"
    supported = _ENDPOINT_CONFIG

    def __init__(self, models: Models) -> None:
        super().__init__(models.region)
        self._models = models

    def check(self, request: Request) -> None:
        """Check that the variants are sound and their models exist.

        Args:
            request: The checked input.

        Raises:
            AwsError: A model is missing, or a variant cannot be served.
        """
        names = [variant["VariantName"] for variant in request["ProductionVariants"]]
        if len(set(names)) < len(names):
            raise validation_error(f"Variant names must be unique within an endpoint configuration; found {names}.")
        for variant in request["ProductionVariants"]:
            if "ModelName" not in variant:
                raise validation_error(
                    f"local AWS: CreateEndpointConfig needs ModelName in variant {variant['VariantName']}."
                )
            if "ServerlessConfig" not in variant and not {"InstanceType", "InitialInstanceCount"} <= set(variant):
                raise validation_error(
                    f"Variant {variant['VariantName']} must have either InstanceType and InitialInstanceCount or "
                    "ServerlessConfig."
                )
            with self.region.lock:
                self._models.find(variant["ModelName"])
