"""Time and memory against size, drawn from the results of ``sizes`` and ``versus``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from benchmarks import results

Record = dict[str, Any]
FILES = ("time.svg", "memory.svg", "rivals.svg")
_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#b8569a", "#b8860b", "#3a93c9", "#7a6a00", "#767676"]


def draw() -> list[str]:
    """Write the charts that there are results for; returns their names."""
    done = []
    sizes = (results.read("sizes") or {}).get("records", [])
    solved = [_line(r) for r in sizes if r.get("ok") and r["tolerance"] == 1e-6]
    if solved:
        _write("time.svg", _chart(solved, "seconds", "seconds, compiled", "rows"))
        _write("memory.svg", _chart(solved, "memory", "peak memory, MB", "rows"))
        done += ["time.svg", "memory.svg"]
    versus = (results.read("versus") or {}).get("records", [])
    rivals = [_line(r) for r in versus if r["ok"] and r["point"][0] == "synthetic_linear"]
    if rivals:
        _write("rivals.svg", _chart(rivals, "seconds", "seconds to a certified 1e-6", "method"))
        done.append("rivals.svg")
    return done


def _line(record: Record) -> Record:
    rows = record.get("rows_asked", record["rows"])
    return {
        "classes": record["classes"],
        "seconds": record["seconds"],
        "memory": record["peak_memory_mb"],
        "rows": f"{record['instance']}, {rows} rows",
        "method": record["method"],
    }


def _chart(lines: Sequence[Record], y: str, title: str, key: str) -> Any:
    import altair as alt

    names = list(dict.fromkeys(line[key] for line in lines))
    colour = alt.Color(f"{key}:N", title=None, sort=names).scale(
        domain=names, range=_COLOURS[: len(names)]
    )
    data = alt.Data(values=list(lines))
    base = alt.Chart(data).encode(
        x=_log(alt.X("classes:Q", title="request classes"), [x["classes"] for x in lines], "~s"),
        y=_log(alt.Y(f"{y}:Q", title=title), [line[y] for line in lines], "~g"),
        color=colour,
    )
    return (base.mark_line() + base.mark_point(size=60, filled=True)).properties(
        width=460, height=280, background="white"
    )


def _log(channel: Any, values: Sequence[float], form: str) -> Any:
    """A logarithmic axis with a line at every power of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    powers = [10.0**k for k in range(low, max(high, low + 1) + 1)]
    scale = channel.scale(type="log", domain=[powers[0], powers[-1]])
    return scale.axis(format=form, values=powers)


def _write(name: str, chart: Any) -> None:
    import vl_convert

    path = results.HERE / "results" / name
    fresh = path.with_suffix(".part")
    fresh.write_text(vl_convert.vegalite_to_svg(chart.to_dict(validate=False)))
    fresh.replace(path)
