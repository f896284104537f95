# What the services are (services.yaml.tftpl), filled in with what this deployment wants of them.
locals {
  idle = var.load_balancer_idle_seconds

  # The ladder: request < the balancer's idle timeout < the server's; and a drain of the longest request.
  timeouts = {
    chat-api         = { request = var.chat.request_seconds, drain = max(local.idle, var.chat.request_seconds), keep_alive = local.idle + 20 }
    inference        = { request = var.inference.request_seconds, drain = max(30, var.inference.request_seconds), keep_alive = 65, after_drain = 45 }
    inference-claims = { request = var.claims.request_seconds, drain = max(60, var.claims.request_seconds), keep_alive = 65, after_drain = 45 }
  }

  in_cluster = var.kafka_mode == "incluster"
  # KEDA's operator lives in another namespace, where the Service has a longer name.
  kafka_servers         = local.in_cluster ? module.kafka[0].bootstrap_servers : var.kafka_bootstrap_servers
  kafka_servers_outside = local.in_cluster ? module.kafka[0].bootstrap_servers_outside : var.kafka_bootstrap_servers

  services = yamldecode(templatefile("${path.module}/services.yaml.tftpl", {
    chat_threads                 = var.chat.threads
    chat_request_seconds         = local.timeouts["chat-api"].request
    chat_keep_alive_seconds      = local.timeouts["chat-api"].keep_alive
    chat_drain_seconds           = local.timeouts["chat-api"].drain
    inference_threads            = var.inference.threads
    inference_request_seconds    = local.timeouts["inference"].request
    inference_keep_alive_seconds = local.timeouts["inference"].keep_alive
    inference_drain_seconds      = local.timeouts["inference"].drain
    claims_threads               = var.claims.threads
    claims_request_seconds       = local.timeouts["inference-claims"].request
    claims_drain_seconds         = local.timeouts["inference-claims"].drain
    claims_group                 = var.claims_group
    claims_topic                 = var.claims_topic
    kafka_bootstrap_servers      = local.kafka_servers
    kafka_security_protocol      = local.in_cluster ? "PLAINTEXT" : "SSL"
    kafka_partitions             = var.kafka_partitions
    s3_endpoint                  = "s3.${var.region}.amazonaws.com"
    s3_credentials               = var.s3_credentials
    s3_bucket                    = var.s3_bucket
    region                       = var.region
  }))

  wishes = { chat-api = var.chat, inference = var.inference, inference-claims = var.claims }

  # Further variables of the deployment's own win over the file's.
  env = { for name, service in local.services : name => { for key, value in merge(service.env, local.wishes[name].env) : key => value if value != "" } }

  tags = { for name, service in local.services : name => lookup(var.image_tags, service.image, var.image_tag) }

  images = { for name, service in local.services : name => join("", [
    "${var.registry}/${service.image}:${local.tags[name]}",
    can(var.image_digest[service.image]) ? "@${var.image_digest[service.image]}" : "",
  ]) }
}
