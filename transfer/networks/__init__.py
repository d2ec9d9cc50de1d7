"""Networks give variables: MobileNet v1, transplants, weights. Nothing here knows data or training."""
