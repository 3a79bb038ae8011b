"""Make a picture over the HTTP API and save it. Standard library only.

python examples/generate.py "red heart" --seed 7 --output heart.png
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def post_job(address: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Queue a job; the answer has its id. Fields that are left out have the form's defaults."""
    body = json.dumps(fields).encode()
    request = urllib.request.Request(f"{address}/api/v1/jobs", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as response:
        return json.load(response)


def follow(address: str, job_id: str) -> Iterator[dict[str, Any]]:
    """What happens to the job, as it happens (server-sent events); ends with the job."""
    with urllib.request.urlopen(f"{address}/api/v1/jobs/{job_id}/events") as stream:
        for line in stream:
            if line.startswith(b"data: "):
                yield json.loads(line[len(b"data: ") :])


def generate(address: str, fields: dict[str, Any]) -> dict[str, Any]:
    """Queue a job, show its progress, and return it when it is finished."""
    job = post_job(address, fields)
    for message in follow(address, job["id"]):
        if message["type"] == "progress":
            print(f"\r{message['fraction']:4.0%}  {message['text']:<40}", end="", file=sys.stderr)
        elif message["type"] == "job":
            job = message["job"]
    print(file=sys.stderr)
    return job


def main() -> int:
    parser = argparse.ArgumentParser(description="Make a picture over the HTTP API of a running Periplus.")
    parser.add_argument("prompt")
    parser.add_argument("--negative-prompt", default="")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--height", type=int, default=128)
    parser.add_argument("--seed", type=int, default=-1)
    parser.add_argument("--output", type=Path, default=Path("picture.png"))
    parser.add_argument("--address", default="http://127.0.0.1:7860")
    arguments = vars(parser.parse_args())
    address, output = arguments.pop("address").rstrip("/"), arguments.pop("output")
    try:
        job = generate(address, arguments)
    except urllib.error.HTTPError as error:
        print(json.load(error)["detail"], file=sys.stderr)
        return 1
    except urllib.error.URLError as error:
        print(f"Nothing answers at {address}: {error.reason}. Start it with: python launch.py", file=sys.stderr)
        return 1
    if not job["pictures"]:
        print(job["error"] or job["note"], file=sys.stderr)
        return 1
    picture = job["pictures"][0]
    with urllib.request.urlopen(address + picture["url"]) as response:
        output.write_bytes(response.read())
    print(f"{output}: seed {picture['seed']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
