"""`python -m models.bench NAME`: milliseconds a batch, beside the least its arithmetic can take.

The floor is the network's multiplications and additions at the rate at which one core of this
machine multiplies two large float32 matrices (numpy's BLAS, best of several). Graphs of more than a
megabyte run on up to four cores and may go below it.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the floor is that of one core

import numpy as np

from models.runtime import Estimator, choose_device
from models.spec import ModelError, load_manifest

BATCHES = (1, 2, 4, 8, 16, 32)
MATRIX = 1024  # rows and columns of the matrices that are multiplied


def best_seconds(work: Callable[[], Any], repeats: int = 30) -> float:
    """Shortest of several runs: what the machine can do when nothing else disturbs."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def operations_per_second() -> float:
    """Float32 multiplications and additions a second of this machine's matrix product."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return 2 * MATRIX**3 / best_seconds(lambda: a @ a)


def operations(name: str) -> int:
    """Multiplications and additions of one crop: convolutions and dense layers of the graph."""
    import onnx
    from onnx import numpy_helper, shape_inference

    graph = shape_inference.infer_shapes(onnx.load(load_manifest(name).file("onnx"))).graph
    weights = {w.name: numpy_helper.to_array(w).shape for w in graph.initializer}
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*graph.value_info, *graph.output]
    }
    total = 0
    for node in graph.node:
        kernel = next((weights[i] for i in node.input[1:2] if i in weights), None)
        if node.op_type == "Conv" and kernel is not None:
            total += 2 * int(np.prod(kernel)) * int(np.prod(shapes[node.output[0]][2:]))
        elif node.op_type in {"MatMul", "Gemm"} and kernel is not None:
            total += 2 * int(np.prod(kernel))
    return total


def report(name: str) -> dict[str, Any]:
    """Times of all batches with their ratio to the floor."""
    manifest = load_manifest(name)
    estimator = Estimator(replace(manifest, mirror=False), choose_device("cpu"))
    rate, work = operations_per_second(), operations(name)
    shape = (max(BATCHES), manifest.input.size, manifest.input.size, manifest.input.depth)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = []
    for batch in BATCHES:
        seconds = best_seconds(lambda batch=batch: estimator(crops[:batch]))
        floor = batch * work / rate
        rows.append({"batch": batch, "ms": seconds * 1e3, "floor_ms": floor * 1e3})
    return {"model": name, "mega_operations": work / 1e6, "gflops": rate / 1e9, "batches": rows}


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m models.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="a shipped model, or the path of a manifest (.json)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(argv)
    try:
        result = report(args.name)
    except ModelError as error:
        print(f"models.bench: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(result, indent=2))
        return 0
    print(
        f"{args.name}: {result['mega_operations']:.1f} million operations a face, machine "
        f"{result['gflops']:.0f} GFLOP/s a core"
    )
    print(f"{'batch':>5}{'ms':>8}{'floor ms':>10}{'ratio':>7}")
    for row in result["batches"]:
        ratio = row["ms"] / row["floor_ms"]
        print(f"{row['batch']:>5}{row['ms']:>8.2f}{row['floor_ms']:>10.2f}{ratio:>7.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
