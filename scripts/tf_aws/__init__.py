"""`make tf-aws`: the AWS platform with the real provider, made and unmade in an AWS that is played on this machine."""
