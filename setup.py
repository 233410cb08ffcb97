#!/usr/bin/env python
"""The wheel that `az extension add --source` installs. It declares nothing that `az` itself brings."""

from __future__ import annotations

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'VERSION = "(.+)"', (HERE / "azext_mlfunc" / "_version.py").read_text(encoding="utf-8"))[1]

setup(
    name="ml-func",
    version=VERSION,
    description="From a trained model and its score.py to a live Azure Functions app.",
    long_description=(HERE / "README.md").read_text(encoding="utf-8")
    + "\n\n"
    + (HERE / "HISTORY.rst").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    author="The az ml-func authors",
    packages=find_packages(include=["azext_mlfunc", "azext_mlfunc.*"]),
    package_data={"azext_mlfunc": ["azext_metadata.json", "mlflow_scoring/*.py"]},
    python_requires=">=3.10",
    install_requires=["docker>=7.1,<8", "python-dxf>=12.1.1,<13"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Programming Language :: Python :: 3",
    ],
)
