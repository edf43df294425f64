"""The programs: what `task=...` chooses between. They know adapters by argument only."""
