"""The results of a benchmark as text."""

from typing import Any

KINDS = {  # of passes, as the table names them
    "decode_only": "OpenCV, decode only",
    "bench": "analysis, drawing",
    "log_only": "session, log only",
    "draw": "session, drawing",
    "record": "session, recording",
    "mp4v": "OpenCV, decode and mp4v",
}


def text(results: dict[str, Any]) -> str:
    """The results for people."""
    r = results
    rows = [
        f"{r['clip']}: {r['fps']:.1f} fps (runs: "
        f"{', '.join(f'{fps:.1f}' for fps in r['fps_of_runs'])}), "
        f"{r['faces_per_second']:.0f} faces per second",
        f"{'stage':<10}{'p50 ms':>8}{'p95 ms':>8}",
    ]
    rows += [f"{name:<10}{t['p50']:>8.1f}{t['p95']:>8.1f}" for name, t in r["stages"].items()]
    rows.append(
        f"{'frame':<10}{r['frame_p50_ms']:>8.1f}{r['frame_p95_ms']:>8.1f}: "
        f"p95 is {r['frame_p95_to_p50']:.1f} times p50"
    )
    rows += _pass_lines(r["passes"])
    memory = f"memory {_megabytes(r['rss_mb'])}"
    if r["rss_record_mb"]:
        memory += f", recording {_megabytes(r['rss_record_mb'])}"
    rows.append(f"first frame after {r['first_frame_s']:.2f} s, {memory}")
    rows += _ratio_lines(r)
    if r["against_every_frame"] is not None:
        rows += _comparison_lines(r["against_every_frame"])
    return "\n".join([*rows, f"on {r['machine']}, {r['usable_cores']} usable"])


def _megabytes(megabytes: float | None) -> str:
    return f"{megabytes:.0f} MB" if megabytes else "unknown"


def _pass_lines(passes: dict[str, dict[str, Any]]) -> list[str]:
    """The table of the kinds of passes."""
    rows = [f"{'pass':<25}{'fps':>7}{'of decode-only':>16}{'CPU ms a frame':>16}"]
    for kind, each in passes.items():
        part = each["part_of_decode_only"]
        shown = "unknown" if part is None else f"{part:.2f}"
        rows.append(f"{KINDS[kind]:<25}{each['fps']:>7.1f}{shown:>16}{each['cpu_ms']:>16.1f}")
    return rows


def _ratio_lines(r: dict[str, Any]) -> list[str]:
    """What else was asked for, as ratios."""
    rows = []
    if r["log_only"] is not None:
        rows.append("log only is {ratio:.2f} times as fast as with drawing".format(**r["log_only"]))
    if r["record"] is not None:
        line = "recording is {part_of_drawing:.2f} times as fast as drawing only"
        if r["record"]["ratio_to_mp4v"] is not None:
            line += ", {ratio_to_mp4v:.2f} times as fast as OpenCV's loop with mp4v"
        rows.append(line.format(**r["record"]))
    if r["recall"] is not None:
        rows.append(
            f"reference loop {r['reference_fps']:.2f} fps: {r['ratio_to_reference']:.1f} "
            f"times as fast; {r['recall']:.1%} of its faces found, "
            f"{r['extra']:.1%} of our boxes match none of its boxes at any score"
        )
    return rows


def _comparison_lines(c: dict[str, Any]) -> list[str]:
    """The comparison with everything on every frame as text."""
    return [
        f"against every frame: {c['present']:.1%} of its faces found, {c['added']:.1%} extra",
        f"age differs by {c['age_mean']:.2f} years (p95 {c['age_p95']:.2f}), in a person's "
        f"last frame by {c['age_end_mean']:.2f} (max {c['age_end_max']:.2f}); target 0.5",
        f"male differs by {c['male_mean']:.3f} (p95 {c['male_p95']:.3f}), "
        f"{c['other_gender']:.1%} of faces have another gender; target 0.5 %",
        "ids {} against {}, id switches {} and {}, gender flips {} and {}".format(
            *c["ids"], *c["id_switches"], *c["gender_flips"]
        ),
    ]
