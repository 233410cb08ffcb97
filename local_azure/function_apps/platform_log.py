"""What App Service itself logs of an app's container, in its own words.

Sources: public logs (2017 to 2025), for each line the wording of the newest; App Service docs, "Troubleshoot container
pull errors".
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timezone

from local_azure.function_apps.spec import AppSpec

_KEPT = 500  # lines


class PlatformLog:
    """The ``…_docker.log`` of one site."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._lines: deque[str] = deque(maxlen=_KEPT)

    def text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    def error(self, text: str) -> None:
        self._write("ERROR", text)

    # -- pulling

    def pulling(self, image: str) -> None:
        self._write("INFO", f"Pulling image: {image}")

    def pulled(self, image: str, digest: str, seconds: float) -> None:
        self._write("INFO", f" Digest: {digest}")
        self._write("INFO", f" Status: Image is up to date for {image}")
        self._write("INFO", f"Pull Image successful, Time taken: {_taken(seconds)}")

    def pull_failed(self, reason: str) -> None:
        self._write("ERROR", reason)
        self._write("WARN", "Image pull failed. Defaulting to local copy if present.")
        self._write(
            "ERROR",
            "Image pull failed: Verify docker image configuration and credentials (if using private repository)",
        )

    # -- starting

    def starting(self, spec: AppSpec, container: str, port: int) -> None:
        self._write("INFO", "Starting container for site")
        own = f"-e WEBSITE_SITE_NAME={spec.name} -e WEBSITE_HOSTNAME={spec.host_name}"
        self._write("INFO", f"docker run -d --expose={port} --name {container} {own} {spec.image}")

    def warming_up(self, container: str) -> None:
        self._write("INFO", f"Initiating warmup request to container {container} for site {self._site}")

    def waiting(self, container: str, seconds: float) -> None:
        self._write(
            "INFO",
            f"Waiting for response to warmup request for container {container}. Elapsed time = {seconds:.7f} sec",
        )

    def ready(self, container: str) -> None:
        self._write(
            "INFO",
            f"Container {container} for site {self._site} initialized successfully and is ready to serve requests.",
        )

    def too_late(self, container: str, seconds: float) -> None:
        self._write(
            "ERROR",
            f"Container {container} for site {self._site} did not start within expected time limit. "
            f"Elapsed time = {seconds:.7f} sec",
        )

    def exited(self, container: str) -> None:
        self._write("ERROR", f"Container {container} for site {self._site} has exited, failing site start")

    def no_answer(self, container: str, port: int) -> str:
        text = (
            f"Container {container} didn't respond to HTTP pings on port: {port}, failing site start. "
            "See container logs for debugging."
        )
        self._write("ERROR", text)
        return text

    def gave_up(self) -> None:
        self._write("INFO", f"Stopping site {self._site} because it failed during startup.")

    # -- later

    def died(self, container: str) -> None:
        self._write("ERROR", f"Container {container} for site {self._site} has exited.")

    def recycling(self, reason: str) -> None:
        self._write("INFO", f"Recycling container because of {reason} and isMainSite = True")

    def unloading(self) -> None:
        self._write("INFO", f"Stopping site {self._site} because it is idle.")

    def _write(self, level: str, text: str) -> None:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._lines.append(f"{now}Z {level:<5} - {text}")


def _taken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} Minutes and {rest} Seconds" if minutes else f"{rest} Seconds"
