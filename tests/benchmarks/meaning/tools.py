"""One tool over a file of unit vectors; run by the Python of the tool's own environment.

    python tools.py TOOL VECTORS.npy    # prints {"cpu", "seconds", "mib", "dropped", ...}

What is imported, and the reading of the vectors, is not counted.
"""

import json
import resource
import sys
import time

import numpy as np

THRESHOLD = 0.9


def of_datakit(vectors, search):
    """Walks over the pairs of a search."""
    import faiss  # noqa: F401  what is loaded later would count

    from datakit.embedding import near_pairs
    from datakit.pairs import walk

    yield
    kept, told = np.ones(len(vectors), dtype=bool), {}
    pairs = near_pairs([vectors], THRESHOLD, kept, search=search, found=told)
    yield {"dropped": [int(each) for each in walk(pairs, kept)], **told}


def of_semhash(vectors):
    """As in its README, with its default backend."""
    from semhash import SemHash

    yield
    names = [str(at) for at in range(len(vectors))]
    index = SemHash.from_embeddings(embeddings=vectors, records=names, model=None)
    result = index.self_deduplicate(threshold=THRESHOLD)
    yield {"dropped": [int(each.record) for each in result.filtered]}


TOOLS = {
    "datakit-exact": lambda vectors: of_datakit(vectors, "exact"),
    "datakit-ivf": lambda vectors: of_datakit(vectors, "ivf"),
    "datakit-clusters": lambda vectors: of_datakit(vectors, "clusters"),
    "semhash": of_semhash,
}


def main(tool, path):
    """Prints what a tool took and dropped."""
    vectors = np.load(path)
    steps = TOOLS[tool](vectors)
    next(steps)
    cpu, start = time.process_time(), time.perf_counter()
    found = next(steps)
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - start
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "seconds": seconds, "mib": mib, **found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
