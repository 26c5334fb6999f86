"""`python -m models.bench NAME …`: milliseconds a batch, beside the least its arithmetic can take.

A name is a model's or, for a network that has no weights here, one of `models.zoo`: how fast it is
does not depend on them. One crop a face: a model that is asked about the mirror image too takes
twice as long. The floor is the network's multiplications and additions at the rate at which one
core of this machine multiplies two large float32 matrices (numpy's BLAS, best of several). Graphs
of more than a megabyte run on up to four cores and may go below it.
"""

import argparse
import json
import os
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the floor is that of one core

import numpy as np

from models.commands import command_line, guarded
from models.evaluation import results_table
from models.files import make_folder
from models.inference.estimator import Estimator, choose_device
from models.manifest import MEANINGS, Manifest, file_entry, load_manifest, names
from models.timing import best_seconds

BATCHES = (1, 2, 4, 8, 16, 32)
KEPT = (1, 8)  # faces
MATRIX = 1024  # rows and columns of the matrices that are multiplied


def operations_per_second() -> float:
    """Float32 multiplications and additions a second of this machine's matrix product."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return 2 * MATRIX**3 / best_seconds(lambda: a @ a)


def operations(graph_file: Path) -> int:
    """Multiplications and additions of one crop: convolutions and dense layers of the graph."""
    import onnx
    from onnx import numpy_helper, shape_inference

    model = onnx.load(graph_file)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    weights = {w.name: numpy_helper.to_array(w).shape for w in graph.initializer}
    for node in graph.node:  # weights that are kept in 16 bits
        if node.op_type == "Cast" and node.input[0] in weights:
            weights[node.output[0]] = weights[node.input[0]]
    shapes = {
        v.name: [d.dim_value for d in v.type.tensor_type.shape.dim]
        for v in [*graph.value_info, *graph.output]
    }
    total = 0
    for node in graph.node:
        kernel = next((weights[i] for i in node.input[1:2] if i in weights), None)
        if node.op_type == "Conv" and kernel is not None:
            crops, _, *sides = shapes[node.output[0]]  # C3AE's three in one batch
            total += 2 * int(np.prod(kernel)) * int(np.prod(sides)) * max(crops, 1)
        elif node.op_type in {"MatMul", "Gemm"} and kernel is not None:
            total += 2 * int(np.prod(kernel))
    return total


def untrained(name: str, folder: Path) -> Manifest:
    """A network of the zoo with weights as they are before training."""
    from models.exporting.graphs import write_graph
    from models.exporting.weights import HALF_FROM
    from models.zoo import ARCHITECTURES, NETWORKS

    network, graph = NETWORKS[name], folder / f"{name}.onnx"
    model = ARCHITECTURES[network.architecture](**network.config)
    write_graph(model, graph, "onnx", half=model.count_params() >= HALF_FROM)
    return Manifest(
        name,
        network.architecture,
        network.config,
        network.input,
        files={"onnx": file_entry(graph)},
        outputs={output: MEANINGS[output] for output in sorted(model.output)},
        folder=folder,
    )


def report(manifest: Manifest) -> dict[str, Any]:
    """Times of all batches with their ratio to the floor."""
    estimator = Estimator(replace(manifest, mirror=False), choose_device("cpu"))
    graph_file = manifest.file("onnx")
    rate, work = operations_per_second(), operations(graph_file)
    shape = (max(BATCHES), manifest.input.size, manifest.input.size, manifest.input.depth)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = []
    for batch in BATCHES:
        seconds = best_seconds(partial(estimator.predict, crops[:batch]))
        floor = batch * work / rate
        rows.append({"batch": batch, "ms": seconds * 1e3, "floor_ms": floor * 1e3})
    return {
        "model": manifest.name,
        "bytes": graph_file.stat().st_size,
        "mega_operations": work / 1e6,
        "gflops": rate / 1e9,
        "batches": rows,
    }


def measured(name: str) -> tuple[Manifest, dict[str, Any]]:
    """The report of a model, or of a network of the zoo."""
    from models.zoo import NETWORKS

    if name in names() or name not in NETWORKS:
        manifest = load_manifest(name)
        return manifest, report(manifest)
    with tempfile.TemporaryDirectory() as folder:
        manifest = untrained(name, Path(folder))
        return manifest, report(manifest)


def keep(manifest: Manifest, result: dict[str, Any], command: str, folder: Path) -> None:
    """Put the times of 1 and of 8 faces into speed.csv."""
    make_folder(folder)
    row = {
        "bytes": result["bytes"],
        "mega_operations": round(result["mega_operations"], 1),
        **{f"ms_{r['batch']}": round(r["ms"], 2) for r in result["batches"] if r["batch"] in KEPT},
        "floor_ms_8": round(next(r["floor_ms"] for r in result["batches"] if r["batch"] == 8), 2),
    }
    about = results_table.circumstances(manifest, command, 0)
    results_table.write(folder / "speed.csv", {"model": manifest.name}, [row | about])


def text(result: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{result['model']}: {result['mega_operations']:.1f} million operations a face, machine "
        f"{result['gflops']:.0f} GFLOP/s a core",
        f"{'batch':>5}{'ms':>8}{'floor ms':>10}{'ratio':>7}",
    ]
    for row in result["batches"]:
        ratio = row["ms"] / row["floor_ms"]
        lines.append(f"{row['batch']:>5}{row['ms']:>8.2f}{row['floor_ms']:>10.2f}{ratio:>7.1f}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m models.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", help="models, paths of manifests, or networks")
    parser.add_argument("--json", action="store_true", help="print one object a model")
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="keep the figures in DIR/speed.csv"
    )
    args = parser.parse_args(argv)

    def work() -> None:
        for name in args.names:
            manifest, result = measured(name)
            print(json.dumps(result, indent=2) if args.json else text(result))
            if args.save:
                keep(manifest, result, command_line("models.bench", argv), args.save)

    return guarded("models.bench", work)


if __name__ == "__main__":
    sys.exit(main())
