"""What every part of a result document is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """Base of every part: open to new keys, closed to NaN and Infinity."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
