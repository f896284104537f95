# Nothing is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  labels = { "app.kubernetes.io/part-of" = "sluice" }
}

run "pods_are_restricted" {
  command = plan

  assert {
    condition = alltrue([
      for mode in ["enforce", "audit", "warn"] :
      kubernetes_namespace_v1.this.metadata[0].labels["pod-security.kubernetes.io/${mode}"] == "restricted"
    ])
    error_message = "Pod Security must be enforced, audited and warned about as `restricted`."
  }

  assert {
    condition     = kubernetes_namespace_v1.this.metadata[0].labels["app.kubernetes.io/part-of"] == "sluice"
    error_message = "The labels that were given belong on the namespace too."
  }
}

run "nothing_is_spoken_but_what_is_allowed" {

  assert {
    condition     = toset(kubernetes_network_policy_v1.default_deny.spec[0].policy_types) == toset(["Ingress", "Egress"])
    error_message = "Traffic must be denied in both directions."
  }

  assert {
    condition = alltrue([
      length(kubernetes_network_policy_v1.default_deny.spec[0].pod_selector) == 1,
      length(kubernetes_network_policy_v1.default_deny.spec[0].pod_selector[0].match_labels) == 0,
      length(kubernetes_network_policy_v1.default_deny.spec[0].pod_selector[0].match_expressions) == 0,
      length(kubernetes_network_policy_v1.default_deny.spec[0].ingress) == 0,
      length(kubernetes_network_policy_v1.default_deny.spec[0].egress) == 0,
    ])
    error_message = "The denial must hold for every pod, without exceptions."
  }

  assert {
    condition = alltrue([
      kubernetes_network_policy_v1.dns.spec[0].policy_types == tolist(["Egress"]),
      toset([for port in kubernetes_network_policy_v1.dns.spec[0].egress[0].ports : "${port.protocol}/${port.port}"]) == toset(["UDP/53", "TCP/53"]),
      kubernetes_network_policy_v1.dns.spec[0].egress[0].to[0].pod_selector[0].match_labels["k8s-app"] == "kube-dns",
      kubernetes_network_policy_v1.dns.spec[0].egress[0].to[0].namespace_selector[0].match_labels["kubernetes.io/metadata.name"] == "kube-system",
    ])
    error_message = "What every pod may do is to ask the cluster's DNS, on port 53, and nothing else."
  }
}

run "a_share_of_the_cluster" {
  command = plan

  assert {
    condition = alltrue([
      for what in ["requests.cpu", "limits.cpu", "requests.memory", "limits.memory", "pods", "persistentvolumeclaims", "services.loadbalancers"] :
      contains(keys(kubernetes_resource_quota_v1.this.spec[0].hard), what)
    ])
    error_message = "The quota must bound CPU, memory, pods, volumes and balancers."
  }

  # A quota on limits refuses a container that has none; a default of this kind would quietly give it some.
  assert {
    condition = alltrue([
      for limit in kubernetes_limit_range_v1.this.spec[0].limit :
      limit.type != "Container" && length(coalesce(limit.default, {})) == 0
    ])
    error_message = "Limits must not be handed out by default: who forgets them is to be refused."
  }

  assert {
    condition     = kubernetes_limit_range_v1.this.spec[0].limit[0].type == "Pod" && kubernetes_limit_range_v1.this.spec[0].limit[0].max["memory"] == "8Gi"
    error_message = "No pod may be larger than a node."
  }
}

run "who_goes_first" {
  command = plan

  assert {
    condition = alltrue([
      kubernetes_priority_class_v1.this["broker"].value > kubernetes_priority_class_v1.this["serving"].value,
      kubernetes_priority_class_v1.this["serving"].value > kubernetes_priority_class_v1.this["claims"].value,
      kubernetes_priority_class_v1.this["claims"].preemption_policy == "Never",
    ])
    error_message = "The broker comes before answers that somebody waits for, these before claims, and claims push nobody out."
  }

  assert {
    condition     = alltrue([for class in kubernetes_priority_class_v1.this : class.global_default != true])
    error_message = "Pods of others in the cluster get no priority from here."
  }

  assert {
    condition     = output.priority_classes == { broker = "sluice-broker", serving = "sluice-serving", claims = "sluice-claims" }
    error_message = "Classes belong to the whole cluster, so their names begin with the namespace."
  }
}

run "no_namespace_of_kubernetes_own" {
  command = plan
  variables { namespace = "kube-system" }

  expect_failures = [var.namespace]
}

run "no_priority_above_the_cluster_itself" {
  command = plan
  variables { priorities = { ours = { value = 2000000000, description = "First of all." } } }

  expect_failures = [var.priorities]
}

run "a_quota_lets_something_run" {
  command = plan
  variables { quota = { pods = 0 } }

  expect_failures = [var.quota]
}
