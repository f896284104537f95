"""The servers that `bench.predict` measures us against: same request, same network, same features, other machinery.

Their packages live in an environment of their own (`environment`), so nothing here may import the project's services,
and nothing but `workload` and `environment` is imported by the benchmark itself.
"""
