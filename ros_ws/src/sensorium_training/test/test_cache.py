"""A training cache gives back what was written, and nothing before it is whole."""

import numpy as np
import pytest
from sensorium_core.errors import CacheError
from sensorium_training.cache import FIELDS, Cache, CacheWriter, Rows


def rows_of(episode: int, n: int) -> Rows:
    rng = np.random.default_rng(episode)
    rows = {
        name: rng.integers(0, 100, (n, *shape)).astype(dtype)
        for name, (shape, dtype) in FIELDS.items()
    }
    return {**rows, "episode": np.full(n, episode, dtype=np.int32)}


def test_rows_come_back_in_order_bit_for_bit(tmp_path):
    parts = [rows_of(0, 3), rows_of(1, 1), rows_of(2, 2)]
    writer = CacheWriter(tmp_path)
    for part in parts:
        writer.append(part)
    writer.close(data_hash="abc")
    cache = Cache(tmp_path)
    assert len(cache) == 6
    assert cache.index["data_hash"] == "abc"
    for name, (_, dtype) in FIELDS.items():
        assert cache[name].dtype == dtype
        np.testing.assert_array_equal(cache[name], np.concatenate([p[name] for p in parts]))


def test_an_unfinished_cache_is_refused_with_what_to_do(tmp_path):
    writer = CacheWriter(tmp_path)
    writer.append(rows_of(0, 2))
    with pytest.raises(CacheError, match=r"not a finished cache; run `sensorium train`"):
        Cache(tmp_path)
    writer.close()
    assert len(Cache(tmp_path)) == 2


def test_writing_anew_takes_the_old_index_away_first(tmp_path):
    writer = CacheWriter(tmp_path)
    writer.append(rows_of(0, 1))
    writer.close()
    again = CacheWriter(tmp_path)
    with pytest.raises(CacheError, match="not a finished cache"):
        Cache(tmp_path)
    again.close()


def test_rows_of_the_wrong_shape_are_refused_with_what_was_got_and_needed(tmp_path):
    rows = {**rows_of(0, 2), "joints": np.zeros((2, 13), dtype=np.float32)}
    writer = CacheWriter(tmp_path)
    with pytest.raises(CacheError, match=r"joints is \(2, 13\); needs \(2, 14\)"):
        writer.append(rows)
    writer.close()
