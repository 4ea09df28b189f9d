"""Carrying a plan out: state (pure), orders and executors, and the runner's one loop."""
