"""The operator's shell: kopf watches, a queue de-duplicates, workers run passes in threads. Only `cli` calls in here.

    on.event (study, Job, pod) ─▶ WorkQueue ─▶ Workers ─▶ StudyPasses.run_once ─▶ status write, events, requeue

`operator.run_operator` is the way in.
"""
