"""What the packages are for: a Python version on linux/amd64, as pip's options and as environment markers.

Sources: PEP 508 (environment markers), PEP 600 (manylinux_X_Y runs on glibc X.Y and newer).
"""

from __future__ import annotations

from dataclasses import dataclass

# The glibc of each official image: Debian 11 has 2.31, Debian 12 has 2.36, Ubuntu 24.04 has 2.39. With it, the wheels
# are those that pip would choose inside the image. An own base image has to have it, too.
_GLIBC_MINOR = {"3.10": 31, "3.11": 31, "3.12": 36, "3.13": 36, "3.14": 39}
# Packages ask for a patch version rarely, and then for one that mended something early on. The images follow Python's
# patch releases, and are at these at least.
_PATCH = {"3.10": 18, "3.11": 13, "3.12": 11, "3.13": 7, "3.14": 0}
# Names from before PEP 600, and what wheels of private indexes have that were built without a manylinux image.
_OTHER_PLATFORMS = ("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64")


@dataclass(frozen=True)
class Target:
    """CPython on linux/amd64.

    :param python_version: `3.X`, one of those that Azure Functions has images for.
    """

    python_version: str

    def __post_init__(self) -> None:
        if self.python_version not in _PATCH:
            raise ValueError(f"no image has Python '{self.python_version}'; choose one of {', '.join(_PATCH)}")

    def __str__(self) -> str:
        return f"Python {self.python_version} on linux/amd64"

    @property
    def full_version(self) -> str:
        """`3.X.Y`, with a patch version that the image is at, or past."""
        return f"{self.python_version}.{_PATCH[self.python_version]}"

    @property
    def platforms(self) -> tuple[str, ...]:
        """The platform tags whose wheels run there, the newest first."""
        minors = range(_GLIBC_MINOR[self.python_version], 4, -1)
        return (*(f"manylinux_2_{minor}_x86_64" for minor in minors), *_OTHER_PLATFORMS)

    def pip_options(self) -> list[str]:
        """What makes pip take wheels for the target, and nothing but wheels."""
        abi = f"cp{self.python_version.replace('.', '')}"
        options = ["--only-binary", ":all:", "--implementation", "cp", "--abi", abi]
        options += ["--python-version", self.full_version]
        for platform in self.platforms:
            options += ["--platform", platform]
        return options

    def markers(self) -> dict[str, str]:
        """The values of the environment markers there; '' for those of the kernel, which nobody knows beforehand."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.full_version,
            "os_name": "posix",
            "platform_machine": "x86_64",
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.full_version,
            "python_version": self.python_version,
            "sys_platform": "linux",
        }
