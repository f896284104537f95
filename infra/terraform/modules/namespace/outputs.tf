output "name" {
  description = "The namespace, known once it is there: what takes its name from here is made after it."
  value       = kubernetes_namespace_v1.this.metadata[0].name
}

output "priority_classes" {
  description = "Key of `priorities` -> name of the class."
  value       = { for key, class in kubernetes_priority_class_v1.this : key => class.metadata[0].name }
}
