"""What goes into one batch, and how."""

from trainers.evaluate.batching import batches, ending, padded, spots
from trainers.tokens import IGNORED, Encoded


def test_like_lengths_go_together_and_none_is_lost():
    lengths = [3, 9, 1, 9, 4, 20]
    assert list(batches(lengths, 2, 1000)) == [[5, 1], [3, 4], [0, 2]]
    # Padding counts: two rows of 9 are 18 tokens; 20 goes alone though it is over the most.
    assert list(batches(lengths, 9, 18)) == [[5], [1, 3], [4, 0, 2]]
    assert list(batches([], 4, 100)) == []


def test_rows_are_filled_up():
    rows = [[5, 6, 7], [8]]
    assert padded(rows, 0) == ([[5, 6, 7], [8, 0, 0]], [[1, 1, 1], [1, 0, 0]])
    assert padded(rows, 0, left=True) == ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]])


def test_the_end_of_a_row_is_kept_and_its_first_token_not_scored():
    row = Encoded([1, 2, 3, 4], [IGNORED, 2, 3, 4])
    assert ending(row, 4) is row and list(spots(row)) == [1, 2, 3]
    assert ending(row, 3) == Encoded([2, 3, 4], [IGNORED, 3, 4])
