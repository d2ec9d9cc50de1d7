"""Networks give variables: MobileNet v1, transplants, weights. No data, no training."""
