"""I/O behind the ports: Optuna's storage, the embedded Postgres, attempts as processes. Drivers make them; nobody else calls them."""
