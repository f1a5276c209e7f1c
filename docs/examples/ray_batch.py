"""A data set of prompts, answered by all machines of a Ray cluster. Started again after a kill, it goes on.

    python ray_batch.py rows.jsonl answers openai:gpt-5-mini mistral:mistral-small-latest

`pip install 'resilient-stream[ray,redis]'`, on each machine. RAY_ADDRESS names a cluster; without it, Ray is started on
this machine. REDIS_URL names a Redis in which the actors share their limits; without it, each has its part of them.
"""

from __future__ import annotations

import argparse
import os

import ray.data

from resilient_stream import Breaker, Client, Limits
from resilient_stream.contrib.ray import answer
from resilient_stream.stores import RedisStore


def main() -> None:
    """Ask the rows that have no answer yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", help="a file or folder of JSON lines, as for `resilient-stream batch`")
    parser.add_argument("answers", help="a folder that all machines share, or a URL such as s3://bucket/answers")
    parser.add_argument("targets", nargs="+")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--streams", type=int, default=32, help="answers at a time, in each actor")
    parser.add_argument("--rows-per-file", type=int, default=100)
    parser.add_argument("--per-minute", type=float, default=3000, help="requests to each target, of all actors")
    parser.add_argument("--retry-failed", action="store_true")
    chosen = parser.parse_args()
    redis_url = os.environ.get("REDIS_URL")

    def client() -> Client:
        """Make the client of an actor."""
        share = 1 if redis_url else chosen.actors
        limits = Limits(requests_per_minute=chosen.per_minute / share)
        store = RedisStore(redis_url) if redis_url else None
        return Client(*chosen.targets, breaker=Breaker(), limits=limits, store=store)

    rows = ray.data.read_text(chosen.rows)
    answer(
        rows, client, chosen.answers, actors=chosen.actors, streams=chosen.streams,
        rows_per_file=chosen.rows_per_file, retry_failed=chosen.retry_failed,
    )  # fmt: skip


if __name__ == "__main__":
    main()
