"""Several differences at once: what the largest |t| of a family must be over.

The family is every pair of M variants. Its critical value is the quantile of the largest |t| that
chance alone brings (max-t), each difference over an error of its own, all of them correlated as
differences of equally varying variants are.

The usual max-t (Hothorn, Bretz and Westfall 2008) takes the estimated correlations and one error
common to all. With as few replicates as here that is too low: where replicates dominate, 4
variants without any difference were told apart in 11 % of the studies at K = 5, not in 5 %. The
value here holds at 5 % whatever the true variances and correlations were in simulations
(`python -m tests.benchmarks.coverage`), and is 1 to 2 % below Sidak's.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from trainers.lift.variance import Floats
from trainers.stats import t_quantile

__all__ = ["DRAWS", "critical", "largest", "p_value"]

# With the one that is found itself, 100,000: p is never 0, and at least 1e-5.
DRAWS = 99_999
_CHUNK = 9_999


def critical(variants: int, freedom: int, confidence: float = 0.95, draws: int = DRAWS) -> float:
    """Returns what |t| must be over for a pair to differ, all pairs taken together.

    Args:
        variants: M; 2 at least. With 2 it is Student's t.
        freedom: Degrees of freedom of each error; 1 at least.
        confidence: That no pair is told apart if none differs.
        draws: Of the family; from seed to seed the value is off by about 1 %.
    """
    if variants == 2:
        return t_quantile((1 + confidence) / 2, freedom)
    drawn = largest(variants, freedom, draws)
    # The lowest of the draws beyond which `p_value` is below 1 - confidence.
    at = math.floor(round((len(drawn) + 1) * confidence, 6))
    return float(drawn[min(at, len(drawn) - 1)])


def p_value(t: float, variants: int, freedom: int, draws: int = DRAWS) -> float:
    """Returns how often chance alone makes the largest |t| of the family at least this large.

    It is below 1 - confidence exactly where |t| is over `critical`.

    Args:
        t: Of one pair; infinite where there is no error.
        variants: M.
        freedom: Degrees of freedom.
        draws: As for `critical`.
    """
    t = abs(t)
    if variants == 2:
        return _beyond(t, freedom)
    drawn = largest(variants, freedom, draws)
    return float(len(drawn) - np.searchsorted(drawn, t) + 1) / (len(drawn) + 1)


@functools.lru_cache(maxsize=64)
def largest(variants: int, freedom: int, draws: int = DRAWS) -> Floats:
    """Returns draws of the largest |t| of all pairs were there no difference, in rising order.

    The same for the same arguments, always.

    Args:
        variants: M; 2 at least.
        freedom: Degrees of freedom of each error.
        draws: How many.
    """
    generator = np.random.default_rng(0)
    parts = [
        _chunk(generator, variants, freedom, min(_CHUNK, draws - start))
        for start in range(0, draws, _CHUNK)
    ]
    drawn = np.sort(np.concatenate(parts))
    drawn.flags.writeable = False
    return drawn


def _chunk(generator: np.random.Generator, variants: int, freedom: int, draws: int) -> Floats:
    means = generator.standard_normal((draws, variants))
    spread = _spread(generator, variants, freedom, draws)
    products = spread @ spread.transpose(0, 2, 1)
    one, other = np.triu_indices(variants, 1)
    own = np.diagonal(products, axis1=1, axis2=2)
    errors = (own[:, one] + own[:, other] - 2 * products[:, one, other]) / freedom
    rooted: Floats = (np.abs(means[:, one] - means[:, other]) / np.sqrt(errors)).max(axis=1)
    return rooted


def _spread(generator: np.random.Generator, variants: int, freedom: int, draws: int) -> Floats:
    """Draws matrices whose product with their transpose is Wishart: (draws, variants, ...)."""
    if freedom < variants:
        return generator.standard_normal((draws, variants, freedom))
    # Bartlett's: as good, and no larger for many degrees of freedom.
    whole: Floats = np.tril(generator.standard_normal((draws, variants, variants)), -1)
    for at in range(variants):
        whole[:, at, at] = np.sqrt(generator.chisquare(freedom - at, draws))
    return whole


def _beyond(t: float, freedom: int) -> float:
    """Returns how probable it is that Student's |t| is at least this large, to 1e-10."""
    low, high = 0.0, 1.0
    while high - low > 1e-10:
        middle = (low + high) / 2
        if t_quantile((1 + middle) / 2, freedom) < t:
            low = middle
        else:
            high = middle
    return 1.0 - low
