"""Prefix hashes: distances against a plain LRU cache, known curves, and minutes not seen."""

import itertools
import json
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom

from allocate.errors import DataError
from allocate.models.calibration import reuse
from allocate.models.calibration.result import LEVEL, Options
from allocate.models.calibration.reuse import accesses
from allocate.models.calibration.reuse.distances import previous, stack_distances
from allocate.models.calibration.statistics import majorant, product_limit
from allocate.models.curves.reuse import Reuse

DATA = Path(__file__).parents[1] / "data" / "reuse"
MOONCAKE = DATA / "mooncake_conversation_first30min.jsonl.gz"
BLOCKS = (1000, 5000, 20000, 50000)


def lru(keys, size):
    """Which accesses a cache finds that drops the least recently used, step by step."""
    held, found = OrderedDict(), []
    for key in keys:
        found.append(key in held)
        held[key] = True
        held.move_to_end(key)
        if len(held) > size:
            held.popitem(last=False)
    return np.array(found)


def lines(tmp_path, records, name="r.jsonl"):
    path = tmp_path / name
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def chains(seed, seconds=1200.0, rate=20.0, again=0.5, mean_s=60.0):
    """Accesses of blocks that are used again with a known chance, after exponential gaps.

    Cut from the middle of a longer log, so that the first uses of many are not seen.
    """
    draw = np.random.default_rng(seed)
    warm = 10 * mean_s
    total = warm + seconds
    ids = np.arange(draw.poisson(rate * (1 - again) * total))
    times = draw.random(len(ids)) * total
    parts = []
    while len(ids):
        parts.append((times, ids))
        more = draw.random(len(ids)) < again
        times, ids = times[more] + draw.exponential(mean_s, int(more.sum())), ids[more]
        times, ids = times[times < total], ids[times < total]
    times, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(times)
    times, ids = times[order] - warm, ids[order]
    return [
        {"timestamp": round(1000 * float(t), 3), "hash_ids": [int(i)]}
        for t, i in zip(times, ids, strict=True)
        if t >= 0
    ]


# --- distances -----------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 3, 10, 40])
def test_distances_give_the_hits_of_an_lru_cache(seed, size):
    keys = np.random.default_rng(seed).zipf(1.3, 400).astype(np.uint64) % np.uint64(60)
    distance, known = stack_distances(previous(keys))
    found = (distance >= 0) & (distance < size)
    assert found.tolist() == lru(keys.tolist(), size).tolist()
    firsts = [len(set(keys[:i].tolist())) for i in range(len(keys))]
    assert known.tolist() == firsts


def test_distances_of_nothing_and_of_one():
    for n in (0, 1, 2):
        keys = np.zeros(n, dtype=np.uint64)
        assert stack_distances(previous(keys))[0].tolist() == [-1, 0][:n]


# --- estimators ----------------------------------------------------------------------------


def test_product_limit_without_censoring_is_the_share_so_far():
    events, nothing = np.array([3.0, 0, 5, 2]), np.zeros(4)
    assert product_limit(events, nothing) == pytest.approx([0.3, 0.3, 0.8, 1.0])


def test_product_limit_by_hand():
    """Ten at risk, one event, four leave; then five at risk, one event: 1 − 0.9·0.8."""
    found = product_limit(np.array([1.0, 1.0]), np.array([4.0, 4.0]))
    assert found == pytest.approx([0.1, 0.28])


def test_majorant_is_concave_above_and_touches():
    draw = np.random.default_rng(0)
    x, y = np.sort(draw.random(50)).cumsum(), draw.random(50)
    found = majorant(x, y)
    slopes = np.diff(found) / np.diff(x)
    assert (np.diff(slopes) <= 1e-12).all()
    assert (found >= y - 1e-12).all()
    assert np.isclose(found, y).sum() >= 2


# --- fits ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_known_curves_lie_in_their_intervals(tmp_path):
    """The hit ratio is again·(1 − e^{−θ/mean}); a cache of C blocks keeps them for θ(C)."""
    again, mean_s, rate = 0.5, 60.0, 10.0
    reuse_of = lambda kept: again * (1 - np.exp(-kept / mean_s))  # noqa: E731
    held = lambda kept: rate * (kept - again * (kept - mean_s * (1 - np.exp(-kept / mean_s))))  # noqa: E731
    truth = {f"hit_ratio_{kept:g}_s": reuse_of(kept) for kept in (10.0, 30.0, 60.0, 300.0)}
    for blocks in (150, 500, 1500):
        kept = brentq(lambda k, b=blocks: held(k) - b, 0, 1e6)
        truth[f"hit_ratio_{blocks}_blocks"] = reuse_of(kept)
    truth["blocks_per_s"] = rate
    tries, inside = 25, dict.fromkeys(truth, 0)
    for seed in range(tries):
        path = lines(tmp_path, chains(seed, rate=rate))
        found = reuse.calibrate([path], Options(blocks=(150, 500, 1500)))
        for p in found.parameters:
            if p.name in truth:
                inside[p.name] += p.low <= truth[p.name] <= p.high
    assert min(inside.values()) >= binom.ppf(0.01, tries, LEVEL), inside
    assert sum(inside.values()) >= 0.85 * tries * len(truth), inside


def test_gaps_beyond_the_log_are_censored_not_absent(tmp_path):
    """Counted as absent, first uses in the early part of a log would lower the ratio."""
    path = lines(tmp_path, chains(3, seconds=120.0, rate=80.0, mean_s=60.0))
    found = reuse.calibrate([path], Options())
    records = [json.loads(line) for line in path.read_text().splitlines()]
    keys = [record["hash_ids"][0] for record in records]
    naive = lru(keys, 10**9).mean()
    truth = 0.5 * (1 - np.exp(-1))
    assert naive < truth - 0.02
    assert found.value("hit_ratio_60_s") == pytest.approx(truth, abs=0.015)


def test_the_last_ten_minutes_of_mooncake_from_the_first_twenty():
    """Out of sample: within 1.5 points of an LRU cache at each size, that cache run plainly."""
    options = Options(settings={"until_s": "1200", "check_from_s": "1200"})
    found = reuse.calibrate([MOONCAKE], options)
    judged = reuse.check(found, [MOONCAKE], options)
    assert judged["max_error_points"] <= 1.5
    requests = list(reuse_requests())
    keys = [key for _, ids in requests for key in ids]
    late = np.array([time >= 1200 for time, ids in requests for _ in ids])
    for row, blocks in zip(judged["sizes"], BLOCKS, strict=True):
        assert row["measured"] == pytest.approx(lru(keys, blocks)[late].mean(), abs=1e-12)
        assert row["error_points"] == pytest.approx(
            100 * (found.value(f"hit_ratio_{blocks}_blocks") - row["measured"])
        )


def reuse_requests():
    for _, record in accesses.json_lines(MOONCAKE):
        yield record["timestamp"] / 1000, record["hash_ids"]


def test_a_later_file_continues_a_warm_cache_and_another_starts_cold(tmp_path):
    records = chains(4)
    first = lines(tmp_path, [r for r in records if r["timestamp"] < 8e5], "a.jsonl")
    later = [r for r in records if r["timestamp"] >= 8e5]
    options = Options(blocks=(100, 1000))
    found = reuse.calibrate([first], options)
    warm = reuse.check(found, [lines(tmp_path, later, "b.jsonl")], options)
    again = [r | {"timestamp": r["timestamp"] - 8e5} for r in later]
    cold = reuse.check(found, [lines(tmp_path, again, "c.jsonl")], options)
    assert (warm["start"][:4], cold["start"]) == ("warm", "empty cache")
    keys = [r["hash_ids"][0] for r in later]
    assert cold["sizes"][1]["measured"] == pytest.approx(lru(keys, 1000).mean())
    assert warm["sizes"][1]["measured"] > cold["sizes"][1]["measured"]
    assert max(warm["max_error_points"], cold["max_error_points"]) < 3


def test_the_fragment_is_a_curve_of_the_product():
    found = reuse.calibrate([MOONCAKE], Options())
    points = np.array(found.fragment["caching"]["reuse"]["trace"]["points"])
    curve = Reuse(tuple(points[:, 0]), tuple(points[:, 1]))
    slopes = np.diff(np.append(0, points[:, 1])) / np.diff(np.append(0, points[:, 0]))
    assert (np.diff(slopes) <= 1e-9).all()
    assert curve.value(300.0) == pytest.approx(found.value("hit_ratio_300_s"), abs=1e-6)
    assert found.value("block_tokens") == 512
    assert any("disagree with concavity" in note for note in found.notes)


def test_memory_and_time_agree_by_the_working_set(tmp_path):
    """Cache size ↔ time kept: the two curves are fitted apart and must meet."""
    found = reuse.calibrate([lines(tmp_path, chains(5))], Options(blocks=(1000,)))
    table = found.tables["memory"].drop_nulls()
    by_time = Reuse(*zip(*found.fragment["caching"]["reuse"]["trace"]["points"], strict=True))
    for row in table.iter_rows(named=True):
        if 200 < row["blocks"] < 3000:
            assert by_time.value(row["kept_s"]) == pytest.approx(row["hit_ratio"], abs=0.03)


# --- formats, groups, streaming ------------------------------------------------------------


def test_groups_get_their_own_curve(tmp_path):
    fast = [r | {"type": "chat"} for r in chains(6, mean_s=10.0)]
    slow = [
        r | {"type": "batch.job", "hash_ids": [-1 - r["hash_ids"][0]]}
        for r in chains(7, mean_s=200.0)
    ]
    both = sorted(fast + slow, key=lambda r: r["timestamp"])
    found = reuse.calibrate([lines(tmp_path, both)], Options())
    curves = {k: dict(v["points"]) for k, v in found.fragment["caching"]["reuse"].items()}
    assert set(curves) == {"trace", "trace_chat", "trace_batch_job"}
    assert curves["trace_chat"][30.0] == pytest.approx(0.5 * (1 - np.exp(-3)), abs=0.03)
    assert curves["trace_batch_job"][30.0] == pytest.approx(0.5 * (1 - np.exp(-0.15)), abs=0.03)


def test_qwen_times_are_seconds():
    assert reuse.detects(DATA / "qwen.jsonl").startswith("Qwen-Bailian")
    found = reuse.calibrate([DATA / "qwen.jsonl"], Options())
    records = [json.loads(line) for line in (DATA / "qwen.jsonl").read_text().splitlines()]
    span = records[-1]["timestamp"] - records[0]["timestamp"]
    blocks = sum(len(r["hash_ids"]) for r in records)
    assert found.value("blocks_per_s") == pytest.approx(blocks / span, rel=1e-6)


def test_sampled_blocks_give_the_same_curve(tmp_path):
    path = lines(tmp_path, chains(8, rate=60.0))
    whole = accesses.read_accesses([path], {}, {})
    part = accesses.read_accesses([path], {}, {}, most=20_000)
    assert part.share in (0.5, 0.25)
    assert len(part.times) <= 20_000 < len(whole.times)
    assert len(part.times) / part.share == pytest.approx(len(whole.times), rel=0.05)
    curves = []
    for log in (whole, part):
        seen = reuse.look_back(log)
        marks = np.array([500.0, 3000.0])
        curve = reuse.fit(seen.depth, seen.found, log.times, log.start, log.span, marks)
        curves.append([curve.at(mark)[0] for mark in marks])
    assert curves[1] == pytest.approx(curves[0], abs=0.03)


def test_hashes_may_be_texts_or_large_numbers(tmp_path):
    records = chains(9, rate=5.0)
    plain = reuse.calibrate([lines(tmp_path, records)], Options())
    for make in (lambda i: f"h{i}", lambda i: 2**64 - 1 - i, str, lambda i: i if i % 2 else str(i)):
        named = [r | {"hash_ids": [make(i) for i in r["hash_ids"]]} for r in records]
        found = reuse.calibrate([lines(tmp_path, named)], Options())
        assert found.value("hit_ratio_60_s") == plain.value("hit_ratio_60_s")


@pytest.mark.parametrize(
    ("records", "code", "message"),
    [
        ([{"timestamp": i, "hash_ids": [i]} for i in range(50)], "CAL007", "ever used again"),
        ([{"timestamp": 1, "hash_ids": [1]}], "CAL007", "fewer than two requests"),
        ([{"timestamp": 1, "ids": [1]}], "CAL005", "no key for hash_ids"),
        ([{"timestamp": "x", "hash_ids": [1]}] * 9, "CAL007", "fewer than two requests"),
    ],
)
def test_logs_that_cannot_be_fitted(tmp_path, records, code, message):
    with pytest.raises(DataError, match=message) as caught:
        reuse.calibrate([lines(tmp_path, records)], Options())
    assert caught.value.problems[0].code == code


def test_what_is_dropped_says_why(tmp_path):
    bad = [
        {"timestamp": None, "hash_ids": [1]}, {"timestamp": 1, "hash_ids": []},
        {"timestamp": 1, "hash_ids": "x"}, {"timestamp": 1, "hash_ids": [[1]]},
    ]  # fmt: skip
    records = list(itertools.chain(chains(1, rate=3.0), bad))
    found = reuse.calibrate([lines(tmp_path, records)], Options())
    assert found.rows_dropped == {
        "no readable time": 1,
        "no complete block": 1,
        "no list of hashes": 1,
        "a hash is neither a number nor a text": 1,
    }


def test_a_size_beyond_the_log_has_no_prediction(tmp_path):
    path = lines(tmp_path, chains(2, rate=3.0))
    options = Options(blocks=(100, 10**7))
    found = reuse.calibrate([path], options)
    assert "hit_ratio_10000000_blocks" not in {p.name for p in found.parameters}
    judged = reuse.check(found, [path], options)
    assert (judged["sizes"][1]["predicted"], judged["max_error_points"]) == (None, None)
