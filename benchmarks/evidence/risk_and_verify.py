"""Realised risk against what is spent on verifying, and who falls behind when a failure is dear.

    python -m benchmarks.evidence.risk_and_verify [--draws N] [--out FILE] [--chart FILE.svg]

Two measured tables (`data/`). *Tests* (`risk_tests.py`): 79 runs of 225 exercises, each solved in
one try or in a second one that has seen the failing tests. To verify is to run the tests and try
again: what one try leaves wrong is the risk without it, what two leave is the risk with it. Who
falls behind by not verifying is in `risk_buyers.py`. *Reviewer* (`risk_reviewed.py`): policies on
125 tasks, some of which have a model check an answer before they escalate.

Figures are the sample's own. Intervals are the 2.5th and 97.5th percentile of draws that count
the sample anew, or Wilson's for single shares.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import polars as pl

from benchmarks.evidence.risk_buyers import buyers
from benchmarks.evidence.risk_reviewed import reviewed
from benchmarks.evidence.risk_runs import runs
from benchmarks.evidence.risk_tests import (
    break_even,
    cheap_and_verified,
    left_by_verifying,
    one_scale,
)


def chart(t: pl.DataFrame, path: Path) -> None:
    """Risk with one try and with two, against what they cost; a line is a run."""
    import altair as alt

    t = t.filter(pl.col("total_cost").is_not_null())
    rows = [
        {"run": f"{i} {r['run']}", "tries": name, "usd": r[usd], "risk": 1 - r[k] / r["test_cases"]}
        for i, r in enumerate(t.iter_rows(named=True))
        for name, usd, k in (("one", "usd_1", "pass_num_1"), ("with tests", "usd_2", "pass_num_2"))
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("usd:Q", scale=alt.Scale(type="log"), title="USD an exercise"),
        y=alt.Y("risk:Q", title="left unsolved", axis=alt.Axis(format="%")),
    )
    lines = base.mark_line(opacity=0.35, color="#888888").encode(detail="run:N")
    colors = alt.Scale(domain=["one", "with tests"], range=["#e45756", "#4c78a8"])
    points = base.mark_circle(size=36).encode(
        color=alt.Color("tries:N", scale=colors, title="tries")
    )
    alt.layer(lines, points).properties(width=440, height=280).configure(aria=False).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    t = runs()
    result = {
        "draws": given.draws,
        "risk left by verifying": left_by_verifying(t, given.draws),
        "cheap and verified": cheap_and_verified(t),
        "break-even stake, USD": break_even(t),
        "buyers": buyers(t, given.draws),
        "one scale for all": one_scale(t),
        "reviewed": reviewed(),
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    if given.chart:
        chart(t, given.chart)
    print(text)


if __name__ == "__main__":
    main()
