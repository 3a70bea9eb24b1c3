"""Commands cut into shards, and the launchers that make the shards."""
