"""Measurements: each module is a command. Their figures depend on the machine; what must hold on every machine is tested."""
