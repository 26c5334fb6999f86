"""`python -m models.bench NAME …`: measure milliseconds per batch, and compare with a lower bound.

A name is a model or, for a network without weights here, one of `models.zoo`: the speed does not
depend on the weights. Times are for one crop per face; a model with test-time flipping takes twice
as long. The floor is the time for the network's multiplications and additions at the rate at which
one core of this machine multiplies two large float32 matrices (numpy's BLAS, best of several).
Graphs of more than a megabyte run on up to four cores and may take less.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the floor is for one core

import numpy as np
from tqdm import tqdm

from models.commands import command_line, guarded
from models.evaluation import results_table
from models.files import make_folder
from models.inference.devices import choose_device
from models.inference.estimator import Estimator
from models.manifest import MEANINGS, Manifest, file_entry, load_manifest, names
from models.quiet import quiet_tensorflow
from models.timing import best_seconds

BATCHES = (1, 2, 4, 8, 16, 32)
SAVED_BATCHES = (1, 8)
MATRIX = 1024  # rows and columns of the multiplied matrices


def operations_per_second() -> float:
    """Float32 multiplications and additions per second of this machine's matrix product."""
    a = np.random.default_rng(0).random((MATRIX, MATRIX), np.float32)
    return 2 * MATRIX**3 / best_seconds(lambda: a @ a)


def operations(graph_file: Path) -> int:
    """Multiplications and additions per crop, of the convolutions and dense layers of the graph."""
    import onnx
    from onnx import numpy_helper, shape_inference

    model = onnx.load(graph_file)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    weights = {w.name: numpy_helper.to_array(w).shape for w in graph.initializer}
    for node in graph.node:  # float16 weights are cast first
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
            crops, _, *sides = shapes[node.output[0]]  # C3AE batches its three crops
            total += 2 * int(np.prod(kernel)) * int(np.prod(sides)) * max(crops, 1)
        elif node.op_type in {"MatMul", "Gemm"} and kernel is not None:
            total += 2 * int(np.prod(kernel))
    return total


def untrained(name: str, folder: Path) -> Manifest:
    """A network of the zoo with random weights, written to the folder."""
    with quiet_tensorflow():
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


def report(manifest: Manifest, advance: Callable[[], Any]) -> dict[str, Any]:
    """Times of all BATCHES with their floors, in milliseconds; calls `advance` after each batch."""
    graph_file = manifest.file("onnx")
    rate, work = operations_per_second(), operations(graph_file)
    shape = (max(BATCHES), manifest.input.size, manifest.input.size, manifest.input.depth)
    crops = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    rows = []
    with Estimator(replace(manifest, flip_tta=False), choose_device("cpu")) as estimator:
        for batch in BATCHES:
            seconds = best_seconds(partial(estimator.predict, crops[:batch]))
            floor = batch * work / rate
            rows.append({"batch": batch, "ms": seconds * 1e3, "floor_ms": floor * 1e3})
            advance()
    return {
        "model": manifest.name,
        "bytes": graph_file.stat().st_size,
        "mega_operations": work / 1e6,
        "gflops": rate / 1e9,
        "batches": rows,
    }


def check_names(models: list[str]) -> None:
    """Raise ModelError for a name that is neither a model nor a network, before long work."""
    for name in models:
        if name not in names() and not name.endswith(".json"):
            with quiet_tensorflow():
                from models.zoo import NETWORKS
            if name in NETWORKS:
                continue
        load_manifest(name)


def measured(name: str, advance: Callable[[], Any]) -> tuple[Manifest, dict[str, Any]]:
    """The manifest and the report of a model, or of a network of the zoo. Raises ModelError."""
    if name in names() or name.endswith(".json"):
        manifest = load_manifest(name)
        return manifest, report(manifest, advance)
    with tempfile.TemporaryDirectory() as folder:
        manifest = untrained(name, Path(folder))
        return manifest, report(manifest, advance)


def keep(manifest: Manifest, result: dict[str, Any], command: str, folder: Path) -> None:
    """Write the times for SAVED_BATCHES to DIR/speed.csv, in place of the model's older row."""
    make_folder(folder)
    times = {row["batch"]: row for row in result["batches"]}
    row = {
        "bytes": result["bytes"],
        "mega_operations": round(result["mega_operations"], 1),
        **{f"ms_{batch}": round(times[batch]["ms"], 2) for batch in SAVED_BATCHES},
        "floor_ms_8": round(times[8]["floor_ms"], 2),
    }
    about = results_table.circumstances(manifest, command, 0)
    results_table.write(folder / "speed.csv", {"model": manifest.name}, [row | about])


def text(result: dict[str, Any]) -> str:
    """The report as a table."""
    lines = [
        f"{result['model']}: {result['mega_operations']:.1f} million operations per face, "
        f"machine {result['gflops']:.0f} GFLOP/s per core",
        f"{'batch':>5}{'ms':>8}{'floor ms':>10}{'ratio':>7}",
    ]
    for row in result["batches"]:
        ratio = row["ms"] / row["floor_ms"]
        lines.append(f"{row['batch']:>5}{row['ms']:>8.2f}{row['floor_ms']:>10.2f}{ratio:>7.1f}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Parse, measure, print, keep; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m models.bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="+", help="models, manifests (.json) or networks")
    parser.add_argument("--json", action="store_true", help="print one JSON object per model")
    parser.add_argument("--save", type=Path, metavar="DIR", help="write the times to DIR/speed.csv")
    args = parser.parse_args(argv)

    def work() -> None:
        check_names(args.names)
        total = len(args.names) * len(BATCHES)
        with tqdm(desc=args.names[0], total=total, unit="batch size") as progress:
            for name in args.names:
                progress.set_description(name)
                manifest, result = measured(name, progress.update)
                with tqdm.external_write_mode():
                    print(json.dumps(result, indent=2) if args.json else text(result))
                if args.save:
                    keep(manifest, result, command_line("models.bench", argv), args.save)

    return guarded("models.bench", work)


if __name__ == "__main__":
    sys.exit(main())
