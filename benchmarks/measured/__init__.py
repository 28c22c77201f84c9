"""What `benchmarks/turnover.py` is made of: grounds to measure on, a timeline of what happened, the floor, and figures."""
