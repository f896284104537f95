"""The operator's commands on EKS (`make deploy` and its neighbours), on the standard library alone.

Who deploys needs aws, docker, terraform and kubectl, but no environment of this project: `infra/cloud.mk` calls
`python3 -m scripts.cloud VERB`. Rooms, from the bottom up:

    running     one place that starts programs, shows them, or only shows them (DRY_RUN=1)
    wishes      what the operator says, by environment variables, once
    tfvars      what Terraform's variable files say of name and region
    programs    are the programs there, is somebody signed in
    checkout    the tag of this checkout's images
    registry    ECR: sign in, build, push, digests
    terraform   the three roots: init, plan, apply, outputs, what is handed from one to the next
    cluster     kubeconfig and kubectl
    pods        why pods do not start, from what the API says; pure
    rollout     waits for rollouts, and stops early with the reason
    urls        the balancer's address
    workloads   status, logs, scale, restart, rollback, history
    nodes · region · teardown · triage · deploy      one verb family each
"""
