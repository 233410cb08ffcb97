"""What a model's folder says, and what is found wrong with it. What MLflow itself writes: tests/mlflow_models."""

from __future__ import annotations

import dataclasses

import pytest
from helpers import read_all

from azext_mlfunc.packaging import environment, mlflow, package
from azext_mlfunc.packaging.image import Tally
from azext_mlfunc.packaging.models import LocalModel

# As MLflow 2.9 writes them, and before them MLflow 1.30.
MLMODEL = """\
artifact_path: model
flavors:
  python_function:
    env: {env}
    loader_module: mlflow.sklearn
    model_path: model.pkl
    predict_fn: predict
    python_version: {python}
  sklearn:
    pickled_model: model.pkl
mlflow_version: 2.9.2
"""
BOTH = "{conda: conda.yaml, virtualenv: python_env.yaml}"
CONDA = """\
channels:
- conda-forge
dependencies:
- python={python}
- pip<=23.3.1
- pip:
  - mlflow==2.9.2
  - scikit-learn==1.3.2
name: mlflow-env
"""
PYTHON_ENV = """\
python: {python}
build_dependencies:
- pip==23.3.1
- setuptools==68.0.0
- wheel==0.42.0
dependencies:
- -r requirements.txt
"""
REQUIREMENTS = "mlflow==2.9.2\nscikit-learn==1.3.2\n"


@pytest.fixture
def model(project):
    """Writes a model's folder; a text of None leaves the file out."""

    def write(env=BOTH, python="3.12.3", **changes):
        texts = {
            "MLmodel": MLMODEL.format(env=env, python=python),
            "conda.yaml": CONDA.format(python=python),
            "python_env.yaml": PYTHON_ENV.format(python=python),
            "requirements.txt": REQUIREMENTS,
            "model.pkl": "a model",
        } | {name.replace("_yaml", ".yaml").replace("_txt", ".txt"): text for name, text in changes.items()}
        for name, text in texts.items():
            if text is not None:
                project.write(f"model/{name}", text)
        return project.folder / "model"

    return write


def request(project, found, **changes):
    fields = ("conda_file", "requirements", "python_version", "entry_script", "source_directory")
    given = {name: getattr(found, name) for name in fields}
    return project.request(models=(LocalModel(found.folder),), **(given | changes))


def only(found, severity="error"):
    [finding] = found.findings
    assert finding.severity == severity
    return finding


def test_a_folder_with_an_mlmodel_file_is_a_model_of_mlflow(model, project):
    assert mlflow.is_mlflow(model())
    assert not mlflow.is_mlflow(project.folder)
    assert not mlflow.is_mlflow(project.folder / "model" / "MLmodel")
    assert not mlflow.is_mlflow(project.folder / "none")


def test_it_is_packaged_with_the_script_that_the_tool_brings(model, project):
    files = read_all(package.plan(request(project, mlflow.read(model()))).entries(Tally()))
    assert [name for name in files if name.startswith("app/")] == ["app/score.py"]
    assert files["app/score.py"] == (mlflow.SCORING / "score.py").read_bytes()
    assert {"models/model/MLmodel", "models/model/model.pkl"} <= files.keys()


@pytest.mark.parametrize(
    ("env", "left_out", "file", "python"),
    [
        (BOTH, (), "conda.yaml", None),
        ("conda.yaml", (), "conda.yaml", None),
        ("{virtualenv: python_env.yaml}", (), "requirements.txt", "3.12"),
        ("{}", (), "conda.yaml", None),
        ("null", (), "conda.yaml", None),
        ("null", ("conda_yaml",), "requirements.txt", "3.12"),
        ("null", ("conda_yaml", "python_env_yaml"), "requirements.txt", "3.12"),
    ],
)
def test_the_environment_is_the_one_that_the_model_declares(model, project, env, left_out, file, python):
    folder = model(env, **dict.fromkeys(left_out))
    found = mlflow.read(folder)
    assert found.findings == ()
    assert (found.conda_file or found.requirements) == folder / file
    assert found.python_version == python
    assert [f for f in environment.check(request(project, found)) if f.severity == "error"] == []
    loaded = environment.load(request(project, found))
    assert (loaded.kind, loaded.content, loaded.python_version) == ("pip", REQUIREMENTS, "3.12")


def test_files_that_mlmodel_names_come_before_those_that_lie_there(model):
    folder = model("{conda: env/mine.yml}", **{"env/mine.yml": CONDA.format(python="3.13.1")})
    found = mlflow.read(folder)
    assert found.findings == ()
    assert found.conda_file == folder / "env" / "mine.yml"


def test_conda_packages_that_pip_does_not_have_stay_conda_s(model, project):
    text = CONDA.format(python="3.12.3").replace("- pip:", "- r-base=4.3\n- pip:")
    loaded = environment.load(request(project, mlflow.read(model(conda_yaml=text))))
    assert loaded.kind == "conda"
    assert [line.text for line in loaded.only_conda] == ["r-base=4.3"]


def test_the_python_of_mlmodel_counts_where_the_conda_file_names_none(model, project):
    found = mlflow.read(model(conda_yaml=CONDA.replace("- python={python}\n", "")))
    assert found.python_version == "3.12"
    assert environment.load(request(project, found)).python_version == "3.12"


def test_an_environment_that_the_user_names_is_the_user_s(model):
    found = mlflow.read(model(conda_yaml="[", env="conda.yaml"), with_environment=False)
    assert found == mlflow.MlflowModel(found.folder)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (None, None, "there is no such file"),
        ("flavors: [", 1, "it is not YAML: "),
        ("flavors:\n  a: b: c\n", 2, "it is not YAML: "),
        ("- a\n", None, "it holds no mapping"),
        ("", None, "it holds no mapping"),
        ("mlflow_version: 2.9.2\n", None, "the model has no flavor python_function"),
        ("flavors: null\n", None, "the model has no flavor python_function"),
        ("flavors: {}\n", None, "the model has no flavor python_function"),
        ("flavors: {python_function: null}\n", None, "the model has no flavor python_function"),
        ("flavors:\n  crate: {}\n  h2o: {}\n", None, "the model has no flavor python_function, only crate, h2o"),
    ],
)
def test_what_is_wrong_with_an_mlmodel_file(model, text, line, message):
    folder = model(MLmodel=text)
    finding = only(mlflow.read(folder))
    assert finding.where == folder / "MLmodel"
    assert finding.found.startswith(message)
    assert finding.line == line


def test_a_model_without_the_flavor_says_what_to_do(model):
    finding = only(mlflow.read(model(MLmodel="flavors: {crate: {}}")))
    assert "mlflow.pyfunc.log_model()" in finding.remedy and "--entry-script" in finding.remedy


def test_an_mlmodel_file_that_is_no_text(model):
    folder = model()
    (folder / "MLmodel").write_bytes(b"\xff\xfe\x00")
    assert only(mlflow.read(folder)).found.startswith("it cannot be read")


@pytest.mark.parametrize("env", ["conda.yaml", "{conda: conda.yaml}"])
def test_a_file_that_is_named_and_missing(model, env):
    folder = model(env, conda_yaml=None)
    finding = only(mlflow.read(folder))
    assert finding.where == folder / "MLmodel"
    assert "it names 'conda.yaml'" in finding.found
    assert "--conda-file" in finding.remedy


def test_of_two_files_that_are_named_one_is_enough(model):
    found = mlflow.read(model(conda_yaml=None))
    finding = only(found, "warning")
    assert "it names 'conda.yaml'" in finding.found and "python_env.yaml is taken" in finding.remedy
    assert found.requirements == found.folder / "requirements.txt"


@pytest.mark.parametrize("name", ["../score.yaml", "../../etc/conda.yaml", "/etc/hostname"])
def test_a_file_outside_of_the_folder_is_not_the_model_s(model, project, name):
    project.write("score.yaml", CONDA)
    assert "which is not in the model's folder" in only(mlflow.read(model(f"{{conda: {name}}}"))).found


@pytest.mark.parametrize(
    ("env", "files"),
    [
        (BOTH, ["conda.yaml", "python_env.yaml", "requirements.txt"]),
        ("env/mine.yml", ["env/mine.yml", "conda.yaml", "python_env.yaml", "requirements.txt"]),
        ("null", ["conda.yaml", "python_env.yaml", "requirements.txt"]),
        ("../../.ssh/config", ["conda.yaml", "python_env.yaml", "requirements.txt"]),
        ("/etc/hostname", ["conda.yaml", "python_env.yaml", "requirements.txt"]),
    ],
)
def test_of_a_model_elsewhere_a_few_files_are_enough(model, env, files):
    """Nothing but MLmodel is here yet."""
    folder = model(env, **dict.fromkeys(("conda_yaml", "python_env_yaml", "requirements_txt", "model.pkl")))
    assert list(mlflow.files_to_read(folder)) == files


def test_a_model_without_an_environment(model):
    finding = only(mlflow.read(model("null", conda_yaml=None, python_env_yaml=None, requirements_txt=None)))
    assert finding.found == "the model declares no environment"
    assert "conda.yaml, python_env.yaml, requirements.txt" in finding.expected
    assert "--conda-file or --requirements" in finding.remedy


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("python: 3.12.3\ndependencies: [scikit-learn, mlflow]\n", "its dependencies are ['scikit-learn', 'mlflow']"),
        ("python: 3.12.3\ndependencies: ['-r other.txt']\n", "its dependencies are ['-r other.txt']"),
        ("python: 3.12.3\ndependencies: ['-r ../requirements.txt']\n", "its dependencies are ['-r ../req"),
        ("python: 3.12.3\n", "its dependencies are none"),
        ("- a\n", "it holds no mapping"),
        ("python: [", "it is not YAML"),
    ],
)
def test_a_python_env_that_is_not_as_mlflow_writes_it(model, text, found):
    folder = model("{virtualenv: python_env.yaml}", python_env_yaml=text)
    finding = only(mlflow.read(folder))
    assert finding.where == folder / "python_env.yaml"
    assert finding.found.startswith(found)


def test_a_conda_file_that_is_none_is_found_once(model, project):
    """By the check of environments, which names the line."""
    found = mlflow.read(model(conda_yaml="dependencies: ["))
    assert found.findings == ()
    assert [f.found for f in environment.check(request(project, found)) if f.line] != []


@pytest.mark.parametrize(
    ("chosen", "severity", "message"),
    [
        (None, "error", "Python 3.9.18, for which there is no Functions image"),
        ("3.12", "warning", "Python 3.9.18, but --python-version is 3.12"),
    ],
)
def test_a_python_without_an_image(model, chosen, severity, message):
    folder = model("{virtualenv: python_env.yaml}", "3.9.18")
    found = mlflow.read(folder, python_version=chosen)
    finding = only(found, severity)
    assert message in finding.found
    assert finding.where == folder / "python_env.yaml"
    assert found.python_version is None


def test_the_python_that_the_user_chose_wins(model):
    found = mlflow.read(model("{virtualenv: python_env.yaml}"), python_version="3.12")
    assert (found.findings, found.python_version) == ((), None)


def test_a_conda_file_s_python_without_an_image_is_found_once(model, project):
    found = mlflow.read(model(python="3.7.11"))
    assert found.findings == ()
    [finding] = [f for f in environment.check(request(project, found)) if f.severity == "error"]
    assert "no Functions image" in finding.found


@pytest.mark.parametrize("file", ["conda_yaml", "requirements_txt"])
def test_an_environment_without_mlflow(model, file):
    env = BOTH if file == "conda_yaml" else "{virtualenv: python_env.yaml}"
    texts = {"conda_yaml": CONDA.format(python="3.12.3"), "requirements_txt": REQUIREMENTS}
    found = mlflow.read(model(env, **{file: texts[file].replace("mlflow==2.9.2", "pandas")}))
    finding = only(found)
    assert finding.where == (found.conda_file or found.requirements)
    assert finding.remedy == "add the line mlflow==2.9.2"


def test_an_environment_with_the_small_mlflow_and_no_pandas(model):
    small = REQUIREMENTS.replace("mlflow==", "mlflow-skinny==")
    env = "{virtualenv: python_env.yaml}"
    assert "no pandas" in only(mlflow.read(model(env, requirements_txt=small)), "warning").found
    assert mlflow.read(model(env, requirements_txt=small + "pandas\n")).findings == ()


@pytest.mark.parametrize("line", ["mlflow=2.9.2", "conda-forge::mlflow=2.9.2"])
def test_mlflow_among_the_conda_packages_will_do(model, line):
    text = CONDA.format(python="3.12.3").replace("  - mlflow==2.9.2\n", "").replace("- pip:", f"- {line}\n- pip:")
    assert mlflow.read(model(conda_yaml=text)).findings == ()


def test_the_python_of_python_env_comes_before_that_of_mlmodel(model):
    folder = model("{virtualenv: python_env.yaml}", python_env_yaml=PYTHON_ENV.format(python="3.13.1"))
    assert mlflow.read(folder).python_version == "3.13"


def test_environments_of_a_kind_that_nobody_knows_do_not_matter(model):
    found = mlflow.read(model("{container: image.txt, conda: conda.yaml, virtualenv: 3}"))
    assert (found.findings, found.conda_file) == ((), found.folder / "conda.yaml")


def test_what_was_read_does_not_change(model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        mlflow.read(model()).requirements = None
