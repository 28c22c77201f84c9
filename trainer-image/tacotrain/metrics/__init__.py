"""How good a voice is: pure functions from alignments, gates and spectrograms to numbers.

Nothing in here knows a model, a dataset or a clock; `tacotrain.evaluate` feeds it and `score.METRICS` says what each
number means and which way it points.
"""
