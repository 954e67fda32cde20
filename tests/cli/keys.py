"""What a document says beyond its form."""

from typing import Any

from pydantic import BaseModel


def extra(part: Any, at: str = "") -> list[str]:
    """Keys of a document that its form does not name."""
    if isinstance(part, list):
        return [key for item in part for key in extra(item, f"{at}[]")]
    if not isinstance(part, BaseModel):
        return []
    inner = [key for f in type(part).model_fields for key in extra(getattr(part, f), f"{at}.{f}")]
    return [*(f"{at}.{key}" for key in part.model_extra or {}), *inner]
