"""Support for Lightning under manual optimization: schedules, checkpoints, SIGTERM, state across processes."""
