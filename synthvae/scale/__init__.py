"""Sharded execution of commands: work per shard, and launchers that compute the shards."""
