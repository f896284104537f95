output "job" {
  description = "Name of the job, known once it is done: what needs the topics waits for it."
  value       = kubernetes_job_v1.this.metadata[0].name
}
