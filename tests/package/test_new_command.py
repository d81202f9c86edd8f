"""The command ``new``: a second model is a second file, and the first one goes on serving."""

from __future__ import annotations

import datetime as dt
import difflib
from pathlib import Path

import pytest

from fresh_endpoints import __main__ as commands
from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines
from pipeline_files import changed

SAMPLE = Path(__file__).resolve().parents[2] / "include" / "pipelines" / "multiclass.yaml"
DAY = dt.date(2019, 3, 4)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = tmp_path / "pipelines"
    folder.mkdir()
    (folder / "multiclass.yaml").write_bytes(SAMPLE.read_bytes())
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    return folder


def changed_lines(old, new):
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    return [line for line in lines if not line.startswith("@@")]


def test_a_copy_of_the_sample_differs_in_its_name_alone(folder, capsys):
    text = SAMPLE.read_text(encoding="utf-8")
    (folder / "flowers.yaml").write_text(text.replace("name: multiclass\n", "name: flowers\n", 1))
    assert commands.main(["check"]) == 0
    assert capsys.readouterr().out == "flowers: ok\nmulticlass: ok\n"
    assert [pipeline.endpoint["EndpointName"] for pipeline in load_pipelines(folder).pipelines] == [
        "flowers",
        "multiclass",
    ]


def test_new_writes_a_file_like_the_sample_and_says_what_is_left(folder, capsys):
    assert commands.main(["new", "flowers"]) == 0
    said = capsys.readouterr()
    path = folder / "flowers.yaml"
    assert changed_lines(SAMPLE.read_text(), path.read_text()) == [
        "-name: multiclass",
        "-description: Classifies iris flowers with LightGBM.",
        "+name: flowers",
        "+description: Say here what the model is for.",
    ]
    assert (load_pipeline(path).name, said.err) == ("flowers", "")
    lines = said.out.splitlines()
    assert lines[0] == f"Wrote {path}, like {folder / 'multiclass.yaml'}. What is left to do:"
    number = path.read_text().splitlines().index("description: Say here what the model is for.") + 1
    assert f"- Line {number}: say what the model is for." in lines
    assert "    input-data-training/{{ data_date }}/flowers/iris.csv" in lines
    assert "- See what a run will ask of AWS: fresh-endpoints plan flowers" in lines
    assert lines[-1] == "- Unpause train_and_deploy_flowers and batch_predict_flowers."
    shared = next(line for line in lines if line.startswith("- They still say multiclass"))
    numbers = [int(number) for number in shared.removesuffix(".").rpartition("lines ")[2].split(", ")]
    assert [path.read_text().splitlines()[number - 1].strip() for number in numbers] == [
        "project: multiclass",
        "objective: multiclass",
    ]


LIKE = (
    changed(
        ("name: iris\n", "# Ours.\nname: 'iris' # the flower\ndescription: |\n  Of flowers,\n  long.\n"),
    )
    + 'endpoint:\n  EndpointName: "iris" # in service\n'
)


@pytest.mark.parametrize("way", ["iris", "path"])
def test_new_like_another_file_keeps_its_comments_and_shares_no_endpoint(folder, capsys, way):
    path = folder / "iris.yaml"
    path.write_text(LIKE)
    assert commands.main(["new", "2019", "--like", str(path) if way == "path" else way]) == 0
    text = (folder / "2019.yaml").read_text()
    assert changed_lines(LIKE, text) == [
        "-name: 'iris' # the flower",
        "-description: |",
        "-  Of flowers,",
        "-  long.",
        '+name: "2019" # the flower',
        "+description: Say here what the model is for.",
        '-  EndpointName: "iris" # in service',
        '+  EndpointName: "2019" # in service',
    ]
    assert load_pipeline(folder / "2019.yaml").endpoint == {"EndpointName": "2019"}
    assert commands.main(["check"]) == 0


@pytest.mark.parametrize(
    "written", ["renamed_from: rose", "renamed_from: [rose,\n  tulip]", "renamed_from:\n- rose\n- tulip"]
)
def test_new_like_a_renamed_pipeline_claims_no_former_name(folder, capsys, written):
    text = f"{changed()}{written}\n# The endpoint stays.\nendpoint: {{EndpointName: rose}}\n"
    (folder / "iris.yaml").write_text(text)
    assert commands.main(["new", "flowers", "--like", "iris"]) == 0
    pipeline = load_pipeline(folder / "flowers.yaml")
    assert (pipeline.renamed_from, pipeline.endpoint["EndpointName"]) == ((), "flowers")
    assert "# The endpoint stays." in (folder / "flowers.yaml").read_text()


@pytest.mark.parametrize(
    ("name", "like", "said"),
    [
        ("multiclass", "multiclass", "it exists; give the new pipeline another name, or edit that file"),
        ("multi_class", "multiclass", "found 'multi_class'; allowed letters, digits and hyphens"),
        ("../flowers", "multiclass", "found '../flowers'; allowed letters, digits and hyphens"),
        ("flowers", "rose", "cannot be read: No such file or directory"),
        ("flowers", "broken", "region: found nothing; a value is required here"),
        ("taken", "multiclass", "endpoint.EndpointName: found 'taken', which other.yaml deploys to"),
        ("MULTICLASS", "multiclass", "endpoint.EndpointName: found 'MULTICLASS', which multiclass.yaml deploys to"),
    ],
)
def test_new_writes_nothing_where_the_name_or_the_file_is_wrong(folder, capsys, name, like, said):
    (folder / "broken.yaml").write_text("name: broken\n")
    (folder / "other.yaml").write_text(changed(("name: iris", "name: other")) + "endpoint: {EndpointName: taken}\n")
    before = {path: path.read_bytes() for path in folder.parent.rglob("*.yaml")}
    assert commands.main(["new", name, "--like", like]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.endswith("Nothing was written.\n")
    assert {path: path.read_bytes() for path in folder.parent.rglob("*.yaml")} == before


def test_two_pipelines_of_which_one_is_a_copy_both_serve(pipeline):
    pipeline.use_tiny_image(model="first")
    text = (pipeline.folder / f"{pipeline.name}.yaml").read_text()
    pipeline.upload(DAY)
    assert pipeline.run(DAY).tasks["deploy"] == "success"

    first, second = pipeline.name, f"{pipeline.name}-copy"
    copied = text.replace(f"name: {first}\n", f"name: {second}\n", 1).replace("model: first", "model: second")
    (pipeline.folder / f"{second}.yaml").write_text(copied)
    try:
        pipeline.name = second
        pipeline.upload(DAY)
        assert pipeline.run(DAY).tasks["deploy"] == "success"
        assert pipeline.invoke(b"1,2").startswith(b"second")
        pipeline.name = first
        assert pipeline.invoke(b"1,2").startswith(b"first")
    finally:
        pipeline.name = second
        pipeline.delete()
        pipeline.name = first
