"""A Ray cluster on this machine, in a process of its own: `python -m tests.archive.nodes`.

It prints the address, and then a line after each line that it reads: "join" adds a node of one
core, "kill" kills the one that joined last.
"""

import sys

from ray.cluster_utils import Cluster

STORE_BYTES = 80_000_000


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    joined = []
    say(cluster.address)
    for line in sys.stdin:
        if line == "join\n":
            joined.append(cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES))
        else:
            cluster.remove_node(joined.pop(), allow_graceful=False)
        say("done")
    cluster.shutdown()


if __name__ == "__main__":
    main()
