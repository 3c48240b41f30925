"""One tool over a file of texts; run by the Python of the tool's own environment.

    python tools.py TOOL TEXTS.json    # prints {"cpu", "seconds", "mib", "dropped"}

Every tool is given what its documentation shows: word 5-grams, a threshold of 0.7, 128 values of a
signature. Imports and the reading of the texts are not counted.
"""

import json
import os
import re
import resource
import sys
import tempfile
import time
from pathlib import Path

THRESHOLD, VALUES, SIZE = 0.7, 128, 5
# Bands and values of each that datakit takes for this threshold.
BANDS = (25, 5)
_WORD = re.compile(r"\w+")


def of_datakit(texts, backend="rensa"):
    """Verified, by datakit."""
    import rensa  # noqa: F401  what is loaded later would count
    import scipy.sparse  # noqa: F401

    from datakit.minhash import minhash_pairs
    from datakit.thinning import thin

    def find(columns, kept, start):
        return minhash_pairs(columns, THRESHOLD, kept, start, num_perm=VALUES, backend=backend)

    yield
    yield list(thin([(text,) for text in texts], find))


def of_datakit_datasketch(texts):
    """The same with datasketch's signatures."""
    return of_datakit(texts, "datasketch")


def _shingles(text):
    words = _WORD.findall(text.lower())
    return [" ".join(words[at : at + SIZE]) for at in range(max(1, len(words) - SIZE + 1))]


def of_datasketch(texts, bands=None):
    """MinHashLSH, as in its README: what meets an earlier text in a bucket is dropped."""
    from datasketch import MinHash, MinHashLSH

    yield
    index = MinHashLSH(threshold=THRESHOLD, num_perm=VALUES, params=bands)
    dropped = []
    for at, text in enumerate(texts):
        sketch = MinHash(num_perm=VALUES)
        sketch.update_batch([each.encode() for each in _shingles(text)])
        if index.query(sketch):
            dropped.append(at)
        else:
            index.insert(at, sketch)
    yield dropped


def of_datasketch_finding_more(texts):
    """The same with datakit's bands, so that it finds as much."""
    return of_datasketch(texts, BANDS)


def of_rensa(texts, bands=16, values=VALUES):
    """Its objects, as in its README: candidates whose signatures agree are duplicates."""
    from rensa import RMinHash, RMinHashLSH

    yield
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=values, num_bands=bands)
    sketches, dropped = {}, []
    for at, text in enumerate(texts):
        sketch = RMinHash(num_perm=values, seed=42)
        sketch.update(_shingles(text))
        if any(sketch.jaccard(sketches[other]) >= THRESHOLD for other in index.query(sketch)):
            dropped.append(at)
        else:
            index.insert(at, sketch)
            sketches[at] = sketch
    yield dropped


def of_rensa_finding_more(texts):
    """The same with datakit's bands."""
    return of_rensa(texts, BANDS[0], BANDS[0] * BANDS[1])


def of_text_dedup(texts):
    """Its command, in this process."""
    from datasets import Dataset, disable_progress_bars, load_from_disk
    from text_dedup import minhash

    disable_progress_bars()
    with tempfile.TemporaryDirectory() as folder:
        rows = {"text": texts, "id": list(range(len(texts)))}
        Dataset.from_dict(rows).save_to_disk(f"{folder}/in")
        yield
        shape = f"--threshold {THRESHOLD} --num_perm {VALUES} --ngram {SIZE} --min_length 1"
        place = f"--path {folder}/in --local --output {folder}/out --cache_dir {folder}"
        line = f"{place} --column text --idx_column id --num_proc 1 {shape}"
        try:
            minhash.main(line.split(), standalone_mode=False)
        finally:
            os.chdir("/")
        kept = set(load_from_disk(f"{folder}/out")["id"])
        yield [at for at in range(len(texts)) if at not in kept]


def of_datatrove(texts):
    """Its four stages, one worker each, with its 14 bands of 8."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
    )
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "in").mkdir()
        with open(f"{folder}/in/0.jsonl", "w") as file:
            for at, text in enumerate(texts):
                file.write(json.dumps({"text": text, "id": str(at)}) + "\n")
        yield
        shape = MinhashConfig(n_grams=SIZE, num_buckets=14, hashes_per_bucket=8)
        reader = JsonlReader(f"{folder}/in")
        stages = [
            ([reader, MinhashDedupSignature(f"{folder}/signatures", config=shape)], 1),
            ([MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=shape)], 14),
            ([MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=shape)], 1),
            (
                [
                    reader,
                    MinhashDedupFilter(f"{folder}/remove"),
                    JsonlWriter(f"{folder}/out", compression=None),
                ],
                1,
            ),
        ]
        for at, (pipeline, tasks) in enumerate(stages):
            logs = f"{folder}/logs{at}"
            LocalPipelineExecutor(pipeline, tasks=tasks, workers=1, logging_dir=logs).run()
        files = Path(folder, "out").glob("*.jsonl")
        kept = {json.loads(row)["id"] for file in files for row in file.open()}
        yield [at for at in range(len(texts)) if str(at) not in kept]


def _used():
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in both)


def main():
    """Prints what the tool took, and what it dropped."""
    name, path = sys.argv[1:]
    texts = json.loads(Path(path).read_text())
    run = globals()[f"of_{name.replace('-', '_')}"](texts)
    next(run)
    began, started = _used(), time.perf_counter()
    dropped = next(run)
    took = {"cpu": _used() - began, "seconds": time.perf_counter() - started}
    print("\n" + json.dumps({**took, "mib": _peak(), "dropped": dropped}))


def _peak():
    """Returns the most memory that this process has had, in MiB; a parent's is not counted in."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


if __name__ == "__main__":
    main()
