"""Derivatives of the answer with respect to every number of the config."""

from __future__ import annotations

from pydantic import Field

from allocate.solver.form.part import Part


class Derivatives(Part):
    """Change per unit of a parameter; decisions and prices that are not named do not change."""

    d_welfare: float | None = Field(..., description="USD/h; null where there is none")
    d_prices: dict[str, float | None] | None = Field(
        ..., description="by resource; null where the answer does not decide it"
    )
    d_decisions: dict[str, float | None] | None = Field(..., description="by dotted name, likewise")


class OneSided(Part):
    """Derivatives to each side, where they differ."""

    reason: str
    below: Derivatives | None = Field(..., description="for a smaller value; null: none")
    above: Derivatives | None = Field(..., description="for a larger value; null: none")


class SwitchTo(Part):
    """Where the first other way is as good, by the slopes."""

    change: float = Field(..., description="of the parameter, as a share of itself")
    class_: str = Field(..., alias="class")
    model: str | None
    autonomy: str


class Hanging(Derivatives):
    """How the answer hangs on one number of the config."""

    parameter: str
    value: float
    unit: str
    moved_by_1_percent: float = Field(
        ..., description="share of the money at stake whose requests go another way for 1 % of it"
    )
    switch: SwitchTo | None = None
    one_sided: OneSided | None = Field(None, description="where there is no one derivative")


class LeftOutNumber(Part):
    """A number that no derivative is taken with respect to."""

    path: str
    reason: str


class MovedClass(Part):
    """A share of a class that goes another way."""

    class_: str = Field(..., alias="class")
    share: float
    from_: list[str] = Field(..., alias="from", description="model, autonomy")
    to: list[str]


class LargeChange(Part):
    """A large change of one number, solved again."""

    parameter: str
    from_: float = Field(..., alias="from")
    to: float
    status: str
    welfare: float | None
    moves: list[MovedClass]
    sentence: str


class SensitivityAbout(Part):
    """What the derivatives hold for."""

    held: str
    ties: int = Field(..., description="constraints that the answer just touches")
    left_out: list[LeftOutNumber]
    changes: list[LargeChange]
    seconds: float
    stopped: bool
