"""One calibration from beginning to end: find the reader, read, fit and, where asked, check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from allocate.errors import DataError
from allocate.models.calibration import registry
from allocate.models.calibration.mapping import parse_pairs
from allocate.models.calibration.private import cleaned_error
from allocate.models.calibration.reading import source
from allocate.models.calibration.result import DEFAULT_BLOCKS, SEEN, Calibration, Options


def run(
    kind: str | None,
    paths: Sequence[Path],
    check: Sequence[Path] = (),
    columns: Iterable[str] = (),
    settings: Iterable[str] = (),
    blocks: tuple[int, ...] | None = None,
    seed: int = 0,
) -> Calibration:
    """Calibrate files of one kind.

    Args:
        kind: which reader; None where the files' format tells.
        paths: the files.
        check: files of data that are not used, to score it against.
        columns: ``field=column``, as ``--map`` takes them.
        settings: ``name=value``, as ``--option`` takes them.
        blocks: cache sizes of ``reuse``; None for those there are.
        seed: of every random draw.

    Raises:
        DataError: with every problem that was found.
    """
    try:
        return _run(kind, paths, check, columns, settings, blocks, seed)
    except DataError as error:
        raise cleaned_error(error) from None


def _run(
    kind: str | None,
    paths: Sequence[Path],
    check: Sequence[Path],
    columns: Iterable[str],
    settings: Iterable[str],
    blocks: tuple[int, ...] | None,
    seed: int,
) -> Calibration:
    if kind is None:
        kind, _ = registry.detect(paths)
    reader = registry.reader(kind)
    options = Options(
        parse_pairs(columns, reader.FIELDS, "--map"),
        parse_pairs(settings, reader.OPTIONS, "--option"),
        DEFAULT_BLOCKS if blocks is None else blocks,
        seed,
    )
    calibration = reader.calibrate(paths, options)
    if check:
        calibration.check = reader.check(calibration, check, options)
        _say_what_was_seen(calibration, check, options)
    return calibration


def _say_what_was_seen(calibration: Calibration, check: Sequence[Path], options: Options) -> None:
    """Note the files of a check that the fit has used too: their errors prove nothing.

    A log is cut in two by its times, and then the same file may be asked for both.
    """
    if any(name.startswith("check_") for name in options.settings):
        return
    used = {known.sha256 for known in calibration.sources}
    seen = sorted(path.name for path in check if path.is_file() and source(path, 0).sha256 in used)
    if seen:
        calibration.notes.append(
            f"{SEEN}: {', '.join(seen)}; its errors say nothing of other data. Check against "
            "another file, or another part of it where the kind has `check_from_s`"
        )
