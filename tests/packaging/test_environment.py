"""What becomes of conda and requirements files: the Python, what pip installs, and when conda has to."""

from __future__ import annotations

import pytest
import yaml

from azext_mlfunc.packaging import environment


def conda(project, text, **changes):
    changes = {"requirements": None, "conda_file": project.write("environment.yml", text)} | changes
    return project.request(**changes)


def errors(request):
    return [f for f in environment.check(request) if f.severity == "error"]


def deps(*lines):
    return "channels: [conda-forge]\ndependencies:\n" + "".join(f"  - {line}\n" for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("dependencies: [", 1, "it is not YAML"),
        ("a: b: c\n", 1, "it is not YAML"),
        ("- x\n", None, "it holds no mapping"),
        ("", None, "it holds no mapping"),
        ("name: x\n", 1, "it has no list of dependencies"),
        ("name: x\ndependencies: numpy\n", 1, "it has no list of dependencies"),
        (deps("python=3.12", "conda: [x]"), 4, "neither a package nor a pip section"),
        (deps("python=3.12", "pip: x"), 4, "neither a package nor a pip section"),
        (deps("numpy"), None, "no Python version"),
        (deps("numpy", "python"), 4, "no Python version"),
        (deps("python=3.8"), 3, "no Functions image"),
        (deps("python=3.8.10"), 3, "no Functions image"),
        (deps("python>=3.15"), 3, "no Functions image"),
        (deps("python=2"), 3, "no Functions image"),
    ],
)
def test_what_is_wrong_with_a_conda_file_is_found_with_its_line(project, text, line, found):
    [finding] = errors(conda(project, text))
    assert found in finding.found
    assert finding.line == line


@pytest.mark.parametrize(
    ("spec", "version"),
    [
        ("python=3.12", "3.12"),
        ("python=3.12.4", "3.12"),
        ("python==3.13.*", "3.13"),
        ("python 3.13.1", "3.13"),
        ("conda-forge::python=3.12", "3.12"),
        ("python>=3.9,<3.13", "3.12"),
        ("python>=3.13", "3.14"),
        ("python=3", "3.14"),
    ],
)
def test_the_python_of_a_conda_file_is_the_image_s(project, spec, version):
    request = conda(project, deps(f'"{spec}"'))
    assert errors(request) == []
    assert environment.load(request).python_version == version


def test_the_python_version_option_stands_in_for_a_file_that_names_none(project):
    request = conda(project, deps("numpy"), python_version="3.12")
    assert errors(request) == []
    assert environment.load(request).python_version == "3.12"


def test_two_pythons_that_differ_are_refused(project):
    [finding] = errors(conda(project, deps("python=3.12"), python_version="3.13"))
    assert "--python-version is 3.13" in finding.found


def test_an_unknown_python_version_lists_the_valid_ones(project):
    [finding] = errors(project.request(python_version="3.9"))
    assert finding.expected == "one of 3.10, 3.11, 3.12, 3.13, 3.14"


@pytest.mark.parametrize(("version", "count"), [("3.10", 1), ("3.11", 1), ("3.12", 0), ("3.13", 0)])
def test_images_without_security_updates_are_warned_of(project, version, count):
    warnings = [f for f in environment.check(project.request(python_version=version)) if f.severity == "warning"]
    assert len(warnings) == count


def test_both_kinds_of_file_are_refused(project):
    request = conda(project, deps("python=3.12"), requirements=project.folder / "requirements.txt")
    assert any("both" in f.found for f in errors(request))


def test_files_that_cannot_be_read(project):
    [finding] = errors(project.request(requirements=project.folder / "none.txt"))
    assert "it cannot be read" in finding.found
    (project.folder / "binary.txt").write_bytes(b"\xff\xfe\x00numpy")
    [finding] = errors(project.request(requirements=project.folder / "binary.txt"))
    assert "it cannot be read" in finding.found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("protobuf==3.20.3", "belongs to the Functions worker"),
        ("grpcio === 1.60", "belongs to the Functions worker"),
        ("Azure_Functions==1.20", "belongs to the Functions worker"),
        ("azure-functions-worker", "belongs to the Functions worker"),
        ("protobuf @ https://example.com/p.whl", "belongs to the Functions worker"),
        ("numpy=1.2", "is no requirement"),
        ("not a requirement", "is no requirement"),
        ("./wheels/mine.whl", "is a path on this machine"),
        ("-e .", "is a path on this machine"),
        ("-c constraints.txt", "is a path on this machine"),
        ("file:///home/me/mine.whl", "is a path on this machine"),
        ("--extra-index-url https://me:secret@feed.example/simple", "user name and password"),
        ("--index-url https://token@feed.example/pypi/simple/", "user name and password"),
        ("mine @ git+https://me:secret@example.com/mine.git", "user name and password"),
    ],
)
def test_requirements_that_would_fail_or_leak_are_found_in_both_kinds_of_file(project, line, found):
    plain = project.write("r.txt", f"numpy==2.3.4\n{line}  # a comment\n")
    [finding] = errors(project.request(requirements=plain))
    assert found in finding.found and finding.line == 2
    assert "secret" not in str(finding)
    [finding] = errors(conda(project, deps("python=3.13", "pip:") + f"    - numpy\n    - {line!r}\n"))
    assert found in finding.found and finding.line == 6


@pytest.mark.parametrize(
    "line",
    [
        "protobuf",
        "protobuf>=4",
        "azure-functions",
        "torch==2.8.0+cpu",
        "scikit-learn[alldeps]>=1.5 ; python_version >= '3.12'",
        "--extra-index-url https://download.example/whl/cpu",
        "mine @ https://example.com/mine.whl",
        "numpy==2.3.4 --hash=sha256:abc",
    ],
)
def test_sound_requirements_pass_and_are_installed_as_written(project, line):
    request = project.request(requirements=project.write("r.txt", f"# comment\n\n{line}\n"))
    assert errors(request) == []
    assert environment.load(request).content == line + "\n"


def test_included_files_and_continued_lines_are_read_where_they_stand(project):
    project.write("sub/base.txt", "scipy\nbad thing\n")
    path = project.write("r.txt", "-r sub/base.txt\nnumpy==2.3.4 \\\n    --hash=sha256:abc\npandas\n")
    [finding] = errors(project.request(requirements=path))
    assert (finding.where, finding.line) == (project.folder / "sub" / "base.txt", 2)
    project.write("sub/base.txt", "scipy\n")
    content = environment.load(project.request(requirements=path)).content
    assert content == "scipy\nnumpy==2.3.4     --hash=sha256:abc\npandas\n"


def test_files_that_include_each_other_end(project):
    path = project.write("r.txt", "-r r.txt\n")
    [finding] = errors(project.request(requirements=path))
    assert "without end" in finding.found


def test_conda_packages_that_pypi_has_are_installed_by_pip(project):
    text = deps(
        "python=3.13",
        "pip=24",
        "numpy=2.3",
        "scikit-learn==1.7.2",
        "pandas>=2,<3",
        "pytorch",
        "opencv=4.10.0",
        "conda-forge::joblib 1.5.2",
        "pip:",
    )
    request = conda(project, text + "    - xgboost==3.0.0\n")
    made = environment.load(request)
    assert made.kind == "pip"
    assert made.content.split() == [
        "numpy==2.3.*",
        "scikit-learn==1.7.2",
        "pandas>=2,<3",
        "torch",
        "opencv-python-headless==4.10.0.*",
        "joblib==1.5.2",
        "xgboost==3.0.0",
    ]


@pytest.mark.parametrize(
    "spec", ["cudatoolkit=11.8", "libgcc", "numpy=2.3=py313_0", "numpy=1.26|2.3", "numpy[build=x]"]
)
def test_what_only_conda_can_install_gets_a_conda_environment(project, spec):
    text = deps("python=3.13.2", "scipy", f'"{spec}"', "pip:") + "    - joblib\n    - azureml-defaults\n"
    made = environment.load(conda(project, text))
    assert made.kind == "conda" and made.file_name == "environment.yml"
    assert yaml.safe_load(made.content) == {
        "channels": ["conda-forge"],
        "dependencies": ["python=3.13", "scipy", spec, "pip", {"pip": ["joblib"]}],
    }
    assert any(spec in note for note in made.notes)


@pytest.mark.parametrize(
    ("script", "put_in"),
    [
        ("", []),
        ("import inference_schema.schema_decorators\n", ["inference-schema"]),
        ("from azureml.core.model import Model\n", ["azureml-core"]),
        ("from azureml.core import Model\nfrom inference_schema import x\n", ["inference-schema", "azureml-core"]),
        ("from azureml.contrib.services.aml_request import rawhttp\n", []),
    ],
)
def test_azure_ml_s_server_is_left_out_but_what_the_code_imports_of_it_is_put_in(project, script, put_in):
    project.write("src/helper.py", script)
    made = environment.load(project.request(requirements=project.write("r.txt", "numpy\nazureml-defaults==1.60\n")))
    assert made.content.split() == ["numpy", *put_in]
    assert made.left_out == ("azureml-defaults",)
    assert "azureml-defaults" in made.notes[0]


def test_parts_that_are_asked_for_are_not_put_in_again(project):
    project.write("src/helper.py", "import inference_schema\n")
    path = project.write("r.txt", "azureml-inference-server-http\ninference-schema[numpy-support]==1.8\n")
    assert environment.load(project.request(requirements=path)).content == "inference-schema[numpy-support]==1.8\n"


def test_no_file_at_all_installs_nothing(project):
    made = environment.load(project.request(requirements=None))
    assert (made.content, made.python_version) == ("", "3.13")
