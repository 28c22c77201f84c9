"""Observe, plan, act: one pass over a study through the ports. Drivers call `reconcile.Reconciler.run_once`."""
