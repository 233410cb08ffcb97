"""What is found in an entry script, without running it."""

from __future__ import annotations

import pytest

from azext_mlfunc.packaging import entry_script

INIT = "def init(): pass\n"
RUN = "def run(data): pass\n"


@pytest.mark.parametrize(
    ("source", "line", "found"),
    [
        (RUN, None, "it has no init()"),
        (INIT, None, "it has no run()"),
        (INIT + "def run(: pass\n", 2, "it does not parse"),
        (INIT + "x = 'a\n" + RUN, 2, "it does not parse"),
        ("\0", None, "it does not parse"),
        (INIT + "def run(): pass\n", 2, "run() takes no argument"),
        (INIT + "def run(*args): pass\n", 2, "run() takes *args"),
        (INIT + "def run(data, **more): pass\n", 2, "run() takes **more"),
        (INIT + "def run(data, /): pass\n", 2, "data (positional-only)"),
        (INIT + "def run(request_headers): pass\n", 2, "nothing but request_headers"),
        (INIT + "async def run(data): pass\n", 2, "run() is async"),
        (INIT + "@rawhttp\n@input_schema('a', b)\ndef run(a): pass\n", 4, "both @rawhttp and @input_schema"),
        ("def init(x): pass\n" + RUN, 1, "init() needs arguments"),
        ("def init(*, x): pass\n" + RUN, 1, "init() needs arguments"),
        ("async def init(): pass\n" + RUN, 1, "init() is async"),
    ],
)
def test_what_azure_ml_would_refuse_is_found_with_its_line(project, source, line, found):
    script = project.write("src/score.py", source)
    [finding] = entry_script.check(project.request(entry_script=script))
    assert found in finding.found
    assert finding.where == script
    assert finding.line == line
    assert finding.severity == "error"


@pytest.mark.parametrize(
    "source",
    [
        INIT + RUN,
        "def init(x=1, *, y=2): pass\ndef run(*, data): pass\n",
        INIT + "def run(data, request_headers): pass\n",
        "from elsewhere import init, run\n",
        "from elsewhere import *\n",
        "import x as init\nrun = x.predict\n",
        "try:\n    from a import init\nexcept ImportError:\n    def init(): pass\nif True:\n    " + RUN,
        "init: object = print\n(run, other) = (print, print)\n",
        INIT + "@input_schema('data', t)\n@output_schema(t)\n" + RUN,
    ],
)
def test_what_azure_ml_takes_is_not_complained_of(project, source):
    script = project.write("src/score.py", source)
    assert list(entry_script.check(project.request(entry_script=script))) == []


def test_a_name_within_a_function_is_no_definition(project):
    script = project.write("src/score.py", "def setup():\n    def init(): pass\n    run = 1\n")
    assert [f.found for f in entry_script.check(project.request(entry_script=script))] == [
        "it has no init()",
        "it has no run()",
    ]


def test_all_of_a_script_is_reported_at_once(project):
    script = project.write("src/score.py", "def init(x): pass\ndef run(*a): pass\n")
    assert len(list(entry_script.check(project.request(entry_script=script)))) == 2


def test_a_missing_script_a_folder_and_another_ending(project):
    for path, found in (("none.py", "no such file"), ("src", "not a file"), ("model.pkl", "ending in '.pkl'")):
        [finding] = entry_script.check(project.request(entry_script=project.folder / path))
        assert found in finding.found


def test_a_script_outside_the_source_directory(project):
    outside = project.write("other/score.py", INIT + RUN)
    [finding] = entry_script.check(project.request(entry_script=outside))
    assert "outside --source-directory" in finding.found


def test_the_script_is_never_run(project):
    trace = project.folder / "trace"
    script = project.write("src/score.py", f"open({str(trace)!r}, 'w')\n" + INIT + RUN)
    list(entry_script.check(project.request(entry_script=script)))
    assert not trace.exists()
