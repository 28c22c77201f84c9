"""What people look at: MLflow, TensorBoard, the Optuna Dashboard and the demo, each behind `tacotrain dashboard <kind>`.

Each page is a module with `serve(options) -> int`, which runs in the foreground until SIGTERM. Pages only read: the study's
folder may be mounted read-only, and Optuna's database is opened with the reader's role.
"""
