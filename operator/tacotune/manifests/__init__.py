"""Builders of Kubernetes objects: a file per object, each a pure function from a study to a plain dictionary."""
