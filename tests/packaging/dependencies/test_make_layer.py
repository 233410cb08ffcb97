"""From requirements to a layer: what pip chooses for the target, what cannot be had, the lock, and the cache."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from azext_mlfunc.packaging.dependencies import LayerCache, NoWheels, make_layer

from .conftest import contents, packages


def refused(make, text, **options):
    with pytest.raises(NoWheels) as raised:
        make(text, **options)
    return raised.value


# ---- for the target, not for this machine


def test_markers_are_those_of_the_target(house, make):
    for name in ("old", "new", "windows", "linux", "arm", "patch"):
        house.wheel(name)
    house.wheel("app", requires=["old; python_version < '3.12'", "new; python_version >= '3.12'"])
    text = house.text(
        "app",
        "windows; sys_platform == 'win32'",
        "linux; sys_platform == 'linux' and os_name == 'posix' and platform_system == 'Linux'",
        "arm; platform_machine != 'x86_64'",
        "patch; python_full_version < '3.11.3'",
    )
    assert packages(make(text, "3.10")) == ["app==1.0", "linux==1.0", "old==1.0", "patch==1.0"]
    assert packages(make(text, "3.11")) == ["app==1.0", "linux==1.0", "old==1.0"]
    for python in ("3.12", "3.13", "3.14"):
        assert packages(make(text, python)) == ["app==1.0", "linux==1.0", "new==1.0"]


def test_the_newest_platform_that_the_image_has_is_chosen(house, make):
    for tag in ("manylinux1_x86_64", "manylinux2014_x86_64", "manylinux_2_28_x86_64", "manylinux_2_36_x86_64"):
        house.wheel("fast", files={"fast/built_for": tag}, tag=f"cp313-cp313-{tag}")
    for tag in (
        "manylinux_2_41_x86_64",
        "manylinux_2_28_aarch64",
        "macosx_11_0_arm64",
        "win_amd64",
        "musllinux_1_2_x86_64",
    ):
        house.wheel("fast", "2.0", tag=f"cp313-cp313-{tag}")
    house.wheel("fast", "3.0", tag="cp312-cp312-manylinux2014_x86_64")
    layer = make(house.text("fast"))
    assert packages(layer) == ["fast==1.0"]
    assert contents(layer.path)["fast/built_for"] == b"manylinux_2_36_x86_64"


@pytest.mark.parametrize(("python", "glibc"), [("3.10", 31), ("3.11", 31), ("3.12", 36), ("3.13", 36), ("3.14", 39)])
def test_each_image_has_its_glibc(house, make, python, glibc):
    for minor in (glibc, glibc + 1):
        house.wheel("fast", f"1.{minor}", tag=f"py3-none-manylinux_2_{minor}_x86_64")
    assert packages(make(house.text("fast"), python)) == [f"fast==1.{glibc}"]


def test_wheels_for_the_stable_abi_and_those_of_private_indexes_will_do(house, make):
    house.wheel("stable", tag="cp39-abi3-manylinux2014_x86_64")
    house.wheel("own", tag="cp313-cp313-linux_x86_64")
    assert packages(make(house.text("stable", "own"))) == ["own==1.0", "stable==1.0"]


def test_a_version_for_another_python_is_left_aside(house, make):
    house.wheel("lib", "1.0")
    house.wheel("lib", "2.0", metadata="Requires-Python: >=3.14\n")
    assert packages(make(house.text("lib"), "3.13")) == ["lib==1.0"]
    assert packages(make(house.text("lib"), "3.14")) == ["lib==2.0"]


def test_packages_that_share_a_namespace_lie_in_one_folder(house, make):
    house.wheel("one", files={"space/one.py": ""})
    house.wheel("two", files={"space/two.py": ""})
    assert {"space/one.py", "space/two.py"} <= set(contents(make(house.text("one", "two")).path))


def test_a_python_without_an_image_is_named(make):
    with pytest.raises(ValueError, match=r"3\.9.*3\.10"):
        make("six", "3.9")


# ---- what cannot be had


def test_a_package_with_only_a_source_is_named_and_can_be_built(house, make):
    house.source("sourced", "2.1")
    problem = refused(make, house.text("sourced"))
    assert problem.can_be_built
    [finding] = problem.findings
    assert finding.where == "sourced" and "sourced-2.1.tar.gz" in finding.found
    assert "linux/amd64" in finding.expected and "--build docker" in finding.remedy


def test_a_source_that_another_package_needs_is_named_with_it(house, make):
    house.source("sourced")
    for version in ("1.0", "1.1"):
        house.wheel("app", version, requires=["sourced>=1"])
    problem = refused(make, house.text("app==1.0"))
    assert problem.can_be_built and str(problem.findings[0].where) == "sourced>=1, which app needs"
    # With two versions of app to try, pip calls it a conflict.
    problem = refused(make, house.text("app"))
    assert problem.can_be_built and str(problem.findings[0].where) == "sourced>=1, which app needs"


def test_an_older_wheel_serves_where_the_newest_version_has_only_a_source(house, make):
    house.wheel("lib", "1.0")
    house.source("lib", "2.0")
    assert packages(make(house.text("lib"))) == ["lib==1.0"]
    assert refused(make, house.text("lib>=2")).can_be_built


def test_a_package_for_other_machines_cannot_be_built_either(house, make):
    house.wheel("windows", tag="cp313-cp313-win_amd64")
    problem = refused(make, house.text("windows"))
    assert not problem.can_be_built and "windows-1.0-cp313-cp313-win_amd64.whl" in problem.findings[0].found


@pytest.mark.parametrize(("asked", "found"), [("nothing-like-it", "no package of that name"), ("lib==9", "1.0, 1.1")])
def test_what_is_not_there_is_told_from_what_has_no_wheel(house, make, asked, found):
    house.wheel("lib", "1.0")
    house.wheel("lib", "1.1")
    problem = refused(make, house.text(asked))
    assert not problem.can_be_built and problem.findings[0].where == asked and found in problem.findings[0].found


def test_requirements_that_contradict_each_other_are_told_in_pip_s_words(house, make):
    for version in ("1.0", "2.0"):
        house.wheel("base", version)
    house.wheel("one", requires=["base==1.0"])
    house.wheel("two", requires=["base==2.0"])
    problem = refused(make, house.text("one", "two"))
    assert not problem.can_be_built
    assert "one 1.0 depends on base==1.0" in problem.findings[0].found
    assert "two 1.0 depends on base==2.0" in problem.findings[0].found


def test_a_wrong_checksum_is_told_with_both(house, make):
    house.wheel("lib")
    problem = refused(make, house.text(f"lib==1.0 --hash=sha256:{'0' * 64}"))
    assert problem.findings[0].where == "lib==1.0" and "0" * 64 in problem.findings[0].found


@pytest.mark.parametrize(
    "line", ["evil @ {url}", "--no-binary :all:", "--no-binary evil", "-e ./evil", "evil @ git+{url}"]
)
def test_nothing_of_a_package_is_run(house, make, tmp_path, line):
    mark = tmp_path / "was-run"
    source = house.source("evil", setup=f"open({str(mark)!r}, 'w')")
    problem = refused(make, house.text(line.format(url=source.as_uri()), "evil"))
    assert problem.can_be_built and not mark.exists()


def test_a_requirement_that_is_none_is_not_handed_to_pip(house, make):
    problem = refused(make, house.text(str(house.source("evil"))))
    assert not problem.can_be_built and problem.findings[0].line == 3


def test_an_index_that_does_not_answer_is_told_without_its_password(make, monkeypatch):
    monkeypatch.setenv("PIP_RETRIES", "0")
    problem = refused(make, "--index-url https://user:s3cret@127.0.0.1:9/simple?sig=t0ken\nsome-package-of-ours\n")
    assert problem.findings[0].where == "package index" and not problem.can_be_built
    assert "127.0.0.1:9" in str(problem) and "s3cret" not in str(problem) and "t0ken" not in str(problem)


# ---- the lock


def test_the_lock_names_every_wheel_and_gives_the_same_layer(house, make):
    house.wheel("lib", "1.0")
    house.wheel("app", requires=["lib"])
    text = house.text("app")
    first = make(text)
    assert packages(first) == ["app==1.0", "lib==1.0"] and first.lock.count("--hash=sha256:") == 2
    house.wheel("lib", "2.0")
    again = make(text, lock=first.lock, cache="another")
    assert (again.digest, again.diff_id, again.size, again.lock) == (
        first.digest,
        first.diff_id,
        first.size,
        first.lock,
    )
    assert packages(make(text, cache="a third")) == ["app==1.0", "lib==2.0"]


def test_pip_takes_the_lock_as_requirements(house, make, tmp_path):
    house.wheel("lib")
    (tmp_path / "lock.txt").write_text(make(house.text("lib")).lock)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--require-hashes",
        "--target",
        tmp_path / "t",
    ]
    subprocess.run([*pip, "--requirement", tmp_path / "lock.txt"], check=True)
    assert (tmp_path / "t" / "lib.py").is_file()


def test_the_lock_of_another_tool_may_have_checksums_of_more_files(house, make):
    house.wheel("lib")
    ours = make(house.text("lib")).lock
    theirs = ours.replace("lib==1.0 ", f"lib==1.0 \\\n    --hash=sha256:{'1' * 64} \\\n    ") + "# via app\n"
    assert make(house.text("lib"), lock=theirs, cache="another").lock == ours


def test_a_lock_that_does_not_fit_the_requirements_is_refused(house, make):
    house.wheel("lib", "1.0")
    house.wheel("more")
    lock = make(house.text("lib")).lock
    problem = refused(make, house.text("lib>=2", "more", "windows; sys_platform == 'win32'"), lock=lock)
    assert [finding.where for finding in problem.findings] == ["--lock", "--lock"]
    assert "lib==1.0" in problem.findings[0].found and "more" in problem.findings[1].found


def test_a_lock_without_checksums_is_refused(house, make):
    house.wheel("lib")
    assert "hash" in str(refused(make, house.text("lib"), lock=house.text("lib==1.0"))).lower()


def test_a_wheel_s_own_url_stays_in_the_lock(house, make):
    wheel = house.wheel("direct")
    first = make(f"direct @ {wheel.as_uri()}\n")
    assert f"direct @ {wheel.as_uri()} --hash=sha256:" in first.lock
    assert make("direct", lock=first.lock, cache="another").digest == first.digest


def test_the_lock_has_no_password_of_an_index(house, make):
    house.wheel("lib")
    layer = make(house.text("--extra-index-url https://user:s3cret@127.0.0.1:9/simple", "lib"))
    assert "https://127.0.0.1:9/simple" in layer.lock and "s3cret" not in layer.lock


def test_order_and_comments_change_nothing(house, make):
    for name in ("one", "two", "three"):
        house.wheel(name)
    first = make(house.text("one", "two", "three"))
    second = make(house.text("three  # why", "# more", "one", "", "two"), cache="another")
    assert (first.digest, first.lock) == (second.digest, second.lock)


# ---- the cache


def test_the_same_requirements_are_not_resolved_again_until_the_cache_is_ignored(house, make):
    house.wheel("lib", "1.0")
    text = house.text("lib")
    first = make(text)
    house.wheel("lib", "2.0")
    again = make(text)
    assert again == first and "cached" in make.steps[-1] and not any("Resolving" in step for step in make.steps)
    fresh = make(text, use_cache=False)
    assert packages(fresh) == ["lib==2.0"]
    assert make(text) == fresh


def test_pip_s_configuration_is_part_of_what_was_asked(house, make, monkeypatch):
    house.wheel("lib", "1.0")
    house.wheel("lib", "2.0rc1")
    text = house.text("lib")
    assert packages(make(text)) == ["lib==1.0"]
    monkeypatch.setenv("PIP_PRE", "1")
    assert packages(make(text)) == ["lib==2.0rc1"]


def test_other_requirements_that_come_to_the_same_wheels_share_the_layer(house, make):
    house.wheel("lib", "1.0")
    first = make(house.text("lib"))
    second = make(house.text("lib>=0.5"))
    assert second.path == first.path and "cached" in make.steps[-1]


def test_a_layer_that_was_damaged_or_forgotten_is_made_again(house, make):
    house.wheel("lib", "1.0")
    text = house.text("lib")
    first = make(text)
    house.wheel("lib", "2.0")
    first.path.write_bytes(b"half")
    assert make(text) == first and first.path.stat().st_size == first.size


def test_nothing_to_install_is_no_error(house, make):
    house.wheel("lib")
    assert packages(make(house.text("lib; sys_platform == 'win32'"))) == []
    assert packages(make("# nothing\n")) == []


def test_two_processes_at_once_get_the_same_layer(house, make, tmp_path):
    house.wheel("lib", files={"lib/data": "x" * 100_000})
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\nfrom fakes import RecordingProgress\n"
        "from azext_mlfunc.packaging.dependencies import LayerCache, make_layer\n"
        "cache = LayerCache(Path(sys.argv[1]))\n"
        "print(make_layer(sys.argv[2], '3.13', cache, RecordingProgress(), use_cache=sys.argv[3] == 'yes').digest)"
    )
    arguments = [tmp_path / "cache", house.text("lib")]
    running = [
        subprocess.Popen([sys.executable, "-c", program, *arguments, use], stdout=subprocess.PIPE, text=True)
        for use in ("yes", "yes", "no")
    ]
    said = {process.communicate()[0] for process in running}
    assert [process.returncode for process in running] == [0, 0, 0] and len(said) == 1
    layer = make(house.text("lib"))
    assert {f"{layer.digest}\n"} == said and "cached" in make.steps[-1]


def test_a_process_that_is_killed_leaves_nothing_that_counts(house, make, tmp_path):
    house.wheel("lib", "1.0")
    text = house.text("lib")
    program = (
        f"import sys, os, signal; sys.path[:0] = {sys.path!r}\n"
        "from pathlib import Path\nfrom azext_mlfunc.packaging.dependencies import LayerCache, make_layer\n"
        "class Killing:\n"
        "    def live(self, message, fraction=None):\n"
        "        if message.startswith('Packing'): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    def step(self, message): pass\n"
        "make_layer(sys.argv[2], '3.13', LayerCache(Path(sys.argv[1])), Killing())"
    )
    cache = tmp_path / "cache"
    killed = subprocess.run([sys.executable, "-c", program, cache, text])
    assert killed.returncode == -signal.SIGKILL
    [left] = (cache / "work").iterdir()
    os.utime(left, (0, 0))
    assert packages(make(text)) == ["lib==1.0"]
    assert list((cache / "work").iterdir()) == []


def test_what_was_not_used_for_longest_goes_first(house, tmp_path):
    from fakes import RecordingProgress

    for name in ("one", "two", "three", "four"):
        house.wheel(name, files={f"{name}/data": os.urandom(100_000)})
    cache = LayerCache(tmp_path / "cache", limit=350_000)

    def layer(name):
        return make_layer(house.text(name), "3.13", cache, RecordingProgress()).path

    one, two, three = layer("one"), layer("two"), layer("three")
    assert layer("one") == one
    four = layer("four")
    assert [path.exists() for path in (one, two, three, four)] == [True, False, True, True]
    huge = LayerCache(tmp_path / "cache", limit=1)
    house.wheel("five")
    last = make_layer(house.text("five"), "3.13", huge, RecordingProgress()).path
    assert last.exists() and not one.exists() and not four.exists()
