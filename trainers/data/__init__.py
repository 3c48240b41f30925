"""Data to train on: versions, files, the hub, and public sets under their names."""

from trainers.data.holdout import holdout
from trainers.data.opening import open_data
from trainers.data.sets import SETS, PublicSet, Want

__all__ = ["SETS", "PublicSet", "Want", "holdout", "open_data"]
