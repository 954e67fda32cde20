"""The result file: what ``--format json`` prints and what a reader may rely on.

``form`` has a class for each part of it. Keys may be added in a minor version and a reader ignores
those it does not know; a change of the major ``format_version`` is refused, naming both versions.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from allocate.errors import AllocateError
from allocate.solver.form import FORMAT_VERSION, Artifacts, Result, Status
from allocate.version import __version__


class ResultError(AllocateError):
    """A file is not a result that this version can read."""


def result_schema() -> dict[str, Any]:
    """JSON Schema of a result; committed as ``allocate/schema/result.schema.json``."""
    schema = Result.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def check_result(document: Mapping[str, Any], name: str = "result") -> dict[str, Any]:
    """Return the document if this version can read it.

    Raises:
        ResultError: another major format, or parts that are missing or not finite.
    """
    found = str(document.get("format_version", "none"))
    if found.split(".")[0] != FORMAT_VERSION.split(".")[0]:
        raise ResultError(
            f"{name} has format_version {found}; this allocate reads {FORMAT_VERSION}. "
            "Solve the config again, or read it with the allocate that wrote it."
        )
    try:
        Result.model_validate(document)
    except ValidationError as error:
        places = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].lower()}" for e in error.errors()[:5]
        )
        raise ResultError(
            f"{name} is not a result: {places}. Write one with --format json."
        ) from error
    return dict(document)


def read_result(path: str | Path) -> dict[str, Any]:
    """Read a result file, refusing what is not one."""
    return check_result(read_document(path), str(path))


def read_document(path: str | Path) -> dict[str, Any]:
    """Read a document of any command from a file.

    Raises:
        ResultError: it cannot be read, or is no JSON object of finite numbers.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise ResultError(f"{path} is not JSON: it is not UTF-8 text.") from error
    return parse_document(text, str(path))


def parse_document(text: str, name: str) -> dict[str, Any]:
    """Read a document from its text; ``name`` is what messages call it.

    Raises:
        ResultError: it is no JSON object of finite numbers.
    """
    try:
        document = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise ResultError(f"{name} is not JSON: {why}. Write one with --format json.") from error
    if not isinstance(document, dict):
        raise ResultError(f"{name} is not a result: it holds no JSON object.")
    return document


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number of JSON")


def head(config_sha256: str) -> dict[str, Any]:
    """What every document begins with: its format, who wrote it, when, and of which config."""
    return {
        "format_version": FORMAT_VERSION,
        "allocate_version": __version__,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "config_sha256": config_sha256,
    }


def without_answer(
    status: Status,
    *,
    config_sha256: str,
    tolerance: float,
    conflicts: list[Any] | None = None,
    infeasibility: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Build the document of a config that has no answer: every number ``null``, conflicts named.

    ``infeasibility`` is the proof that there is none: the least total excess over the limits,
    and the weights of the rows that show it.
    """
    parts = ("welfare", "value", "money", "latency", "risk", "oversight", "training")
    proof = ("primal", "dual", "relative_gap", "max_violation", "max_foc_residual")
    certificate = {**dict.fromkeys(proof), "tolerance": tolerance, "holds": False}
    if infeasibility is not None:
        certificate["infeasibility"] = dict(infeasibility)
    return {
        **head(config_sha256),
        "status": status,
        "objective": {"unit": "USD/h", **dict.fromkeys(parts)},
        "certificate": certificate,
        "prices": [],
        "layers": {"router": [], "autonomy": [], "serving": [], "training": []},
        "artifacts": dict.fromkeys(Artifacts.model_fields),
        "assumed": [],
        "warnings": [],
        "timing": {},
        "solver": {"method": None, "iterations": None, "passes": None, "peak_memory_mb": None},
        "conflicts": [str(c) for c in conflicts or []],
    }
