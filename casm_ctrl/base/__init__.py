"""What every layer may use: errors, the clock, identifiers, deadlines. It imports nothing of ours."""
