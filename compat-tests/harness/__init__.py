"""What all compat tests share: processes, brokers, the context that a test gets, and the runner."""
