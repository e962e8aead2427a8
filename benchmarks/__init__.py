"""Ratios inside one run, never times: `make bench` prints them and writes `docs/benchmarks.md`."""
