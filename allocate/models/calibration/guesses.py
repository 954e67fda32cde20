"""Scores of a first config: those that were calibrated, and a guess where there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from allocate.models.calibration.assemble import Draft

QUALITY = 0.8
"""Score of a model where none of any model was calibrated."""
_MOST = 3


def put_scores(
    whole: Mapping[str, Any], names: Sequence[str], uses: Mapping[str, Any], draft: Draft
) -> None:
    """Give each model a score, over tokens where there are token uses.

    Args:
        whole: what was calibrated, all kinds together.
        names: models that the config will have.
        uses: its token uses.
        draft: gets the scores that are not there, or not over tokens.
    """
    models = whole.get("models") or {}
    known = {name: s for name in models if (s := _score(models[name])) is not None}
    guess = round(median(known.values()), 4) if known else QUALITY
    for name in names:
        path = ("models", name)
        if name not in known:
            why = _why(name, guess, known)
            if uses:
                draft.put((*path, "success"), _at_effort_1(guess), why)
            else:
                draft.put((*path, "quality"), guess, why)
        elif uses and "success" not in models[name]:
            # a constant would be a success for no tokens at all
            why = "it is not known which tokens its score took: taken to be those of effort 1"
            draft.put((*path, "quality"), None)
            draft.put((*path, "success"), _at_effort_1(known[name]), why)
            _move(whole, name, draft)


def _at_effort_1(score: float) -> dict[str, Any]:
    """A line to the score at effort 1, flat beyond."""
    return {"form": "table", "points": [[1.0, score]]}


def _move(whole: Mapping[str, Any], name: str, draft: Draft) -> None:
    """What a constant rests on, as the height of its only point."""
    entry = (whole.get("calibrated") or {}).get(f"models.{name}.quality")
    if entry:
        ends = {key: [entry[key]] for key in ("value", "low", "high") if key in entry}
        section = draft.sections.setdefault("calibrated", {})
        section[f"models.{name}.success.points"] = entry | ends


def _score(model: Mapping[str, Any]) -> float | None:
    """Best score that was calibrated of a model; None where there is none."""
    if (quality := model.get("quality")) is not None:
        return float(quality)
    success = model.get("success") or {}
    points = success.get("points")
    return max(float(q) for _, q in points) if points else success.get("ceiling")


def _why(name: str, guess: float, known: Mapping[str, float]) -> str:
    if not known:
        return f"no score was calibrated: {guess:g} is a guess; measure it, or calibrate models"
    middle = f"the middle of the {len(known)} that were" if len(known) > 1 else "that of the other"
    return (
        f"no score of this model was calibrated: {guess:g} is {middle}"
        f"{same_as(name, known, 'scored')}; measure it, or calibrate models"
    )


def no_price(names: Sequence[str], sold: Sequence[str], guess: str) -> dict[str, str]:
    """What is assumed of models without a price: one line each where there are few.

    Args:
        names: the models.
        sold: models that have one.
        guess: what they are taken to cost.
    """
    rest = "put that of your list, or calibrate prices"
    near = {name: same_as(name, sold, "priced") for name in names}
    plain = [name for name in names if not near[name]]
    if len(plain) <= _MOST:
        plain = []
    out = {
        f"models.{name}.api": f"no price of this model was calibrated{near[name]}: {guess}; {rest}"
        for name in names
        if name not in plain
    }
    if plain:
        listed = ", ".join(plain)
        out["models.*.api"] = f"no price was calibrated of {listed}: {guess} each; {rest}"
    return out


def same_as(name: str, others: Iterable[str], what: str) -> str:
    """Ask whether models of much the same name are this one; "" where there are none.

    Args:
        name: of the model that lacks something.
        others: models that have it.
        what: what was done to these, as ``scored``.
    """
    near = sorted((other for other in others if _alike(name, other)), key=len)[:_MOST]
    if not near:
        return ""
    listed = " or ".join(f"`{other}`" for other in near)
    return f" ({listed} was {what}: if that is the same model, give both one name)"


def _alike(a: str, b: str) -> bool:
    """Whether one name is the other with an owner, a date or a version about it."""
    if a == b:
        return False
    short, long = sorted((a, b), key=len)
    return f"_{short}_" in f"_{long}_" or a.replace("_", "") == b.replace("_", "")
