"""Usage: `judging` says whether what devices tell may be true (pure), `picture` draws what is kept."""
