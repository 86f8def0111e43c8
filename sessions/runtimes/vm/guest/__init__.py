"""What runs inside a machine: standard library only, imported by nothing on the host."""
