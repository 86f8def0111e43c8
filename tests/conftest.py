"""What all tests share: the Hypothesis profile."""

from hypothesis import settings

# Random on purpose: each run looks somewhere else, and a failure prints the blob that replays it.
# No deadline: a slow disk or a busy machine is not a wrong answer.
settings.register_profile("default", derandomize=False, print_blob=True, deadline=None)
settings.load_profile("default")
