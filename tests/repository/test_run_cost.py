import re
import shlex
from pathlib import Path

import pytest
import yaml

import run_cost

ROOT = Path(__file__).parents[2]
SAMPLE = yaml.safe_load((ROOT / "include/pipelines/multiclass.yaml").read_text())
PRICES = run_cost.Prices(training=0.36, hosting=0.5, transform=0.72, storage=0.25)


def costs(content: dict, training_seconds: int = 100, transform_seconds: int = 50) -> dict[str, float]:
    lines = run_cost.lines(content, PRICES, training_seconds, transform_seconds)
    ends = {line[:12].strip(): line.removesuffix(" a day").split()[-1] for line in lines if "not counted" not in line}
    return {name: float(end) for name, end in ends.items()}


def test_the_sample_is_one_instance_of_each_kind():
    found = costs(SAMPLE)
    assert found["training"] == pytest.approx(100 * 0.36 / 3600)
    assert found["transform"] == pytest.approx(50 * 0.72 / 3600)
    assert found["endpoint"] == pytest.approx(24 * 0.5)
    assert found["its volume"] == pytest.approx(10 * 100 * 0.25 / (30 * 24 * 3600), abs=1e-4)
    assert found["a run"] == pytest.approx(0.02 + found["its volume"], abs=2e-4)
    assert found["a day"] == pytest.approx(found["a run"] + 12, abs=2e-4)
    assert found["30 days"] == pytest.approx(30 * found["a day"], abs=1e-2)
    assert found["At most"] == pytest.approx(1800 * 0.36 / 3600)


def test_counts_are_the_files():
    content = {name: section for name, section in SAMPLE.items() if name != "transform"}
    content["training"] = {
        **SAMPLE["training"],
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 3, "VolumeSizeInGB": 10},
    }
    content["endpoint_config"] = {
        "ProductionVariants": [
            {"VariantName": "a", "InstanceType": "ml.m5.large", "InitialInstanceCount": 2},
            {"VariantName": "b", "ServerlessConfig": {"MemorySizeInMB": 2048, "MaxConcurrency": 5}},
        ]
    }
    found = costs(content)
    assert found["training"] == pytest.approx(3 * 100 * 0.36 / 3600)
    assert found["endpoint"] == pytest.approx(2 * 24 * 0.5)
    assert "transform" not in found
    assert any("variant b is serverless" in line for line in run_cost.lines(content, PRICES, 1, 1))


def test_prices_must_be_given(capsys):
    with pytest.raises(SystemExit):
        run_cost.main([])
    assert "--training, --hosting, --transform, --storage" in capsys.readouterr().err


def test_the_docs_show_what_the_command_prints(capsys):
    page = (Path(__file__).parents[2] / "docs/costs.md").read_text()
    [(command, printed)] = re.findall(r"^```\n\$ (\S+ include/run_cost.py .*)\n((?:.+\n)+)```$", page, re.MULTILINE)
    assert run_cost.main(shlex.split(command)[2:]) == 0
    assert capsys.readouterr().out == printed
