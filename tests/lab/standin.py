"""Starts kwok, the stand-in for the operators, once it can work.

Run as ``python -m tests.lab.standin KUBECONFIG KWOK ARGUMENT...``. kwok gives a kind up for good that OpenAPI does not
tell of when it looks, and an API server that has just started tells of CRDs a second late.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import time
from pathlib import Path

from .api import Api, ApiError
from .pop import stages


def published(api: Api, wanted: set[str]) -> bool:
    try:
        return wanted <= set(api.request("GET", "/openapi/v3").get("paths", {}))
    except ApiError:
        return False


def main(kubeconfig: Path, command: list[str]) -> None:
    document = json.loads(kubeconfig.read_text())
    cluster, user = document["clusters"][0]["cluster"], document["users"][0]["user"]
    ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
    api = Api(cluster["server"], ca, user["token"])
    wanted = {f"apis/{stage['spec']['resourceRef']['apiGroup']}" for stage in stages(0)}
    while not published(api, wanted):
        time.sleep(0.1)
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
