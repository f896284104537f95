# The operator's targets on EKS. Each is a verb of scripts/cloud, which runs on a plain Python 3.11 and needs nothing of
# `make setup`; what stands on make's command line reaches it as an environment variable. DRY_RUN=1 prints the commands and
# runs none of them. infra/terraform/README.md walks through a first deployment, an upgrade, a rollback and a teardown.
#
#   ENV=demo  DRY_RUN=1  DEADLINE=600s  CLUSTER, REGION (only to be sure: the variable files of 10-platform say them)
#   AWS, DOCKER, TERRAFORM, KUBECTL: other programs of that kind; KUBE_CONTEXT: empty for the kubeconfig's current one
PYTHON ?= python3
CLOUD := @$(PYTHON) -m scripts.cloud

.PHONY: deploy deploy-chat deploy-inference tf-init tf-plan tf-apply tf-destroy ecr-login docker-build-chat \
        docker-build-inference docker-push-chat docker-push-inference k8s-config k8s-status k8s-get-urls k8s-logs \
        k8s-logs-errors k8s-scale k8s-restart k8s-rollback k8s-history shutdown-nodes spinup-all shutdown-all \
        region-status region-set test-triage-local test-triage-cloud

##@ EKS: deploy (DRY_RUN=1 prints the commands of any of these and runs none)
deploy: ## From this commit to an address: images, three roots, rollouts, URLs (IMAGE_TAG: images that are pushed already)
	$(CLOUD) $@

deploy-chat: ## The chat service alone, on a platform that stands; the other keeps what it runs (IMAGE_TAG)
	$(CLOUD) $@

deploy-inference: ## The forecast service alone, over HTTP and claims (IMAGE_TAG)
	$(CLOUD) $@

test-triage-local: ## Ask the chat service of this machine one question (URL, MRN, QUERY, SLUICE_API_KEY)
	$(CLOUD) $@

test-triage-cloud: ## Ask the one behind the balancer (MRN, QUERY, SLUICE_API_KEY)
	$(CLOUD) $@

##@ EKS: images
docker-build-chat: ## Build the chat image, tagged by commit (IMAGE_TAG, DOCKER_BUILD_ARGS, ALLOW_DIRTY=1)
	$(CLOUD) $@

docker-build-inference: ## Build the forecast image, tagged by commit
	$(CLOUD) $@

docker-push-chat: ## Push it to ECR; one that is there already stays
	$(CLOUD) $@

docker-push-inference: ## Push it to ECR; one that is there already stays
	$(CLOUD) $@

ecr-login: ## Sign docker in to ECR
	$(CLOUD) $@

##@ EKS: Terraform, all three roots in order or ROOT=10-platform, 20-addons, 30-apps
tf-init: ## Get providers and the state, as backend.hcl says where it lies
	$(CLOUD) $@

tf-plan: ## What would change; the services with the images that run (or IMAGE_TAG)
	$(CLOUD) $@

tf-apply: ## Change it; asks before, unless AUTO_APPROVE=1
	$(CLOUD) $@

tf-destroy: ## Destroy in reverse, balancers and volumes drained first (CONFIRM: the cluster's name)
	$(CLOUD) $@

##@ EKS: what runs (APP=chat-api, inference, inference-claims; all where it is left out)
k8s-config: ## Let kubectl know the cluster, under its own name
	$(CLOUD) $@

k8s-status: ## Nodes, workloads, scaling, the latest warnings
	$(CLOUD) $@

k8s-get-urls: ## Wait for the balancer's address and print it with examples (DEADLINE=600s)
	$(CLOUD) $@

k8s-logs: ## Logs (APP, TAIL=200, FOLLOW=1)
	$(CLOUD) $@

k8s-logs-errors: ## Lines of errors only, and how each restarted container ended (APP)
	$(CLOUD) $@

k8s-scale: ## Another number of pods (APP, REPLICAS=n; REPLICAS=auto gives it back to KEDA)
	$(CLOUD) $@

k8s-restart: ## New pods of the same kind, one after the other (APP)
	$(CLOUD) $@

k8s-rollback: ## Back to what ran before (APP, REVISION=n)
	$(CLOUD) $@

k8s-history: ## Revisions and their images (APP)
	$(CLOUD) $@

##@ EKS: costs and regions
shutdown-nodes: ## No nodes for the night; control plane, NAT, balancer and volumes stay
	$(CLOUD) $@

spinup-all: ## Nodes, pods and addresses again; after shutdown-all a whole deploy
	$(CLOUD) $@

shutdown-all: ## Nothing that costs any more: tf-destroy of all (CONFIRM: the cluster's name)
	$(CLOUD) $@

region-status: ## Which region Terraform, AWS and kubectl mean, and what is there
	$(CLOUD) $@

region-set: ## Mean another region, with zones that have the nodes' machines (REGION)
	$(CLOUD) $@
