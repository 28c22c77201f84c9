"""One machine instead of a cluster: the runner behind `tacotune run`, the run directory's documents, and what is printed.

`runner` drives the same `controller.Reconciler` as the operator does, with processes as Jobs. Only `cli` calls in here.
"""
