"""Questions that rows of runs do not answer, a script each."""
