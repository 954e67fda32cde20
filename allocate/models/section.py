"""The base of every section of a config."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """Base of every section: unknown keys are errors, values are never changed later."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
