"""What becomes of conda and requirements files: the Python, what pip installs, and when conda has to."""

from __future__ import annotations

import os

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
        (deps("python=3.12", "conda: [x]"), 4, "neither a package"),
        (deps("python=3.12", "pip: x"), 4, "neither a package"),
        (deps("python=3.12", "null"), 4, "neither a package"),
        (deps("python: 3.10"), 3, "neither a package"),
        (deps("python=3.12", "3.1"), 4, "neither a package"),
        (deps("python=3.12", "pip: [3]"), 4, "neither a package"),
        (deps("python=3.12", "python=3.13"), 4, "after 'python=3.12'"),
        (deps("python=3.12") + "dependencies: []\n", 1, "'dependencies' stands there more than once"),
        ("? [a]\n: b\n", 1, "no list of dependencies"),
        (deps("python=3.12", "numpy==banana"), 4, "is no requirement"),
        (deps("python=3.12", "protobuf=3.20"), 4, "belongs to the Functions worker"),
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
        ("python>=3.13", "3.13"),
        ("python>=3.14", "3.14"),
        ("python=3", "3.13"),
        ("python=3.12.4=h1_cp312", "3.12"),
        ("python = 3.12", "3.12"),
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
        ("mine @ git+https://secret@example.com/mine.git", "user name and password"),
        ("--extra-index-url https://secret@feed.example/_packaging/f/nuget", "user name and password"),
        ("--extra-index-url https://me:secret", "user name and password"),
        ("--find-links https://feed.example/?sv=1&sig=secret", "user name and password"),
        ("mine @ file:///home/me/mine.whl", "is a path on this machine"),
        ("--find-links ./wheels", "is a path on this machine"),
        ("-f wheels", "is a path on this machine"),
        ("git+https://example.com/mine.git@v1", "does not say which package"),
        ("https://example.com/mine.whl", "does not say which package"),
        ("--bogus-option", "is no option"),
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
        "mine @ git+ssh://git@example.com/mine.git",
        "--find-links https://example.com/wheels",
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


def test_no_file_at_all_installs_nothing_and_says_so(project):
    made = environment.load(project.request(requirements=None))
    assert (made.content, made.python_version) == ("", "3.13")
    assert any("no packages are installed" in note for note in made.notes)


def test_a_range_of_pythons_is_told_what_became_of_it(project):
    assert any(
        "3.13 is taken for 'python>=3.9'" in note
        for note in environment.load(conda(project, deps('"python>=3.9"'))).notes
    )


def test_a_file_that_never_ends_is_not_waited_for(project):
    os.mkfifo(project.folder / "pipe")
    [finding] = errors(project.request(requirements=project.folder / "pipe"))
    assert finding.found == "it cannot be read: this is not a file"


def test_azure_ml_s_server_is_left_out_of_conda_packages_too(project):
    request = conda(project, deps("python=3.13", "azureml-defaults", "numpy"))
    made = environment.load(request)
    assert (made.kind, made.content, made.left_out) == ("pip", "numpy\n", ("azureml-defaults",))
    made = environment.load(conda(project, deps("python=3.13", "azureml-defaults", "libgcc")))
    assert made.kind == "conda" and "azureml" not in made.content and made.left_out == ("azureml-defaults",)
    project.write("src/helper.py", "import inference_schema\n")
    assert (
        "inference-schema"
        in environment.load(conda(project, deps("python=3.13", "azureml-defaults", "libgcc"))).content
    )


def test_any_version_and_blanks_are_what_they_say(project):
    made = environment.load(conda(project, deps("python=3.13", "'numpy=*'", "scipy  =  1.2")))
    assert made.content == "numpy\nscipy==1.2.*\n"


def test_one_channel_may_stand_alone(project):
    made = environment.load(conda(project, "channels: bioconda\ndependencies: [python=3.13, libgcc]\n"))
    assert yaml.safe_load(made.content)["channels"] == ["bioconda"]


@pytest.mark.parametrize("line", ["scipy==1.16.0", "scipy --hash=sha256:abc", "scikit-learn>=1 --hash=sha256:abc"])
def test_a_lock_that_locks_nothing_is_refused(project, line):
    [finding] = errors(
        project.request(lock=project.write("lock.txt", f"# ours\nnumpy==2.3.4 --hash=sha256:a\n{line}\n"))
    )
    assert "is not locked" in finding.found and finding.line == 3 and "secret" not in str(finding)


@pytest.mark.parametrize("text", ["", "# nothing\n", "scipy==1.16.0 --hash=sha256:abc\n"])
def test_a_lock_that_does_not_give_what_is_asked_for_is_refused(project, text):
    [finding] = errors(project.request(lock=project.write("lock.txt", text)))
    assert finding.where == "--lock" and "nothing, but the requirements ask for numpy==2.3.4" in finding.found


def test_a_lock_for_another_platform_does_not_count(project):
    lock = project.write("lock.txt", "numpy==2.3.4 ; sys_platform == 'win32' --hash=sha256:abc\n")
    assert [f.where for f in errors(project.request(lock=lock))] == ["--lock"]


def test_a_lock_is_what_is_installed(project):
    lock = "numpy==2.3.4 --hash=sha256:abc\n"
    made = environment.load(project.request(lock=project.write("lock.txt", lock)))
    assert (made.text, made.lock, made.content) == (lock, lock, "numpy==2.3.4\n")
