"""The workload as partflow has it."""
