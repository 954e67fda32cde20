"""What a cost-minimising router loses on the long tail of high-value requests.

    python -m benchmarks.evidence.long_tail_regret [--draws N] [--out FILE] [--chart FILE.svg]

Outcomes and costs of single queries are measured (`long_tail_data.py`); what a request is worth
is not in the data and is drawn (`long_tail_worth.py`): that is the assumption whose effect the
tables show. Both routers know the same: a predicted gain of the dearer model by subject, fitted
on half of the queries (`long_tail_routers.py`). They are judged on the other half.

- *cost-minimising*: the cheapest split whose predicted quality is at least a share (the floor) of
  what the dearer model adds everywhere. It does not see what a request is worth.
- *within the same spend*: no more than the same money, spent where value × predicted gain is
  largest and as long as that pays; *with all of it spent* also where it does not.
- *at its own spend*: a dearer call where value × predicted gain exceeds its cost.
- *hindsight*: the better of both outcomes, known after the fact.

Regret is welfare (value × score − cost) lost against *at its own spend*. Every draw splits the
queries anew, fits and judges both ways and takes the mean (`long_tail_draws.py`); within it values
are drawn ten times, so that it does not matter which query happens to be worth most.

A figure is the mean of the draws with the queries as they are. For its interval both halves of
every draw are drawn from themselves with replacement: the 2.5th and 97.5th percentile, centred on
the figure (`intervals.py`). It is for other queries of the same subjects, not for other subjects.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmarks.evidence.long_tail_data import outcomes, routellm, routerarena
from benchmarks.evidence.long_tail_draws import TAIL, by_value, figures
from benchmarks.evidence.long_tail_worth import BASE, cases


def chart(rows: list[dict[str, float]], path: Path) -> None:
    """Regret by tenth of value, with intervals."""
    import altair as alt

    data = alt.Data(values=rows)
    x = alt.X("tenth:O", title="tenth of the requests by value, the most valuable last")
    bars = alt.Chart(data).mark_bar(color="#4c78a8").encode(
        x=x, y=alt.Y("mean:Q", title="regret of a request (cost of a dearer call = 1)")
    )  # fmt: skip
    rules = alt.Chart(data).mark_rule(strokeWidth=1.5).encode(x=x, y="low:Q", y2="high:Q")
    alt.layer(bars, rules).properties(width=440, height=240).configure(aria=False).save(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--chart", type=Path)
    given = parser.parse_args()
    q, other = routellm(), routerarena()
    tenths = by_value(q, given.draws)
    result = {
        "draws": given.draws,
        "tail": TAIL,
        "outcomes": {x.name: outcomes(x) for x in (q, other)},
        "cases": [
            {"data": x.name, **case, "figures": figures(x, case, given.draws)}
            for x, some in ((q, cases()), (other, [dict(BASE)]))
            for case in some
        ],
        "answers of 20 and 500 tokens": [
            figures(routellm(tokens), BASE, given.draws) for tokens in (20.0, 500.0)
        ],
        "regret by tenth of value": tenths,
    }
    text = json.dumps(result, indent=1)
    if given.out:
        given.out.write_text(text + "\n")
    if given.chart:
        chart(tenths, given.chart)
    print(text)


if __name__ == "__main__":
    main()
