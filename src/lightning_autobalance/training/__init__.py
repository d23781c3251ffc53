"""What Lightning needs under manual optimization: schedules, checkpoints, SIGTERM, state across processes."""
