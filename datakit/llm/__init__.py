"""Language models: the request, the providers, and the log that never pays twice."""
