"""``python -m local_azure.base_image rootfs|import --cache DIR``: makes the stand-in base image."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from local_azure.base_image import NAME, docker_import, rootfs_tar


def main() -> int:
    """Makes the image as the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m local_azure.base_image", description=f"Stand-in for {NAME}.")
    parser.add_argument("action", choices=("rootfs", "import"), help="rootfs: print the tar's path; import: to docker")
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps what was made")
    arguments = parser.parse_args()
    try:
        tar = rootfs_tar(arguments.cache)
        if arguments.action == "import":
            docker_import(tar)
    except FileNotFoundError as error:
        print(f"{error.filename} not found; it needs Debian's mmdebstrap and docker.io", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"{error.cmd[0]} failed with exit status {error.returncode}", file=sys.stderr)
        return 1
    print(tar if arguments.action == "rootfs" else NAME)
    return 0


if __name__ == "__main__":
    sys.exit(main())
