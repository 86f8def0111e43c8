"""Pure folds: one `evolve(state, fact, commit) -> state` per subject; None is "does not exist"."""
