"""Where a file's images may be."""

import pytest

from pipeline_files import changed

HERE = "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/repo:latest"
ELSEWHERE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/repo:latest"
RULE = (
    f"found '{ELSEWHERE}', which is in us-east-1; SageMaker pulls no image from another region than its own, "
    "ap-northeast-1; push it there, and name it there"
)


def test_an_image_of_another_region_is_refused_wherever_it_stands(problems):
    containers = f"[{{Image: '{ELSEWHERE}', ModelDataUrl: s3://x}}, {{}}, {{Image: '{HERE}', ModelDataUrl: s3://x}}]"
    text = changed(
        ("repo:latest", ELSEWHERE), ("endpoint_config", f"model: {{Containers: {containers}}}\nendpoint_config")
    )
    assert problems(text) == [
        f"training.AlgorithmSpecification.TrainingImage: {RULE}",
        f"model.Containers[0].Image: {RULE}",
    ]
    own = f"model: {{PrimaryContainer: {{Image: '{ELSEWHERE}'}}}}\nendpoint_config"
    assert problems(changed(("endpoint_config", own))) == [f"model.PrimaryContainer.Image: {RULE}"]


@pytest.mark.parametrize(
    "image",
    [
        HERE,
        "123456789012.dkr.ecr.{{ var.value.region }}.amazonaws.com/repo:latest",
        "123456789012.dkr.ecr.ap-northeast-1.amazonaws.com/us-east-1/repo@sha256:" + "0" * 64,
        "registry.example.com/repo:latest",
    ],
)
def test_an_image_of_this_region_or_of_no_ecr(problems, image):
    assert problems(changed(("repo:latest", image))) == []
