"""What pipeline files share: defaults by folder, and what an environment changes."""

import shutil

import pytest

from fresh_endpoints.pipeline_file import folder as folders
from fresh_endpoints.pipeline_file import layers
from fresh_endpoints.pipeline_file.loading import load_pipeline, load_pipelines, load_pipelines_of_dags
from fresh_endpoints.pipeline_file.reading import _Loader
from fresh_endpoints.problems import PipelineFileError
from pipeline_files import BASE, changed

SHARED = BASE.replace("name: iris\n", "")


@pytest.fixture(autouse=True)
def pipelines(folder, monkeypatch):
    monkeypatch.setenv("PIPELINES_DIR", str(folder))
    monkeypatch.delenv("PIPELINES_ENV", raising=False)
    return folder


def put(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def errors_of(folder):
    return {error.path.relative_to(folder).as_posix(): error.problems for error in load_pipelines(folder).errors}


def test_mappings_are_merged_and_lists_and_all_else_are_replaced_by_the_nearest(folder):
    put(
        folder,
        {
            "_defaults.yaml": SHARED + "dag_tags: [a, b]\nquality: {rules: ['m > 1', 'n > 1']}\nretries: 1\n",
            "team/_defaults.yaml": "retries: 2\ntraining: {HyperParameters: {a: '1', b: '1'}}\n",
            "team/iris.yaml": "name: iris\ndag_tags: [c]\ntraining: {HyperParameters: {b: '2'}}\n",
            "rose.yaml": "name: rose\n",
        },
    )
    loaded = load_pipelines(folder)
    assert loaded.errors == []
    iris, rose = loaded.pipelines
    assert (iris.dag_tags, iris.retries, iris.quality.rules) == (("c",), 2, ("m > 1", "n > 1"))
    assert iris.training["HyperParameters"] == {"a": "1", "b": "2"}
    assert iris.training["ResourceConfig"]["InstanceType"] == "ml.m4.xlarge"
    assert (rose.dag_tags, rose.retries) == (("a", "b"), 1)
    assert "HyperParameters" not in rose.training
    assert load_pipelines_of_dags("d_") == [iris, rose]


def test_null_takes_away_what_a_farther_file_says_but_where_it_is_a_value(folder):
    shared = SHARED + "schedule: '@daily'\nslack: {channel: '#ml'}\nretries: 1\n"
    shared += "model: {VpcConfig: {Subnets: [subnet-1], SecurityGroupIds: [sg-1]}, EnableNetworkIsolation: true}\n"
    own = "name: iris\nschedule: null\nslack: null\nretries: null\ndata: {validation: null}\n"
    own += "model: {VpcConfig: null, EnableNetworkIsolation: null}\ntraining: {OutputDataConfig: null}\n"
    put(folder, {"_defaults.yaml": shared, "iris.yaml": own})
    with pytest.raises(PipelineFileError, match=r"training\.OutputDataConfig: found nothing"):
        load_pipeline(folder / "iris.yaml")
    (folder / "iris.yaml").write_text(own.replace("training: {OutputDataConfig: null}\n", ""))
    iris = load_pipeline(folder / "iris.yaml")
    assert (iris.schedule, iris.slack, iris.retries) == (None, None, 3)
    assert iris.data.channels.keys() == {"training"}
    assert iris.model == {"VpcConfig": None, "EnableNetworkIsolation": None}


def test_an_environments_file_lies_just_over_the_one_whose_name_it_has(folder, monkeypatch):
    put(
        folder,
        {
            "_defaults.yaml": SHARED + "retries: 1\npriority: 1\nwait_minutes: 1\nmax_active_runs: 1\n",
            "_defaults.dev.yaml": "retries: 2\npriority: 2\nwait_minutes: 2\nmax_active_runs: 2\n",
            "team/_defaults.yaml": "priority: 3\nwait_minutes: 3\nmax_active_runs: 3\n",
            "team/_defaults.dev.yaml": "wait_minutes: 4\nmax_active_runs: 4\n",
            "team/iris.yaml": "name: iris\nmax_active_runs: 5\n",
            "team/iris.dev.yaml": "deploy: never\n",
            "team/iris.prod.yaml": "name: ]",
        },
    )

    def told():
        [iris] = load_pipelines(folder).pipelines
        return iris.retries, iris.priority, iris.wait_minutes, iris.max_active_runs, iris.deploy

    assert told() == (1, 3, 3, 5, "auto")
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    assert told() == (2, 3, 4, 5, "never")
    assert errors_of(folder) == {}
    monkeypatch.setenv("PIPELINES_ENV", "prod")
    [problem] = errors_of(folder)["team/iris.yaml"]
    assert problem.startswith("iris.prod.yaml:1:7: ")


def test_a_problem_names_the_file_and_the_line_that_its_value_is_from(folder, monkeypatch):
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    put(
        folder,
        {
            "_defaults.yaml": SHARED.replace("VolumeSizeInGB: 10", "VolumeSizeInGB: big"),
            "team/_defaults.yaml": "# one\nretries: many\n",
            "team/iris.yaml": "name: iris\nwait_minutes: soon\n",
            "team/iris.dev.yaml": "timezone: nowhere/at-all\n",
        },
    )
    own, shared = errors_of(folder)["team/iris.yaml"], "../_defaults.yaml"
    assert [problem.partition(": found")[0] for problem in own] == ["_defaults.yaml:2: retries", "wait_minutes"]
    put(folder, {"team/_defaults.yaml": "", "team/iris.yaml": "name: iris\n"})
    line = 1 + SHARED[: SHARED.index("ResourceConfig")].count("\n")
    assert [problem.partition(": found")[0] for problem in errors_of(folder)["team/iris.yaml"]] == [
        "iris.dev.yaml:1: timezone",
        f"{shared}:{line}: training.ResourceConfig.VolumeSizeInGB",
    ]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("name: ]", "../_defaults.yaml:1:7: "),
        ("- a\n", "../_defaults.yaml:1: found a list; it must be a mapping of keys"),
        ("# all\nname: x\n", "../_defaults.yaml:2: name: found 'x'; only a pipeline's own file has a name; remove it"),
        ("x: " + "[" * 1000, "../_defaults.yaml:1:"),
        (None, "../_defaults.yaml:1: found a folder; allowed a regular file"),
    ],
)
def test_broken_defaults_break_what_they_govern_each_by_its_name_and_nothing_else(folder, content, problem):
    put(folder, {"rose.yaml": changed(("name: iris", "name: rose")), "team/sub/iris.yaml": BASE})
    put(folder, {"team/sub/lily.yaml": changed(("name: iris", "name: lily"))})
    if content is None:
        (folder / "team" / "_defaults.yaml").mkdir()
    else:
        put(folder, {"team/_defaults.yaml": content})
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["rose"]
    found = errors_of(folder)
    assert found.keys() == {"team/sub/iris.yaml", "team/sub/lily.yaml"}
    assert all(each.startswith(problem) for problems in found.values() for each in problems)


def test_defaults_that_nobody_has_or_that_say_nothing_change_nothing(folder):
    put(folder, {"_defaults.yaml": "# nothing yet\n", "_other.yaml": "name: [", "iris.yaml": BASE})
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    assert loaded.errors == []


def test_each_file_is_read_and_parsed_once_however_many_share_it(folder, monkeypatch):
    put(folder, {"_defaults.yaml": SHARED, "_defaults.dev.yaml": "retries: 1\n"})
    for number in range(20):
        put(folder, {f"team-{number % 2}/m{number}.yaml": f"name: m{number}\n"})
    monkeypatch.setenv("PIPELINES_ENV", "dev")
    opened, parsed = [], []
    read = layers._read
    monkeypatch.setattr(layers, "_read", lambda path: opened.append(path.name) or read(path))
    get = _Loader.get_single_data
    monkeypatch.setattr(_Loader, "get_single_data", lambda self: parsed.append(1) or get(self))
    assert len(load_pipelines(folder).pipelines) == 20
    assert opened.count("_defaults.yaml") == 3  # One in each folder, of which two have none.
    assert len(opened) == len(set(opened)) + 2 * 2
    assert len(parsed) == 22
    parsed.clear()
    assert len(load_pipelines(folder).pipelines) == 20
    assert parsed == []


def test_a_change_of_what_is_shared_is_seen(folder):
    put(folder, {"_defaults.yaml": SHARED, "iris.yaml": "name: iris\n"})
    assert load_pipelines(folder).pipelines[0].retries == 3
    put(folder, {"_defaults.yaml": SHARED + "retries: 1\n"})
    assert load_pipelines(folder).pipelines[0].retries == 1
    (folder / "_defaults.yaml").unlink()
    assert errors_of(folder).keys() == {"iris.yaml"}


def test_what_pipelines_share_in_a_file_they_do_not_share_in_memory(folder):
    put(folder, {"_defaults.yaml": SHARED, "a.yaml": "name: a\n", "b.yaml": "name: b\n"})
    a, b = load_pipelines(folder).pipelines
    a.training["ResourceConfig"]["InstanceCount"] = 7
    assert b.training["ResourceConfig"]["InstanceCount"] == 1


def test_all_files_of_a_pipeline_together_hold_no_more_than_one_may(folder):
    many = "aws_tags: {" + ", ".join(f"{{0}}{number}: v" for number in range(4900)) + "}\n"
    put(
        folder,
        {"_defaults.yaml": SHARED + many.replace("{0}", "a"), "iris.yaml": "name: iris\n" + many.replace("{0}", "b")},
    )
    [problem] = errors_of(folder)["iris.yaml"]
    assert "what the files share included; allowed 10000" in problem


def test_files_below_are_found_and_examples_and_hidden_folders_are_not(folder):
    for place in ("a", "a/b", "examples", "a/examples", ".git", "_drafts"):
        name = place.replace("/", "").strip("._")
        put(folder, {f"{place}/{name}.yaml": changed(("name: iris", f"name: {name}"))})
    (folder / "loop").symlink_to(folder)
    assert [pipeline.name for pipeline in load_pipelines(folder).pipelines] == ["a", "ab"]
    assert [pipeline.name for pipeline in load_pipelines(folder / "examples").pipelines] == ["examples"]
    assert errors_of(folder) == {}


def test_a_name_is_one_pipelines_in_all_folders_and_stays_that_of_the_file_that_lies_least_deep(folder, monkeypatch):
    put(folder, {"iris.yaml": BASE, "a/iris.yaml": BASE + "retries: 1\n"})
    [iris] = load_pipelines(folder).pipelines
    assert iris.retries == 3
    [problem] = errors_of(folder)["a/iris.yaml"]
    assert problem == (
        "name: found 'iris', the name of iris.yaml, too; a pipeline's name is its DAGs', so there is one of each in "
        "all folders; rename one"
    )
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "train_iris")
    assert load_pipelines_of_dags("train_") == [iris]
    (folder / "iris.yaml").unlink()
    assert load_pipelines_of_dags("train_")[0].retries == 1


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        (
            "irs.dev.yaml",
            "found no irs.yaml beside it, of which it would be the environment's part; did you mean 'iri",
        ),
        ("iris.DEV.yaml", "found the environment 'DEV' in its name; allowed lower-case letters, digits and hyphens"),
        ("iris.dev.eu.yaml", "found the environment 'dev.eu' in its name"),
        ("_defaults.Dev.yaml", "found the environment 'Dev' in its name"),
        ("_defaults..yaml", "found the environment '' in its name"),
        ("_default.yaml", "is not read; did you mean _defaults.yaml?"),
        ("_defaults.yml", "found the suffix '.yml'; allowed .yaml; rename it _defaults.yaml"),
        ("iris.dev.yml", "found the suffix '.yml'; allowed .yaml; rename it iris.dev.yaml"),
    ],
)
def test_a_file_whose_name_belongs_to_nothing_is_said_and_harms_nobody(folder, name, problem):
    put(folder, {"iris.yaml": BASE, name: "retries: 1\n"})
    loaded = load_pipelines(folder)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["iris"]
    [[found]] = errors_of(folder).values()
    assert errors_of(folder).keys() == {name}
    assert found.startswith(problem)


def test_folders_without_end_are_said(folder, monkeypatch):
    put(folder, {"iris.yaml": BASE, "1/2/3/4/5/six.yaml": changed(("name: iris", "name: six"))})
    put(folder, {"1/2/3/4/5/6/seven.yaml": "name: ["})
    assert [pipeline.name for pipeline in load_pipelines(folder).pipelines] == ["iris", "six"]
    assert errors_of(folder) == {"1/2/3/4/5": ("found folders more than 5 deep; move them up, or out",)}
    shutil.rmtree(folder / "1")
    monkeypatch.setattr(folders, "MOST_FOLDERS", 3)
    for name in "abcd":
        (folder / name).mkdir()
    assert "found more than 3 folders" in errors_of(folder)["."][0]
    assert [pipeline.name for pipeline in load_pipelines(folder).pipelines] == ["iris"]


def test_a_pipelines_files_are_told_farthest_first(folder):
    put(folder, {"_defaults.yaml": "", "a/_defaults.yaml": "", "a/iris.yaml": "", "a/iris.dev.yaml": ""})
    found = layers.Files().layers(folder / "a" / "iris.yaml", (folder, folder / "a"), "dev")
    assert [layer.shown for layer in found] == ["../_defaults.yaml", "_defaults.yaml", "iris.yaml", "iris.dev.yaml"]
