output "bootstrap_servers" {
  description = "Addresses of the brokers, over TLS: KAFKA_BOOTSTRAP_SERVERS."
  value       = aws_msk_cluster.this.bootstrap_brokers_tls
}

output "cluster_arn" {
  description = "ARN of the Kafka cluster."
  value       = aws_msk_cluster.this.arn
}
