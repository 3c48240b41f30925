"""Running a pipeline: the plan, the rounds of growth, the engine and the ledger."""
