"""Agreement with the definition and with peers, and speed against them: ``python -m benchmarks``."""
