"""Pipelines as YAML: a step is written as it is called, and every mistake has its place."""

from datakit.config.load import load_pipeline, parse_pipeline, parse_step
from datakit.config.schema import pipeline_schema
from datakit.config.write import to_yaml

__all__ = ["load_pipeline", "parse_pipeline", "parse_step", "pipeline_schema", "to_yaml"]
