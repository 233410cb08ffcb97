"""Real packages from PyPI, for the image's Python whatever Python runs here."""

from __future__ import annotations

import pytest

from azext_mlfunc.packaging.dependencies import NoWheels

from .conftest import contents, packages


def test_compiled_packages_for_every_image(make):
    for python in ("3.10", "3.12"):
        layer = make("markupsafe==3.0.2\n", python)
        assert packages(layer) == ["markupsafe==3.0.2"]
        abi = python.replace(".", "")
        assert f"markupsafe/_speedups.cpython-{abi}-x86_64-linux-gnu.so" in contents(layer.path)


def test_the_layer_of_a_wheel_downloaded_again_is_the_same(make):
    text = "idna==3.10\n"
    first = make(text)
    assert make(text, use_cache=False).digest == first.digest
    assert make(text, lock=first.lock, cache="another").digest == first.digest


def test_a_package_of_which_pypi_has_only_the_source(make):
    with pytest.raises(NoWheels) as raised:
        make("docopt==0.6.2\n")
    assert raised.value.can_be_built and "docopt-0.6.2.tar.gz" in str(raised.value)
