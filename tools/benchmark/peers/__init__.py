"""What ssmr is compared with, each written plainly."""
