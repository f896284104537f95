"""A real Apache Kafka for tests: one node on loopback, from the jars that Maven fetches once."""
