"""What the facts add up to: the vocabulary, the folds over it, and the read model."""
