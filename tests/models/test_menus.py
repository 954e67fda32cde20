"""Groups and menus of many classes: what is told apart, and what a hard limit closes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocate.models.keys import distinct
from allocate.models.loader import load_dict
from allocate.models.stack import build

SIZES = st.sampled_from([1, 3, 1000, 3_000_000, 2**31 - 10])


@given(st.lists(SIZES, min_size=1, max_size=5), st.integers(0, 40), st.integers(0, 2**32 - 1))
def test_distinct_rows_are_those_of_numpy(sizes, n, seed):
    random = np.random.default_rng(seed)
    # few values, far apart, so that rows repeat and the radices are large
    columns = [random.integers(-1, 3, n) * (size // 3) for size in sizes]
    columns = [np.maximum(c, -1) for c in columns]
    first, group = distinct(columns)
    rows = np.stack(columns, 1)
    expected, at, inverse = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    np.testing.assert_array_equal(rows[first], expected)
    np.testing.assert_array_equal(first, at)
    np.testing.assert_array_equal(group, inverse.ravel())


def test_distinct_tells_truth_values_and_small_integers_apart():
    first, group = distinct([np.array([True, False, True]), np.array([0, -1, 0], np.int8)])
    np.testing.assert_array_equal(first, [1, 0])
    np.testing.assert_array_equal(group, [1, 0, 1])


def many(seed):
    """Classes with every kind of restriction, over pairs of lanes, an API and a human."""
    random = np.random.default_rng(seed)

    def some(*values):
        return values[random.integers(len(values))]

    classes = {}
    for k in range(40):
        item = {
            "rate_per_s": 1,
            "value_usd": 1,
            "prompt_tokens": float(random.integers(0, 3) * 500),
            "prefix_tokens": some(0.0, 4000.0),
            "calls": some(1.0, 3.0),
            "reuse": some(None, "often"),
            "sharing": some(None, "all"),
            "action": some("read", "write"),
            "models": some(None, ["own"], ["bought"]),
            "autonomy": some(None, ["free"], ["free", "human"]),
            "max_ttft_s": some(None, 0.02, 0.06, 0.2, 1.0),
            "max_tpot_ms": some(None, 12.0, 20.0, 45.0),
        }
        classes[f"k{k}"] = {key: value for key, value in item.items() if value is not None}
    lane = {"model": "own", "gpu": "g", "alpha_ms": 10, "beta_ms": 0.1}
    memory = {"kv_memory_gb": 40, "kv_bytes_per_token": 1e5}
    return {
        "version": 1,
        "models": {
            "own": {"quality": 0.9},
            "bought": {
                "quality": 0.9,
                "api": {
                    "input_usd_per_mtok": 1,
                    "output_usd_per_mtok": 1,
                    "ttft_s": 0.06,
                    "tpot_ms": 20,
                },
            },
        },
        "autonomy": {
            "free": {"actions": ["read"]},
            "any": {},
            "human": {"human_success": 1.0, "human_minutes": 1},
        },
        "gpus": {"g": {"available": 10}},
        "deployments": {
            "mixed": lane | memory | {"delta_ms_per_ktok": 20, "tpot_ms": [12, 20, 40]},
            "first": {
                "model": "own",
                "gpu": "g",
                "stage": "prefill",
                "delta_ms_per_ktok": 10,
                "utilisations": [0.3, 0.6],
            }
            | memory,
            "then": lane | {"stage": "decode", "tpot_ms": [15, 40], "kv_transfer_ms_per_ktok": 2},
        },
        "caching": {
            "retention_s": [0, 60],
            "reuse": {"often": {"points": [[60, 0.8]]}},
            "sharing": {"all": {"tokens": 2000, "hit": 0.75}},
        },
        "classes": classes,
    }


def first_token_s(item, labels):
    """Seconds a call, by hand."""
    if labels["way"] == "api":
        return 0.06
    if labels["way"] == "human":
        return 0.0
    prompt = item.get("prompt_tokens", 0.0)
    prefix, shared = item["prefix_tokens"], 2000 * ("sharing" in item)
    moved = prompt + prefix + shared
    hit = 0.8 * (labels["retention_s"] > 0 and "reuse" in item)
    found = 0.75 * labels["shared_prefix"]
    missed = prompt + (1 - hit) * prefix + (1 - found) * shared
    if labels["prefill"] is None:
        delta, u, transfer = 20e-6, 1 - 10 / labels["tpot_ms"], 0.0
    else:
        delta, u, transfer = 10e-6, float(labels["prefill"].split()[2]) / 100, 2e-6
    return (delta / (1 - u) * missed + transfer * moved) / item["calls"]


def opened(config, item, labels):
    level = config["autonomy"][labels["autonomy"]]
    tpot = {"api": 20.0, "human": 0.0}.get(labels["way"]) or labels.get("tpot_ms", 0.0)
    return (
        (labels["model"] is None or labels["model"] in item.get("models", ["own", "bought"]))
        and labels["autonomy"] in item.get("autonomy", ["free", "any", "human"])
        and item["action"] in level.get("actions", ["read", "write"])
        and ("reuse" in item and item["prefix_tokens"] > 0 or not labels.get("retention_s"))
        and ("sharing" in item or not labels.get("shared_prefix"))
        and tpot <= item.get("max_tpot_ms", np.inf) * (1 + 1e-9)
        and first_token_s(item, labels) <= item.get("max_ttft_s", np.inf) * (1 + 1e-9)
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_arms_open_to_a_class_are_those_that_it_allows(seed):
    config = many(seed)
    loaded = load_dict(config)
    stream = build(loaded.config, loaded.classes).program.streams[0]
    found = stream.menu[stream.group]
    expected = np.array(
        [[opened(config, c, a.labels) for a in stream.arms] for c in config["classes"].values()]
    )
    np.testing.assert_array_equal(found, expected)
    assert 0.05 < expected.mean() < 0.5  # both happen, or this would prove nothing


def test_classes_that_the_program_cannot_tell_apart_are_one_group():
    config = many(0)
    config["classes"] = {f"k{i}": {"rate_per_s": i + 1, "value_usd": i + 1} for i in range(50)}
    loaded = load_dict(config)
    assert len(build(loaded.config, loaded.classes).program.streams[0].rows) == 1
