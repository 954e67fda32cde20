"""What the words on a page mean, for whoever reads such a page for the first time."""

from __future__ import annotations

from allocate.cli.report.parts import Item

WORDS = (
    Item(
        "Welfare",
        "what everything together is worth an hour: value of solved requests less money, waiting, "
        "risk, review and training",
    ),
    Item(
        "Price of a capacity",
        "the gain in welfare an hour from one more unit of it; 0 where some is left over",
    ),
    Item(
        "Worth, pay",
        "what a used unit brings, what it costs; the difference is the price. Worth / pay above 1: "
        "buy more",
    ),
    Item("Scarce", "used up, and one more unit would bring something"),
    Item(
        "Joint answer",
        "the best of all ways to decide routing, autonomy, serving and training together",
    ),
    Item(
        "At the same spending",
        "compared with an answer that may spend no more than the one that it is compared with",
    ),
    Item(
        "Certified",
        "checked without the solver: every limit is kept, and nothing better exists but for the "
        "gap that is named",
    ),
    Item("Waiting, risk", "seconds and expected losses, counted in USD at their prices"),
)
