"""From samples to the rows of script/bench: percentiles, ratios, the table, the JSON. No measuring here."""

import json
import math
import os

# Every figure there is, in the order of the table: its name, what it is divided by, and the unit of both.
# A ratio is always figure / baseline. Names never change.
FIGURES = (
    ("cold.python.pool", "python3 -I -S -c pass", "us"),
    ("cold.python.drained", "python3 -I -S -c pass", "us"),
    ("cold.node.pool", "node -e 0", "us"),
    ("cold.node.drained", "node -e 0", "us"),
    ("cold.native.pool", "posix_spawn, static", "us"),
    ("cold.native.drained", "posix_spawn, static", "us"),
    ("warm.python.latency", "socket echo, Python", "us"),
    ("warm.native.throughput", "nginx return 200", "/s"),
    ("scale.python.rate", "python3 -I -S -c pass", "/s"),
    ("density.python", "python3 -I -S, idle", "KiB"),
    ("density.native", "static process, idle", "KiB"),
    ("flat.functions", "the only function", "us"),
)
NAMES = tuple(name for name, _, _ in FIGURES)
KEYS = ("name", "p50_us", "p99_us", "per_s", "kib", "baseline", "ratio", "n")
VALUE_OF_UNIT = {"us": "p50_us", "/s": "per_s", "KiB": "kib"}


def percentile(samples, percent):
    """The nearest-rank percentile: the smallest sample that at least `percent` % do not exceed. It is one of
    the samples, whatever their number; nothing is interpolated."""
    if not samples:
        raise ValueError("no samples")
    if not 0 < percent <= 100:
        raise ValueError(f"{percent} is no percentage")
    ordered = sorted(samples)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


def ratio(value, baseline):
    """How many times the baseline; None where there is nothing to divide by."""
    if value is None or not baseline:
        return None
    return value / baseline


def row(name, n, p50_us=None, p99_us=None, per_s=None, kib=None, baseline=None):
    """A figure as it stands in the JSON. `baseline` has the unit of the figure itself."""
    unit = next(unit for known, _, unit in FIGURES if known == name)
    values = {"p50_us": p50_us, "p99_us": p99_us, "per_s": per_s, "kib": kib}
    return {
        "name": name,
        **{key: _rounded(value) for key, value in values.items()},
        "baseline": _rounded(baseline),
        "ratio": _rounded(ratio(values[VALUE_OF_UNIT[unit]], baseline), 4),
        "n": n,
    }


def latency_row(name, samples_ns, baseline_ns):
    """A figure that is a time: medians divided by medians."""
    return row(
        name,
        n=len(samples_ns),
        p50_us=percentile(samples_ns, 50) / 1000,
        p99_us=percentile(samples_ns, 99) / 1000,
        baseline=percentile(baseline_ns, 50) / 1000,
    )


def rate_row(name, counts_and_seconds, baseline_counts_and_seconds, samples_ns=None):
    """A figure that is a rate: the median over slices of time, so that one disturbed slice doesn't count."""
    def median(slices):
        return percentile([count / seconds for count, seconds in slices], 50)

    return row(
        name,
        n=sum(count for count, _ in counts_and_seconds),
        per_s=median(counts_and_seconds),
        baseline=median(baseline_counts_and_seconds),
        p50_us=percentile(samples_ns, 50) / 1000 if samples_ns else None,
        p99_us=percentile(samples_ns, 99) / 1000 if samples_ns else None,
    )


def _rounded(value, digits=1):
    return None if value is None else round(value, digits)


def _cell(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def table(rows):
    """The rows as text, in columns."""
    lines = [("name", "p50 µs", "p99 µs", "per s", "KiB", "ratio", "baseline", "", "n")]
    for r in rows:
        what, unit = next((what, unit) for name, what, unit in FIGURES if name == r["name"])
        lines.append((
            r["name"], _cell(r["p50_us"]), _cell(r["p99_us"]), _cell(r["per_s"]), _cell(r["kib"], 0),
            _cell(r["ratio"], 3), f"{_cell(r['baseline'])} {unit.replace('us', 'µs')}", what, str(r["n"]),
        ))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    left = (0, 7)  # names; everything else ends at the same column
    return "\n".join(
        "  ".join(cell.ljust(w) if i in left else cell.rjust(w)
                  for i, (cell, w) in enumerate(zip(line, widths))).rstrip()
        for line in lines
    )


def write_json(rows, path):
    """All or nothing, so that a reader never finds half a list."""
    assert all(tuple(r) == KEYS for r in rows)
    partial = f"{path}.partial"
    with open(partial, "w") as file:
        json.dump(rows, file, indent=1)
        file.write("\n")
    os.replace(partial, path)
