"""Thousands of broken, huge, deep, cyclic and mistyped pipeline files, each beside a right one, which always stays.

Each file is read, checked and built in a process that may crash, hang or eat memory without the test. FUZZ_EXAMPLES is
how many files there are, FUZZ_SEED makes others of them; `make fuzz` shows the counts.
"""

from __future__ import annotations

import copy
import datetime as dt
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from hypothesis import strategies as st

from guarded_loading import GuardedLoader, guarded_loader

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = (ROOT / "include" / "pipelines" / "multiclass.yaml").read_text()
DAG_FILES = [ROOT / "dags" / name for name in ("train_and_deploy.py", "batch_predict.py")]
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "120"))
SEED = os.environ.get("FUZZ_SEED")
# A right file takes 0.1 s to be checked and built.
SECONDS = 5.0
MEGABYTES = 250.0


def renamed(name: str, text: str = SAMPLE) -> str:
    return text.replace("name: multiclass", f"name: {name}")


RIGHT = renamed("bad")
VALUES = yaml.safe_load(RIGHT)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of each value of a file."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


PLACES = list(places(VALUES))
SIZES = st.sampled_from([1, 2, 10, 49, 51, 100, 1_000, 9_000, 20_000, 100_000, 300_000])
ATOMS = st.sampled_from([
    "a", "0", "9", "é", "😀", " ", "-", "/", ".", "*", "(", "[", "{", "{{", "{%", "{#", "\\", "'", '"', "\n", "\t",
    "\x7f", "a/", "a-", "1,", "*/1 ", "(a+)+", "a{9}", "<<", "&a ", "*a ", "!!", "# ", "? ", ": ", "- ", "\x85",
    "\u202e", "\ufeff",
])  # fmt: skip
LONG = st.builds(lambda atom, size: (atom * size)[:300_000], ATOMS, SIZES)
NAMES = st.sampled_from([
    "data_date", "date", "bucket", "params", "var", "dag_run", "task", "ti", "macros", "conn", "self", "a", "range",
    "params.x", "var.value.x", "dag_run.conf.x", "macros.uuid", "macros.ds_add", "ti.try_number", "cycler",
])  # fmt: skip
LITERALS = st.sampled_from([
    "1", "10**9", "1000000000", "'a'", "'aaaaaaaaaa'", "[]", "[1]", "{}", "''", "-1", "1e308", "'%9999999d'",
])  # fmt: skip
METHODS = st.sampled_from([
    "replace", "join", "split", "upper", "format", "zfill", "append", "get", "items", "strftime", "__class__", "os",
])  # fmt: skip
FILTERS = st.sampled_from([
    "upper", "replace", "join", "list", "map", "attr", "round", "center", "int", "tojson", "urlencode", "format",
])  # fmt: skip
OPERATORS = st.sampled_from(["+", "-", "*", "**", "%", "/", "//", "~", " in ", " and ", " or ", "<", "=="])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({}{}{})".format, inner, OPERATORS, inner),
        st.builds("{}.{}({}, {})".format, inner, METHODS, inner, inner),
        st.builds("{}.{}".format, inner, METHODS),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("({}|{}({}))".format, inner, FILTERS, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("range({})".format, inner),
    )


EXPRESSIONS = st.recursive(NAMES | LITERALS, grown, max_leaves=12)
TEMPLATES = st.one_of(
    EXPRESSIONS.map("{{{{ {} }}}}".format),
    st.builds("{{% set a = {} %}}{{% set a = {} %}}{{{{ {} }}}}".format, EXPRESSIONS, EXPRESSIONS, EXPRESSIONS),
    st.builds("{{% for a in {} %}}{{{{ {} }}}}{{% endfor %}}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds("{{% if {} %}}{{% do {} %}}{{% endif %}}".format, EXPRESSIONS, EXPRESSIONS),
    st.builds(
        lambda times, e: "{% set a = 'aaaa' %}" + "{% set a = " + e + " %}" * times, st.integers(1, 60), EXPRESSIONS
    ),
)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**40), 10**40),
    st.floats(),
    st.dates(),
    st.datetimes(timezones=st.none() | st.just(dt.timezone.utc)),
    st.sampled_from(
        ["0 0 31 2 *", "* * * * *", "@hourly", "../../etc/passwd", "localtime", "1:1:1", "~", "((a{1000}){1000}){1000}"]
    ),
    st.text(max_size=20),
    st.binary(max_size=20),
    LONG,
    TEMPLATES,
)
ODD_VALUES = st.recursive(
    ODD,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.text(max_size=5) | st.integers() | st.none() | st.sampled_from(list(VALUES)), inner, max_size=4
        ),
        st.builds(lambda value, size: [value] * min(size, 3000), inner, SIZES),
        st.builds(lambda value, size: {f"k{n}": value for n in range(min(size, 3000))}, inner, SIZES),
    ),
    max_leaves=6,
)


def edited(edits: list[tuple[tuple[Any, ...], str, Any]]) -> bytes:
    """The right file with values changed, removed and added."""
    values = copy.deepcopy(VALUES)
    for path, kind, odd in edits:
        within = values
        try:
            for part in path[:-1]:
                within = within[part]
            if kind == "change":
                within[path[-1]] = odd
            elif kind == "remove":
                del within[path[-1]]
            else:
                within[path[-1]] = {**within[path[-1]], str(odd)[:40]: odd}
        except (LookupError, TypeError):
            continue
    return yaml.dump(values, Dumper=yaml.CSafeDumper, allow_unicode=True).encode("utf-8", "surrogatepass")


def spliced(place: int, removed: int, text: str) -> bytes:
    """The right file with some of it replaced by something else."""
    at = place % len(RIGHT)
    return (RIGHT[:at] + text + RIGHT[at + removed :]).encode("utf-8", "surrogatepass")


def nested(opening: str, size: int, inside: str) -> bytes:
    return f"{RIGHT}\nx: {(opening * size)[:300_000]}{inside}".encode()


def aliased(form: str, steps: int, width: int, first: str) -> bytes:
    lines = [f"a0: &a0 {first}"]
    for step in range(1, steps):
        lines.append(f"a{step}: &a{step} " + form.replace("@", ", ".join([f"*a{step - 1}"] * width)))
    return ("\n".join(lines) + "\n" + RIGHT).encode()


EDITS = st.tuples(st.sampled_from(PLACES), st.sampled_from(["change", "change", "remove", "add"]), ODD_VALUES)
FILES = st.one_of(
    st.builds(edited, st.lists(EDITS, min_size=1, max_size=3)),
    st.builds(
        edited, st.lists(st.tuples(st.sampled_from(PLACES), st.just("change"), TEMPLATES), min_size=1, max_size=3)
    ),
    st.builds(edited, st.lists(st.tuples(st.sampled_from(PLACES), st.just("change"), LONG), min_size=1, max_size=2)),
    st.builds(spliced, st.integers(0, 100_000), st.integers(0, 200), LONG | st.text(max_size=30) | TEMPLATES),
    st.builds(
        nested,
        st.sampled_from(["[", "{a: ", "- ", "? ", "{", "!!x [", "&a [", "[*a, "]),
        SIZES,
        st.sampled_from(["", "*a", "]"]),
    ),
    st.builds(
        aliased,
        st.sampled_from(["[@]", "{<<: [@]}", "{k: [@]}", "[@, {<<: [@]}]", "!!set {@}", "!!omap [@]"]),
        st.integers(1, 40),
        st.integers(1, 12),
        st.sampled_from(["x", "{k: x}", "[*a0]", "{<<: *a0}", "'" + "x" * 9_000 + "'"]),
    ),
    st.binary(max_size=300),
    st.sampled_from(["pipe", "folder", "/dev/zero", "/dev/stdin", "/proc/self/mem", "bad.yaml", "nowhere"]),
)


class Counts:
    """What happened to the files."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self.slowest = 0.0
        self.grown = 0.0


@pytest.fixture(scope="module")
def counts() -> Iterator[Counts]:
    counts = Counts()
    yield counts
    ends = ", ".join(f"{count} {end}" for end, count in sorted(counts.ends.items()))
    print(  # noqa: T201 - with -s, as `make fuzz` has it
        f"\n{counts.ends.total()} pipeline files: {ends}; the slowest took {counts.slowest:.2f} s, the process grew by "
        f"{counts.grown:.0f} MB"
    )


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardedLoader]:
    warm = tmp_path_factory.mktemp("warm")
    (warm / "bad.yaml").write_text(RIGHT)
    with guarded_loader(tmp_path_factory.mktemp("tmp"), warm, DAG_FILES) as loader:
        yield loader


def write(folder: Path, file: bytes | str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "good.yaml").write_text(renamed("good"))
    bad = folder / "bad.yaml"
    if isinstance(file, bytes):
        bad.write_bytes(file)
    elif file == "pipe":
        os.mkfifo(bad)
    elif file == "folder":
        bad.mkdir()
    else:
        bad.symlink_to(file)


@pytest.mark.timeout(max(300, EXAMPLES * 2))
def test_a_file_of_any_content_is_usable_or_refused_by_name_and_its_neighbour_stays(loader, counts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "pipelines"

    def try_file(file: bytes | str) -> None:
        write(folder, file)
        outcome = loader.load(folder)
        assert outcome.end == ""
        assert outcome.names in (["good"], ["bad", "good"])
        assert set(outcome.errors) == ({"bad.yaml"} if outcome.names == ["good"] else set())
        for said in outcome.errors.values():
            path, *problems = said.splitlines()
            assert path.endswith("bad.yaml:")
            assert problems
            assert all(problem.strip() for problem in problems)
            said.encode()
            assert len(said) < 51 * 2_100
        assert outcome.seconds < SECONDS
        assert outcome.megabytes < loader.first.megabytes + MEGABYTES
        counts.ends["usable" if outcome.names != ["good"] else "refused"] += 1
        counts.slowest = max(counts.slowest, outcome.seconds)
        counts.grown = max(counts.grown, outcome.megabytes - loader.first.megabytes)

    test = hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=SEED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(hypothesis.given(FILES)(try_file))
    (test if SEED is None else hypothesis.seed(int(SEED))(test))()


@pytest.mark.timeout(max(300, EXAMPLES * 2))
def test_defaults_of_any_content_are_refused_at_each_pipeline_that_they_govern_and_at_no_other(
    loader, tmp_path_factory
):
    folder = tmp_path_factory.mktemp("fuzz-defaults") / "pipelines"

    def try_defaults(file: bytes | str) -> None:
        write(folder / "team", file.replace(b"name: bad\n", b"") if isinstance(file, bytes) else file)
        (folder / "team" / "good.yaml").rename(folder / "good.yaml")
        (folder / "team" / "bad.yaml").rename(folder / "team" / "_defaults.yaml")
        for name in ("lily", "rose"):
            (folder / "team" / f"{name}.yaml").write_text(f"name: {name}\n")
        outcome = loader.load(folder)
        assert outcome.end == ""
        assert "good" in outcome.names
        refused = {name.removesuffix(".yaml") for name in outcome.errors}
        assert {*outcome.names, *refused} == {"good", "lily", "rose"}
        assert not refused & set(outcome.names)
        assert outcome.seconds < SECONDS
        assert outcome.megabytes < loader.first.megabytes + MEGABYTES

    test = hypothesis.settings(
        max_examples=max(EXAMPLES // 3, 10),
        derandomize=SEED is None,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )(hypothesis.given(FILES)(try_defaults))
    (test if SEED is None else hypothesis.seed(int(SEED))(test))()
