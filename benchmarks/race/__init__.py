"""`python -m benchmarks race`: errors over CPU seconds on public problems, beside DeepXDE and PINA."""
