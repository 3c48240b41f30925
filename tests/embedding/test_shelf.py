import os
from multiprocessing import get_context

import numpy as np
import pytest

from datakit.embedding import shelf as module
from datakit.embedding.shelf import Shelf


def keys_of(*numbers):
    return [number.to_bytes(16, "big") for number in numbers]


def unit(count, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, 5)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def file_of(folder):
    (path,) = folder.iterdir()
    return path


def test_what_is_added_is_there_for_the_next(tmp_path):
    first = Shelf(tmp_path, "a model")
    first.add(keys_of(1, 2), unit(2))
    first.add(keys_of(3), unit(1, 1))
    first.close()
    again = Shelf(tmp_path, "a model")
    assert all(key in again for key in keys_of(1, 2, 3))
    assert again.dimension == 5
    read = again.read(keys_of(3, 1, 1))
    assert np.array_equal(read, np.concatenate([unit(1, 1), unit(2)[[0, 0]]]))
    assert keys_of(1)[0] not in Shelf(tmp_path, "another model")


def test_what_a_killed_process_left_is_cut_away(tmp_path):
    first = Shelf(tmp_path, "a model")
    first.add(keys_of(1, 2), unit(2))
    path = file_of(tmp_path)
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 7)
    again = Shelf(tmp_path, "a model")
    assert keys_of(1)[0] in again
    assert keys_of(2)[0] not in again
    again.add(keys_of(2), unit(2)[1:])
    assert np.array_equal(Shelf(tmp_path, "a model").read(keys_of(1, 2)), unit(2))


@pytest.mark.parametrize("damage", [b"\0" * 20, b"\xff" * 20])
def test_a_damaged_vector_counts_as_not_there(tmp_path, damage):
    Shelf(tmp_path, "a model").add(keys_of(1, 2), unit(2))
    with open(file_of(tmp_path), "r+b") as file:
        file.seek(-20, os.SEEK_END)
        file.write(damage)
    again = Shelf(tmp_path, "a model")
    assert keys_of(1)[0] in again
    assert keys_of(2)[0] not in again


def test_a_file_that_is_none_of_ours_is_begun_anew(tmp_path):
    Shelf(tmp_path, "a model").add(keys_of(1), unit(1))
    file_of(tmp_path).write_bytes(b"something else" * 20)
    again = Shelf(tmp_path, "a model")
    again.add(keys_of(1), unit(1))
    assert np.array_equal(Shelf(tmp_path, "a model").read(keys_of(1)), unit(1))


def test_where_nothing_can_be_written_it_lasts_for_the_run(tmp_path):
    (tmp_path / "taken").write_text("a file")
    held = Shelf(tmp_path / "taken" / "vectors", "a model")
    held.add(keys_of(1), unit(1))
    assert np.array_equal(held.read(keys_of(1)), unit(1))


def test_a_full_disk_ends_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_LARGEST", 64 + 3 * 36)
    held = Shelf(tmp_path, "a model")
    held.add(keys_of(1, 2), unit(2))
    held.add(keys_of(3, 4), unit(2, 1))
    assert np.array_equal(held.read(keys_of(1, 2, 3, 4)), np.concatenate([unit(2), unit(2, 1)]))
    assert file_of(tmp_path).stat().st_size == 64 + 2 * 36


def fill(folder, start):
    held = Shelf(folder, "a model")
    for number in range(start, start + 200, 4):
        held.add(keys_of(*range(number, number + 4)), unit(4, number))


def test_two_processes_write_into_one_file(tmp_path):
    spawn = get_context("spawn")
    workers = [spawn.Process(target=fill, args=(tmp_path, start)) for start in (0, 1000)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    held = Shelf(tmp_path, "a model")
    for number in (*range(0, 200, 4), *range(1000, 1200, 4)):
        assert np.array_equal(held.read(keys_of(*range(number, number + 4))), unit(4, number))
