"""MinHash signatures of many sets at once, and the bands that two of them share.

`rensa` computes them in the processor's vector unit, and says at once which sets share a band with
any other; only those are looked at from there on. `datasketch` is the reference.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from datakit.errors import MissingExtraError
from datakit.shingling import Shingled
from datakit.text import Hashes, combine

__all__ = ["Backend", "Sketcher", "sketcher"]

Ints = npt.NDArray[np.int64]
Backend = Literal["rensa", "datasketch"]

# Sets whose signatures are turned into an array at once: rensa gives them as lists of numbers.
_ROWS = 20_000
_CHUNK = 10_000
_SEED = 42


class Sketcher(Protocol):
    """Sorts sets into buckets, so that similar ones are likely to meet in one of them."""

    def buckets(self, sets: Shingled, rows: Ints) -> Iterator[tuple[Ints, Hashes]]:
        """Yields for each band which sets it has, rising, and their keys.

        Args:
            sets: All sets.
            rows: Those that are looked at, rising. Of these one may be left out of a band if it
                shares none with any other.
        """
        ...


def sketcher(backend: Backend, bands: int, rows: int) -> Sketcher:
    """Returns the sketcher of a backend.

    Args:
        backend: `rensa` or `datasketch`.
        bands: Bands of a signature.
        rows: Values of a band.

    Raises:
        MissingExtraError: If its package is not installed.
    """
    return Rensa(bands, rows) if backend == "rensa" else Datasketch(bands, rows)


class Rensa:
    """Signatures by rensa (https://github.com/beowolx/rensa); arguments as for `sketcher`."""

    def __init__(self, bands: int, rows: int) -> None:
        try:
            import rensa
        except ImportError:
            raise MissingExtraError.of("rensa", "minhash", "dedup.minhash") from None
        self._rensa: Any = rensa
        self._bands, self._rows = bands, rows

    def buckets(self, sets: Shingled, rows: Ints) -> Iterator[tuple[Ints, Hashes]]:
        """Yields the bands of the sets that share one; see `Sketcher`."""
        if len(rows) < len(sets):
            sets = sets.of(rows)
        if not len(rows):
            return
        # The threshold is only kept there, and decides nothing.
        index = self._rensa.RMinHashLSH(0.5, self._bands * self._rows, self._bands)
        flags = index.query_duplicate_flags_matrix_one_shot(self._matrix(sets))
        met = np.flatnonzero(np.array(flags, dtype=bool))
        some = sets.of(met)
        # Keys of bands are some tenth of the signatures, and those never stand here all at once.
        keys = np.empty((self._bands, len(met)), dtype=np.uint64)
        for start in range(0, len(met), _ROWS):
            part = some.of(np.arange(start, min(start + _ROWS, len(met))))
            values = np.array(self._matrix(part).to_rows(), dtype=np.uint64)
            keys[:, start : start + _ROWS] = _bands(values, self._bands)
        for band in range(self._bands if len(met) else 0):
            yield rows[met], keys[band]

    def _matrix(self, sets: Shingled) -> Any:  # noqa: ANN401  rensa has no types
        make = self._rensa.RMinHash.digest_matrix_from_flat_token_hashes
        return make(sets.hashes, sets.offsets, self._bands * self._rows, _SEED)


class Datasketch:
    """Signatures by datasketch, set by set; arguments as for `sketcher`."""

    def __init__(self, bands: int, rows: int) -> None:
        try:
            from datasketch import MinHash
        except ImportError:
            raise MissingExtraError.of("datasketch", "minhash", "dedup.minhash") from None
        self._sketch = MinHash(num_perm=bands * rows, hashfunc=lambda value: value)
        self._count = bands

    def buckets(self, sets: Shingled, rows: Ints) -> Iterator[tuple[Ints, Hashes]]:
        """Yields the bands of all sets; see `Sketcher`."""
        if len(rows):
            for keys in _bands(self.signatures(sets.of(rows)), self._count):
                yield rows, keys

    def signatures(self, sets: Shingled) -> npt.NDArray[Any]:
        """Returns the signature of each set, as rows."""
        sketch = self._sketch
        made = np.empty((len(sets), len(sketch)), dtype=np.uint64)
        short = (sets.hashes & np.uint64(0xFFFFFFFF)).astype(np.uint32)
        for at, (start, end) in enumerate(zip(sets.offsets, sets.offsets[1:], strict=False)):
            sketch.clear()
            for part in range(start, end, _CHUNK):
                # A whole array as one value: datasketch would hash its members one by one.
                sketch.update_batch([short[part : min(part + _CHUNK, end)]])
            made[at] = sketch.hashvalues
        return made


def _bands(signatures: npt.NDArray[Any], bands: int) -> npt.NDArray[np.uint64]:
    """Returns the key of each band and signature, as rows of bands."""
    length = signatures.shape[1] // bands
    parts = (signatures[:, band * length : (band + 1) * length].T for band in range(bands))
    return np.array(
        [
            combine([*part, np.full(len(signatures), band, dtype=np.uint64)])
            for band, part in enumerate(parts)
        ]
    )
