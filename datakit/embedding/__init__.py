"""Texts as unit vectors, kept on disk; and the pairs of vectors that are near each other.

from datakit.embedding import near_pairs, open_embedder

vectors = open_embedder().embed(["How many orders?", "Count the orders."])
"""

from datakit.embedding.embedder import Embedder, open_embedder
from datakit.embedding.models import DEFAULT_MODEL, Vectors
from datakit.embedding.near import Search, near_pairs

__all__ = ["DEFAULT_MODEL", "Embedder", "Search", "Vectors", "near_pairs", "open_embedder"]
