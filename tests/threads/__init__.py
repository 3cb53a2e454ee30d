"""Real threads against a real venue."""
