"""Dedup by embeddings, against peers on the same vectors."""
