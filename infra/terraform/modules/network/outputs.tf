output "vpc_id" {
  description = "The network."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "Its address range."
  value       = aws_vpc.this.cidr_block
}

output "private_subnet_ids" {
  description = "Private subnet of each zone, by zone: nodes and brokers stand there."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "public_subnet_ids" {
  description = "Public subnet of each zone, by zone: balancers and NAT stand there."
  value       = { for zone, subnet in aws_subnet.public : zone => subnet.id }
}
